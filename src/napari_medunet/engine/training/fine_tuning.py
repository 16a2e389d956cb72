"""Fine-tuning: a segmenter is trained further on new annotations, and does not forget its labels.

Two methods prevent forgetting. A label that is in none of the new annotations gets pseudo-labels of the old
segmenter where the annotation has background (Douillard et al. 2021, "PLOP", CVPR, section 3.3). And old
examples are replayed, if there are some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.example import Example, check_image, label_values
from napari_medunet.engine.examples.split import split_examples
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.hardware import devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.given_plan import check_plan
from napari_medunet.engine.prediction.painted import remember
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Progress, ProgressCallback, ignore
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.training.assembling import assemble_segmenter, name_classes
from napari_medunet.engine.training.one_network import train_one_network
from napari_medunet.engine.training.pacing import Promises
from napari_medunet.engine.training.run.run_folder import RunFolder, run_context
from napari_medunet.engine.training.shares import Shares

_REPLAYED_PER_NEW = 3  # old examples, at most: the new ones are to be seen often
# A new label's logit begins so far below the mean of those of what is known: nowhere the highest, whatever
# these are, but not so unlikely that it takes long to learn.
_UNLIKELY = -1.0
_DOUBTFUL = 0.05  # share of a new label's voxels that were something known before
Labels = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Predecessor:
    """The segmenter that is fine-tuned, and old examples for it.

    Attributes
    ----------
    segmenter : Segmenter
        It is not changed.
    replay : sequence of Example
        Old training examples, so that it does not forget them, with the labels that it had then. If they
        are many, some are drawn at random.
    """

    segmenter: Segmenter
    replay: Sequence[Example] = ()


def fine_tune(
    predecessor: Predecessor,
    examples: list[Example],
    plan: Plan,
    report: ProgressCallback = ignore,
    names: Mapping[int, str] | None = None,
    run: RunFolder | None = None,
) -> Segmenter:
    """Train a segmenter further, on its own grid; labels that it does not know are added to it.

    Of a segmenter of several networks the first is trained; the pseudo-labels are of all of them.

    Parameters
    ----------
    predecessor : Predecessor
    examples : non-empty list of Example
        The new ones.
    plan : Plan
        Made by `extend_plan` of the new examples and of those that are replayed.
    report, names, run
        As in `train`; names of labels that the segmenter has need not be given.

    Returns
    -------
    Segmenter
        A new one; its validation is on new examples and replayed ones.

    Raises
    ------
    MedunetError
        As `train`, and if the examples do not fit the segmenter.
    """
    segmenter, replay = predecessor.segmenter, predecessor.replay
    plan = (run.plan if run else None) or plan
    promises = Promises(Shares(plan.budget.minutes))
    report(Progress(0, "Reading the examples"))
    for example in (*examples, *replay):
        check_image(example.image)
    replayed = sample_replay(replay, len(examples), plan.budget.seed)
    check_plan(plan, [*examples, *replayed])
    old_names = {one.value: one.name for one in segmenter.card.classes}
    classes = name_classes(plan, old_names | dict(names or {}))
    with run_context(run, [*examples, *replay], plan, report) as (logged, initial):
        seen = [_seen(segmenter, example, logged) for example in examples]
        known = pseudo_label_known(segmenter.plan, examples, seen)
        replayed = mask_doubtful(segmenter.plan, replayed, examples, seen)
        hold_out, seed = plan.hold_out.validation, plan.budget.seed
        split = split_examples([*known, *replayed], hold_out, seed, plan.axis)
        begun = replace(initial, weights=extended_weights(segmenter, plan))
        trained = train_one_network(split, plan, classes, logged, begun, promises)
    if run:
        run.measured(trained.card.pace)
    data = measure_examples(examples)
    if segmenter.card.data is not None:
        data = segmenter.card.data.joined(data)
    painted = remember(examples, segmenter.painted)
    more = assemble_segmenter([trained], plan, classes, data, painted=painted)
    old = f"a segmenter of {len(segmenter.card.cases)} cases, {segmenter.card.created}"
    about = more.card.trained_with | {"fine-tuned from": old}
    return replace(more, card=more.card.model_copy(update={"trained_with": about}))


def pseudo_label_known(plan: Plan, examples: list[Example], seen: list[Labels]) -> list[Example]:
    """Set pseudo-labels of labels that a segmenter knows and no example has.

    A label that is painted in some example is taken to be painted wherever it is. One that is painted in
    none would be forgotten: it is set where the segmenter predicts it on annotated background.

    Parameters
    ----------
    plan : Plan
        Of the segmenter.
    examples : list of Example
    seen : list of (z, y, x) arrays
        What the segmenter sees in them.
    """
    said = set(label_values(examples))
    silent = [label for label in plan.labels[1:] if label not in said]
    if not silent:
        return examples
    filled_in = []
    for example, found in zip(examples, seen, strict=True):
        filled = example.annotated & (example.labels == 0) & np.isin(found, silent)
        kinds = np.promote_types(example.labels.dtype, found.dtype)
        labels = np.where(filled, found, example.labels).astype(kinds)
        filled_in.append(replace(example, labels=labels))
    return filled_in


def mask_doubtful(
    plan: Plan, old: list[Example], examples: list[Example], seen: list[Labels]
) -> list[Example]:
    """Old examples, without those of their labels that may hold a new label.

    If a new label was painted on what the segmenter predicts as organ, the organ of an old example may
    hold it too, unpainted: these voxels count as not annotated, and are left to self-training.
    """
    doubtful: set[int] = set()
    for label in set(label_values(examples)) - set(plan.labels):
        was = np.concatenate([s[e.labels == label] for e, s in zip(examples, seen, strict=True)])
        known, counts = np.unique(was, return_counts=True)
        doubtful.update(int(k) for k in known[counts > _DOUBTFUL * counts.sum()])
    certain = [replace(e, annotated=e.annotated & ~np.isin(e.labels, list(doubtful))) for e in old]
    return [example for example in certain if example.annotated.any()]


def _seen(segmenter: Segmenter, example: Example, report: ProgressCallback) -> Labels:
    def tell(_: Progress) -> None:
        report(Progress(0, f"Looking for what is known in {example.name}"))

    return predict(segmenter, example.image, PredictSettings(interpolate=False), tell)


def extended_weights(segmenter: Segmenter, plan: Plan) -> list[npt.NDArray[Any]]:
    """The weights of a segmenter's first network, as those of a network that knows more labels.

    Weights of the old labels are kept. The logit of a new label begins below the mean of theirs.
    """
    from napari_medunet.engine.network.unet import build_unet

    old_labels = segmenter.plan.labels
    places = [plan.labels.index(label) for label in old_labels]
    extended = []
    for new, old in zip(
        build_unet(plan, devices.precision()).weights, segmenter.networks[0].weights, strict=True
    ):
        values = np.asarray(old.numpy())
        if new.shape != old.shape:  # kernel and bias of the logits: classes on the last axis
            below = _UNLIKELY if values.ndim == 1 else 0.0
            mean = values.mean(axis=-1, keepdims=True) + below
            wider = np.broadcast_to(mean, new.shape).astype(values.dtype)
            wider[..., places] = values
            values = wider
        extended.append(values)
    return extended


def sample_replay(replay: Sequence[Example], new: int, seed: int) -> list[Example]:
    """The old examples that are replayed beside so many new ones."""
    most = _REPLAYED_PER_NEW * new
    if len(replay) <= most:
        return list(replay)
    chosen = np.random.default_rng(seed).permutation(len(replay))[:most]
    return [replay[index] for index in sorted(chosen)]
