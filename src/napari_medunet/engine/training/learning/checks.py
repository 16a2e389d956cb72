"""Early warnings about a training, of one line each, with a remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.annotation import annotated_slices
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import EpochScores

_FEW_SLICES = 5  # of a label: below it a network learns these by heart
_ZERO_AFTER = 1 / 3  # of the training: by then a class that can be learned has shown itself
_MOST_NAMED = 3  # labels in one warning
_LONGEST_NAME = 30  # letters of a label in a warning; atlases have names of a hundred

Names = Mapping[int, str]


def of_examples(
    training: Sequence[Example], validation: Sequence[Example], plan: Plan, names: Names
) -> list[str]:
    """Check the training and validation examples.

    Parameters
    ----------
    training, validation : non-empty sequences of Example
    plan : Plan
        Its labels are looked for, in slices along its axis.
    names : mapping of label to name
    """
    found = []
    slices = _slices_of_labels(training, plan)
    few = [label for label, count in slices.items() if count < _FEW_SLICES]
    if few:
        counts = ", ".join(
            f"{_short(names[label])}: {slices[label]}" for label in few[:_MOST_NAMED]
        )
        found.append(
            f"Few training slices hold {_named(few, names)} ({counts}); a network can use many more. "
            f"Paint each label in at least {_FEW_SLICES} slices, spread over the volumes."
        )
    if any(one is other for one in training for other in validation):
        found.append(
            "Nothing could be held out: validation looks at what was trained on, and its scores are too "
            "good. Annotate at least five slices or volumes, with each label in two or more."
        )
        return found
    seen = measured(validation, plan, names)
    unseen = [label for label, count in slices.items() if count and label not in seen]
    if unseen:
        found.append(
            f"Validation holds no {_named(unseen, names)}: nobody measures how well it is learned. "
            "Annotate it in more slices or volumes."
        )
    return found


def of_history(history: Sequence[EpochScores], share: float, names: Names) -> list[str]:
    """Check the scores of the epochs so far.

    Parameters
    ----------
    history : sequence of EpochScores
    share : float
        Of the training that is done, from 0 to 1.
    names : mapping of label to name
        Of the labels that validation holds.
    """
    if share < _ZERO_AFTER:
        return []
    zero = []
    for label in names:
        dice = [one.label_dice[label] for one in history if label in one.label_dice]
        if dice and not any(dice):
            zero.append(label)
    if not zero:
        return []
    return [
        f"After a third of the training the validation Dice of {_named(zero, names)} is still zero. "
        "Check its annotation, paint it in more slices, or give more minutes."
    ]


def measured(validation: Sequence[Example], plan: Plan, names: Names) -> dict[int, str]:
    """The names of the labels that validation holds."""
    counts = _slices_of_labels(validation, plan)
    return {label: names[label] for label, count in counts.items() if count}


def of_the_end(epochs_done: float, epochs: int | None) -> list[str]:
    """Check whether the minutes ended a training before its epochs."""
    if epochs is None or epochs_done >= epochs:
        return []
    return [
        f"The training ended in epoch {int(epochs_done) + 1} of {epochs}, before its learning rate had "
        "fallen. For the best result give fewer epochs or more minutes."
    ]


def _slices_of_labels(examples: Sequence[Example], plan: Plan) -> dict[int, int]:
    """In how many annotated slices there is each label of a plan."""
    counts = dict.fromkeys(plan.labels[1:], 0)
    for example in examples:
        for axis, index in annotated_slices(example.annotated, plan.axis):
            annotated = np.take(example.annotated, index, axis)
            painted = np.take(example.labels, index, axis)[annotated]
            for label in _values(painted) & counts.keys():
                counts[label] += 1
    return counts


def _values(numbers: npt.NDArray[Any]) -> set[int]:
    """What occurs in a row of numbers, of which neighbours are mostly the same: quick for millions."""
    begins = numbers[1:] != numbers[:-1]
    return {*numbers[:1].tolist(), *np.unique(numbers[1:][begins]).tolist()}


def _named(labels: Sequence[int], names: Names) -> str:
    shown = ", ".join(f"'{_short(names[label])}'" for label in labels[:_MOST_NAMED])
    more = len(labels) - _MOST_NAMED
    return shown if more <= 0 else f"{shown} and {more} more"


def _short(name: str) -> str:
    """Begin and end of a long name: labels of an atlas may differ in the last word."""
    half = (_LONGEST_NAME - 3) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}...{name[-half:]}"
