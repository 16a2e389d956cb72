"""Scores: the metrics of each label of a case, and how they are filled in, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from napari_medunet.engine.evaluation.metrics import overlap
from napari_medunet.engine.evaluation.metrics.confusion import Confusion
from napari_medunet.engine.evaluation.metrics.lesions import lesion_metrics
from napari_medunet.engine.evaluation.metrics.regions import LabelMasks, region_metrics
from napari_medunet.engine.evaluation.metrics.score_table import ScoreTable, label_table
from napari_medunet.engine.evaluation.metrics.surface import surfaces
from napari_medunet.engine.evaluation.metrics.table import LabelScores
from napari_medunet.engine.settings import EvaluateSettings


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The scores of one case.

    Attributes
    ----------
    name : str
    labels : dict of int to LabelScores
        Ascending; the labels that truth or prediction have, background left out.
    confusion : Confusion
        Of all labels, background among them.
    groups : dict of str to LabelScores
        Labels measured together, by the name of the group.
    resampled : str
        From which grid to which the prediction was brought, for the user; empty where it was not.
    partial : bool
        Whether some voxels did not count: what takes whole shapes is then NaN for every label.
    settings : EvaluateSettings
        How it was measured.
    """

    name: str
    labels: dict[int, LabelScores]
    confusion: Confusion
    groups: dict[str, LabelScores] = field(default_factory=dict)
    resampled: str = ""
    partial: bool = False
    settings: EvaluateSettings = field(default_factory=EvaluateSettings)

    @property
    def rows(self) -> dict[int | str, LabelScores]:
        """Labels, then groups."""
        rows: dict[int | str, LabelScores] = dict(self.labels.items())
        rows.update(self.groups)
        return rows

    def table(self) -> ScoreTable:
        """Lay out the scores by label."""
        return label_table(self.name, self.rows, self.settings)

    def __str__(self) -> str:
        """Write the table as text."""
        return str(self.table())

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return self.table()._repr_html_()

    @property
    def accuracy(self) -> float:
        """Share of voxels with the right label, 0..1: over all labels, background among them."""
        return overlap.overall_accuracy(self.confusion)

    @property
    def kappa(self) -> float:
        """Cohen's kappa over all labels, background among them."""
        return overlap.overall_kappa(self.confusion)


def overlap_scores(
    confusion: Confusion, voxel_ml: float, settings: EvaluateSettings
) -> dict[int, LabelScores]:
    """Score the overlap of each label, background left out; the volume of a voxel is in ml."""
    return {
        label: LabelScores(
            **overlap.overlap_metrics(confusion.counts(label), voxel_ml, settings.beta)
        )
        for label in sorted(confusion.labels.tolist())
        if label != 0
    }


def with_distances(
    scores: LabelScores, distances: surfaces.SurfaceDistances, settings: EvaluateSettings
) -> LabelScores:
    """Add the metrics of the distances between surfaces."""
    return replace(scores, **surfaces.distance_metrics(distances, settings))


def with_known_distances(
    scores: LabelScores, distances: surfaces.SurfaceDistances, settings: EvaluateSettings
) -> LabelScores:
    """Add distances where some voxels do not count: between the known parts of the two surfaces.

    NaN where nothing is known of one of them, and between scribbles; infinite where only one of truth
    and prediction has the label among the voxels that count.
    """
    if settings.annotated == "voxels":
        return scores
    if 0 in (scores.volume_truth_ml, scores.volume_prediction_ml):
        distances = surfaces.ONE_SIDED
    elif distances.one_sided:
        return scores
    return with_distances(scores, distances, settings)


def with_regions(scores: LabelScores, masks: LabelMasks, settings: EvaluateSettings) -> LabelScores:
    """Add the metrics of boundaries, centres and lesions."""
    found = {**region_metrics(masks, settings), **lesion_metrics(masks, settings)}
    return replace(scores, **found)
