"""Card: all that is known about a segmenter beside its weights; `card.json` in a `.medunet` file.

A card comes back from a file that anybody may have made: every field has bounds and is checked.
"""

from __future__ import annotations

from math import isnan
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medunet.engine.examples.statistics import DataStatistics
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.painted import MOST_PAINTED, PaintedCard
from napari_medunet.engine.progress import EpochScores
from napari_medunet.engine.settings import MOST_FOLDS

ShortText = Annotated[str, Field(max_length=500)]
Label = Annotated[int, Field(ge=1, le=2**63 - 1)]


class SegmentClass(BaseModel):
    """One label that a segmenter knows: its value in label volumes, and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Label
    name: ShortText


class PaceOfNetwork(BaseModel):
    """What was planned of a training, and what was done.

    Attributes
    ----------
    planned_steps : float
        Batches that were expected to fit into the minutes.
    steps : int
        Batches that were learned from.
    epochs : float
        The same in epochs; the last may have been ended early.
    gflops : float
        Billions of operations a second, by the median of its steps; 0 where none was timed.
    networks : int
        Or folds, that shared the minutes, as it was decided last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    planned_steps: Annotated[float, Field(ge=0)] = 0.0
    steps: Annotated[int, Field(ge=0)] = 0
    epochs: Annotated[float, Field(ge=0)] = 0.0
    gflops: Annotated[float, Field(ge=0)] = 0.0
    networks: Annotated[int, Field(ge=1)] = 1


class NetworkCard(BaseModel):
    """How one network of a segmenter was trained.

    Attributes
    ----------
    training_cases, validation_cases : tuples of str
        Names of the images. With few cases slices are held out instead, and both tuples are equal.
    validation_dice : dict of str to float or None
        Of the kept weights, by class name; None where the class was in no validation case.
    recall : tuple of float
        Share of each class's voxels, background first, that was found in training, when the weights were
        kept; empty where it was not measured.
    history : tuple of EpochScores
        Of each epoch; of very many epochs some, evenly spread.
    best_epoch : int
        Whose weights were kept.
    minutes : float
        That training took.
    warnings : tuple of str
        That the user saw during the training.
    pace : PaceOfNetwork
    weights_sha256 : str
        Of the weights' file; empty until the segmenter is saved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    training_cases: tuple[ShortText, ...]
    validation_cases: tuple[ShortText, ...]
    validation_dice: dict[ShortText, float | None]
    recall: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(max_length=1024)] = ()
    history: tuple[EpochScores, ...]
    best_epoch: Annotated[int, Field(ge=0)]
    minutes: Annotated[float, Field(ge=0)]
    warnings: tuple[ShortText, ...] = ()
    pace: PaceOfNetwork = PaceOfNetwork()
    weights_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class LabelMeans(BaseModel):
    """Some metrics of one label over several cases or folds, as `metrics.scores` defines them.

    NaN where a metric is not defined, infinity where a label was missed; distances are in mm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    dice: float
    iou: float
    precision: float
    recall: float
    hd: float
    hd95: float
    assd: float
    nsd: float


class FoldScores(BaseModel):
    """What one fold's network scored on the cases that it never saw.

    Attributes
    ----------
    cases : tuple of str
        Names of the images that were left out.
    scores : dict of label to LabelMeans
        Means over those cases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    cases: tuple[ShortText, ...]
    scores: dict[Label, LabelMeans]


class CrossValidationScores(BaseModel):
    """Scores of cross-validation: every case by a network that never saw it.

    Attributes
    ----------
    folds : tuple of FoldScores
        In the order of the card's networks.
    mean, sd : dicts of label to LabelMeans
        Mean and standard deviation of the folds' means.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    folds: Annotated[tuple[FoldScores, ...], Field(min_length=1, max_length=MOST_FOLDS)]
    mean: dict[Label, LabelMeans]
    sd: dict[Label, LabelMeans]


class Card(BaseModel):
    """All that is known about a segmenter beside its weights.

    Attributes
    ----------
    plan : Plan
        Of all networks.
    classes : tuple of SegmentClass
        Without background, in the order of `plan.labels`.
    networks : tuple of NetworkCard
        One for each network, whose probabilities are averaged.
    cross_validation : CrossValidationScores or None
        Where the networks are those of a cross-validation.
    trained_with : dict of str to str
        Backend, device, precision and versions.
    data : DataStatistics or None
        Intensities, spacing, extent and labels of what it was trained on; None where they were not kept.
    painted : tuple of PaintedCard
        Of the images of which slices were painted; the slices are beside the card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    format: Literal[3] = 3
    plan: Plan
    classes: Annotated[tuple[SegmentClass, ...], Field(min_length=1, max_length=1023)]
    networks: Annotated[tuple[NetworkCard, ...], Field(min_length=1, max_length=MOST_FOLDS)]
    cross_validation: CrossValidationScores | None = None
    created: ShortText
    trained_with: dict[ShortText, ShortText]
    data: DataStatistics | None = None
    painted: Annotated[tuple[PaintedCard, ...], Field(max_length=MOST_PAINTED)] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Card:
        labels = self.plan.labels[1:]
        if tuple(c.value for c in self.classes) != labels:
            raise ValueError("the classes are not those of the plan")
        if self.data is not None and len(self.data.channels) != self.plan.channels:
            raise ValueError("the statistics are not of as many channels as the plan")
        if any(one.recall and len(one.recall) != self.plan.classes for one in self.networks):
            raise ValueError("the recall is not of the plan's classes")
        if found := self.cross_validation:
            if len(found.folds) != len(self.networks):
                raise ValueError("there are not as many folds as networks")
            if any(set(s) != set(labels) for s in (found.mean, found.sd, *_of_folds(found))):
                raise ValueError("the labels that were cross-validated are not those of the plan")
        return self

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of all images that some network was trained or validated on, each once."""
        names = (name for n in self.networks for name in (*n.training_cases, *n.validation_cases))
        return tuple(dict.fromkeys(names))

    @property
    def recall(self) -> tuple[float, ...]:
        """Share of each class's voxels that the networks found in training, in the mean; perhaps empty."""
        measured = [network.recall for network in self.networks]
        same = len({len(one) for one in measured}) == 1
        return tuple(sum(one) / len(one) for one in zip(*measured, strict=True)) if same else ()

    @property
    def minutes(self) -> float:
        """That all trainings together took."""
        return sum(network.minutes for network in self.networks)

    @property
    def validation_dice(self) -> dict[str, float | None]:
        """Dice by class name on data that was not trained on; None if the class was not in it.

        Of cross-validation the mean over the folds; else of the network's own validation.
        """
        if self.cross_validation is None:
            return self.networks[0].validation_dice
        dice = {c.name: self.cross_validation.mean[c.value].dice for c in self.classes}
        return {name: None if isnan(value) else value for name, value in dice.items()}

    def describe(self) -> str:
        """Say in a few lines what the segmenter is and how good it was."""
        cases, count = len(self.cases), len(self.networks)
        lines = [
            self.plan.describe(),
            f"trained on {cases} {'case' if cases == 1 else 'cases'} in {self.minutes:.1f} min, "
            f"{self.created}, {self.trained_with.get('device', '')}",
        ]
        lines += [_pace_line(network.pace) for network in self.networks if network.pace.gflops]
        if before := self.trained_with.get("fine-tuned from"):
            lines.append(f"fine-tuned from {before}")
        if again := self.trained_with.get("again"):
            lines.append(f"trained again, {again}")
        if count > 1:
            lines.append(
                f"{count} networks, whose probabilities are averaged: predicting takes {count} times the "
                "time of one, and the memory of all their weights"
            )
        if self.cross_validation:
            return "\n".join([*lines, *_fold_lines(self.cross_validation, self.classes)])
        dice = ", ".join(
            f"{name} {score:.3f}" if score is not None else f"{name} not measured"
            for name, score in self.validation_dice.items()
        )
        return "\n".join([*lines, f"validation Dice: {dice}"])


def _pace_line(pace: PaceOfNetwork) -> str:
    return f"{pace.steps} steps at {pace.gflops:.3g} Gflop/s, about {pace.planned_steps:.0f} were planned"


def _of_folds(found: CrossValidationScores) -> list[dict[Label, LabelMeans]]:
    return [fold.scores for fold in found.folds]


def _fold_lines(found: CrossValidationScores, classes: tuple[SegmentClass, ...]) -> list[str]:
    """Say for each class what the folds scored: a line for Dice and the like."""
    lines = [f"cross-validated on {len(found.folds)} folds, mean +- sd (each fold):"]
    for one in classes:
        mean, sd = found.mean[one.value], found.sd[one.value]
        folds = ", ".join(f"{fold.scores[one.value].dice:.3f}" for fold in found.folds)
        lines.append(
            f"  {one.name}: Dice {mean.dice:.3f} +- {sd.dice:.3f} ({folds}), IoU {mean.iou:.3f} +- "
            f"{sd.iou:.3f}, HD95 {mean.hd95:.2f} +- {sd.hd95:.2f} mm"
        )
    return lines
