"""Options of a training: a small tree, of which a `Plan` is the same with nothing left open."""

from __future__ import annotations

from pydantic import Field

from napari_medunet.engine.settings.annotation import AnnotationSettings
from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.settings.grid import GridSettings
from napari_medunet.engine.settings.hold_out import HoldOutSettings
from napari_medunet.engine.settings.network import NetworkSettings
from napari_medunet.engine.settings.schedule import ScheduleSettings
from napari_medunet.engine.settings.tree import Settings


class TrainSettings(Settings):
    """What a user can choose before a training."""

    annotation: AnnotationSettings = Field(default_factory=AnnotationSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    grid: GridSettings = Field(default_factory=GridSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    hold_out: HoldOutSettings = Field(default_factory=HoldOutSettings)
