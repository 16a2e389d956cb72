"""Assembling a segmenter: trained networks, names of labels, and a card about the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from napari_medunet.engine.examples.statistics import DataStatistics
from napari_medunet.engine.hardware import devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import (
    Card,
    CrossValidationScores,
    NetworkCard,
    SegmentClass,
)
from napari_medunet.engine.prediction.painted import PaintedImage
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.training.one_network import TrainedNetwork


def name_classes(plan: Plan, names: Mapping[int, str]) -> tuple[SegmentClass, ...]:
    """The labels of a plan with their names; one without a name is called after its number."""
    return tuple(
        SegmentClass(value=value, name=names.get(value, f"label {value}"))
        for value in plan.labels[1:]
    )


def assemble_segmenter(
    trained: Sequence[TrainedNetwork],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    data: DataStatistics,
    cross_validation: CrossValidationScores | None = None,
    painted: tuple[PaintedImage, ...] = (),
) -> Segmenter:
    """Put networks of one plan together, with the card that says how they came about."""
    card = Card(
        plan=plan,
        classes=classes,
        networks=tuple(one.card for one in trained),
        cross_validation=cross_validation,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_with=_trained_with(plan, [one.card for one in trained]),
        data=data,
        painted=tuple(image.card for image in painted),
    )
    return Segmenter(tuple(one.network for one in trained), card, painted)


def _trained_with(plan: Plan, networks: Sequence[NetworkCard]) -> dict[str, str]:
    return {
        "napari-medunet": devices.package_version("napari-medunet"),
        "backend": devices.backend_name(),
        "device": devices.describe(),
        "keras": devices.package_version("keras"),
        "again": _again(plan.budget, networks),
    }


def _again(budget: BudgetSettings, networks: Sequence[NetworkCard]) -> str:
    """Say what could differ if the same were trained again."""
    reasons = []
    if budget.epochs is None:
        reasons.append("the learning rate follows the clock (give epochs)")
    elif any(one.pace.epochs < budget.epochs for one in networks):
        reasons.append("it was ended before its epochs were done")
    if devices.gpus():
        reasons.append("a GPU adds in an order of its own")
    elif budget.threads != 1:
        reasons.append("several threads add in an order of their own (give 1 thread)")
    same = "the same seed, data, plan, versions and machine"
    if not reasons:
        return f"{same} give the same weights"
    return f"{same} may give slightly other weights: {'; '.join(reasons)}"
