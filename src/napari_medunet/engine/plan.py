"""Plan: all that is decided before training, the tree of `TrainSettings` with nothing left open.

The rules are in `planning`. A plan is made once, where the user sees it, and handed on: to the training,
to the run folder and to the segmenter's card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from napari_medunet.engine.settings.annotation import AnnotationSettings
from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.settings.grid import GridPlan
from napari_medunet.engine.settings.hold_out import HoldOutSettings
from napari_medunet.engine.settings.network import NetworkPlan
from napari_medunet.engine.settings.schedule import SchedulePlan
from napari_medunet.engine.settings.tree import Settings
from napari_medunet.engine.volume import Volume

MOST_CLASSES = 1024  # background included
_MOST_FILTERS = 1024  # as in the classic U-Net: 64 filters over 5 levels
_MOST_REASONS = 100
_SAME_SPACING = 0.02  # a relative difference below it is headers' rounding, not another scanner
_AXES = "zyx"

ShortText = Annotated[str, Field(max_length=1000)]
Labels = Annotated[
    tuple[Annotated[int, Field(ge=0, le=2**63 - 1)], ...],
    Field(min_length=2, max_length=MOST_CLASSES),
]


class Reason(Settings):
    """One decision in words: what was chosen, and why."""

    choice: ShortText
    why: ShortText


class Expected(Settings):
    """What the training is expected to take, estimated from the plan and the machine.

    Attributes
    ----------
    steps : float
        Batches that each network learns from, where the minutes end it.
    memory_mib : float
    """

    steps: Annotated[float, Field(ge=0)] = 0.0
    memory_mib: Annotated[float, Field(ge=0)] = 0.0


class Plan(Settings):
    """All that is decided before training. A plan comes back from files, so every field has bounds.

    Attributes
    ----------
    channels : int
        Of an image; the network has `inputs`.
    labels : tuple of int
        The label of each class, ascending, 0 for background first.
    annotation, budget, hold_out : settings
        As the user gave them.
    grid, network, schedule : plans of these branches
    expected : Expected
    reasons : dict of path to Reason
        Of the rules' decisions, in their order, by paths such as "grid.spacing_mm" and "network.filters".
        A plan from an edited file has none.
    """

    channels: Annotated[int, Field(ge=1, le=64)] = 1
    labels: Labels
    annotation: AnnotationSettings = Field(default_factory=AnnotationSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    grid: GridPlan
    network: NetworkPlan
    schedule: SchedulePlan = Field(default_factory=SchedulePlan)
    hold_out: HoldOutSettings = Field(default_factory=HoldOutSettings)
    expected: Expected = Field(default_factory=Expected)
    reasons: Annotated[dict[ShortText, Reason], Field(max_length=_MOST_REASONS)] = Field(
        default_factory=dict
    )

    @model_validator(mode="before")
    @classmethod
    def _halve_everywhere(cls, fields: Any) -> Any:
        """Pool each axis below each level, where a plan says only how many levels there are."""
        network = fields.get("network") if isinstance(fields, dict) else None
        if not isinstance(network, dict) or "pools" in network or "depth" not in network:
            return fields
        patch = dict(fields.get("grid", {})).get("patch", ())
        pools = ((2,) * len(patch),) * (int(network["depth"]) - 1)
        return fields | {"network": network | {"pools": pools}}

    @model_validator(mode="after")
    def _fits_together(self) -> Plan:
        for problem in (_grid_problem(self), _network_problem(self)):
            if problem:
                raise ValueError(problem)
        if self.labels[0] != 0 or list(self.labels) != sorted(set(self.labels)):
            raise ValueError(f"labels {self.labels} are not ascending from background, 0")
        return self

    @property
    def spatial_dims(self) -> Literal[2, 3]:
        """Axes of the patch: 2 for slices, with neighbours or without, 3 for blocks."""
        return 3 if self.grid.dims == "3d" else 2

    @property
    def axis(self) -> int:
        """Array axis (of z, y, x) across the slices."""
        return _AXES.index(self.grid.looked_across)

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(self.labels)

    @property
    def inputs(self) -> int:
        """Channels of the network's input: those of the image, times the slices that it sees."""
        return self.channels * (2 * self.grid.context + 1)

    @property
    def multiples(self) -> tuple[int, ...]:
        """What the sizes of the network's input are multiples of, along each axis of the patch."""
        return tuple(math.prod(factors) for factors in zip(*self.network.pools, strict=True))

    @property
    def parts(self) -> int:
        """Trainings that share the minutes: one for each fold, or for each network."""
        return self.hold_out.folds or self.network.networks

    @property
    def why(self) -> str:
        """Each decision with its reason, one a line."""
        told = [(title_of(path), *dict(reason).values()) for path, reason in self.reasons.items()]
        wide = [max((len(row[i]) for row in told), default=0) for i in range(2)]
        return "\n".join(
            f"{title:{wide[0]}}  {choice:{wide[1]}}  {why}" for title, choice, why in told
        )

    def _repr_html_(self) -> str:
        """Each decision with its reason, as a notebook shows it."""
        rows = "".join(
            f"<tr><td>{escape(title_of(path))}</td><td>{escape(reason.choice)}</td>"
            f"<td>{escape(reason.why)}</td></tr>"
            for path, reason in self.reasons.items()
        )
        return f"<p>{escape(self.describe())}</p><table>{rows}</table>"

    def of_part(self, number: int) -> Plan:
        """The plan of one of the parts: its share of the minutes, and a seed of its own.

        Networks with different initial weights err in different places, and their mean is better.

        Parameters
        ----------
        number : int
            From 0.
        """
        from numpy.random import SeedSequence

        # Not the next seeds: trainings by neighbouring ones would share networks.
        seed = self.budget.seed
        own = int(SeedSequence((seed, number)).generate_state(1)[0]) if number else seed
        minutes = self.budget.minutes / self.parts
        return self.changed(minutes=minutes, seed=own, networks=1, folds=None)

    def kernel(self, level: int) -> tuple[int, ...]:
        """Size of the convolutions of a level, 0 the finest: 3, but 1 along an axis still too coarse."""
        if level == self.network.depth - 1:
            return (3,) * self.spatial_dims
        pooled = [max(factors) for factors in zip(*self.network.pools[: level + 1], strict=True)]
        return tuple(3 if factor == 2 else 1 for factor in pooled)

    def describe(self) -> str:
        """Say the plan in one line for the user."""
        grid, network = self.grid, self.network
        size = " x ".join(str(n) for n in grid.patch)
        spacing = " x ".join(f"{mm:.3g}" for mm in grid.spacing_mm)
        return (
            f"{grid.dims.upper()} U-Net, {network.depth} levels from {network.filters} filters, patches "
            f"of {size} at {spacing} mm, batches of {self.schedule.batch}, {self.classes - 1} labels"
            + (f", {self.channels} channels" if self.channels > 1 else "")
            + (f", {network.networks} networks" if network.networks > 1 else "")
        )


def title_of(path: str) -> str:
    """What a decision is called, by its path: "grid.spacing_mm" is "spacing".

    >>> title_of("grid.spacing_mm"), title_of("schedule.learning_rate"), title_of("memory")
    ('spacing', 'learning rate', 'memory')
    """
    name = path.rpartition(".")[2]
    leaf = Plan.leaves().get(name)
    return (leaf.field.title if leaf else None) or name.replace("_", " ")


def with_reasons(plan: Plan, reasons: Mapping[str, Reason]) -> Plan:
    """The plan with the reasons of its decisions."""
    return plan.model_copy(update={"reasons": dict(reasons)})


def grid_shape(volume: Volume, plan: Plan) -> tuple[int, int, int]:
    """Voxels of a volume on the network's grid, still in the order (z, y, x)."""
    sizes = []
    for axis, (n, mm, target) in enumerate(
        zip(volume.shape, volume.spacing_mm, plan.grid.spacing_mm, strict=True)
    ):
        across = plan.spatial_dims == 2 and axis == plan.axis
        same = across or abs(mm / target - 1) < _SAME_SPACING
        sizes.append(n if same else max(1, round(n * mm / target)))
    z, y, x = sizes
    return z, y, x


def _grid_problem(plan: Plan) -> str:
    grid = plan.grid
    if len(grid.patch) != plan.spatial_dims:
        return f"a {plan.spatial_dims}D plan has a patch of {plan.spatial_dims} sizes, not {grid.patch}"
    if grid.context and grid.dims == "3d":
        return "a 3D plan has no context: neighbouring slices are in its blocks"
    if bool(grid.context) != (grid.dims == "2.5d"):
        return f"a {grid.dims.upper()} plan cannot see {grid.context} slices on each side"
    return ""


def _network_problem(plan: Plan) -> str:
    network, dims = plan.network, plan.spatial_dims
    if len(network.pools) != network.depth - 1 or any(len(p) != dims for p in network.pools):
        return (
            f"pools {network.pools} are not {network.depth - 1} times {dims} factors, one fewer than "
            "levels"
        )
    patch = plan.grid.patch
    if any(size % step for size, step in zip(patch, plan.multiples, strict=True)):
        return (
            f"patch {patch} is no multiple of {plan.multiples}, as its {network.depth} levels need"
        )
    if network.filters * 2 ** (network.depth - 1) > _MOST_FILTERS:
        doubled = f"{network.filters} filters doubled over {network.depth} levels"
        return f"{doubled} are more than {_MOST_FILTERS}"
    return ""
