"""Measuring many cases: files in, scores of every case out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_medunet.engine.errors import told
from napari_medunet.engine.evaluation.metrics.confusion import Confusion, Counts, pooled, summed
from napari_medunet.engine.evaluation.metrics.overlap import ratios
from napari_medunet.engine.evaluation.metrics.score_table import ScoreTable
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, evaluate_case
from napari_medunet.engine.evaluation.metrics.table import ABSENT, LabelScores
from napari_medunet.engine.evaluation.scores_csv import write_csv
from napari_medunet.engine.evaluation.summary import Summary, summarise, summarise_cases
from napari_medunet.engine.evaluation.tables import case_table, summary_table
from napari_medunet.engine.files.doubts import once_each
from napari_medunet.engine.files.files import read
from napari_medunet.engine.files.label_names import names_beside
from napari_medunet.engine.files.paths import AnyPath
from napari_medunet.engine.progress import (
    Cancelled,
    Progress,
    ProgressCallback,
    StopRequested,
    ignore,
)
from napari_medunet.engine.settings import EvaluateSettings

_SHOWN = 5  # labels in one sentence


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of many cases.

    Attributes
    ----------
    cases : dict of str to CaseScores
        Every case has every label that some case has: absent ones score NaN.
    failures : dict of str to str
        What could not be measured, and why, in one line each.
    unpaired : tuple of str
        Names that had no partner.
    settings : EvaluateSettings
    names : mapping of label to str
        What to call the labels, where that is known.
    doubts : tuple of str
        What of the files cannot be meant, one sentence each.
    """

    cases: dict[str, CaseScores]
    failures: dict[str, str] = field(default_factory=dict)
    unpaired: tuple[str, ...] = ()
    settings: EvaluateSettings = field(default_factory=EvaluateSettings)
    names: Mapping[int, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = self.labels
        filled = {
            name: replace(case, labels={k: case.labels.get(k, ABSENT) for k in labels})
            for name, case in self.cases.items()
        }
        object.__setattr__(self, "cases", filled)  # the way to fill a field of a frozen dataclass

    @property
    def labels(self) -> list[int]:
        """Labels that some case has, ascending."""
        return sorted({label for case in self.cases.values() for label in case.labels})

    @property
    def rows(self) -> list[int | str]:
        """Labels, ascending, then groups of labels."""
        groups = {group: None for case in self.cases.values() for group in case.groups}
        return [*self.labels, *groups]

    @property
    def resampled(self) -> dict[str, str]:
        """Cases whose prediction was brought to the truth's grid, and from which."""
        return {name: case.resampled for name, case in self.cases.items() if case.resampled}

    @property
    def partial(self) -> list[str]:
        """Cases in which some voxels did not count."""
        return [name for name, case in self.cases.items() if case.partial]

    @property
    def notes(self) -> list[str]:
        """Notes on how cases were measured, a sentence each."""
        alike: dict[str, list[str]] = {}
        for name, what in self.resampled.items():
            alike.setdefault(what.partition(" (")[0], []).append(f"'{name}': {what}")
        notes = once_each(self.doubts)
        for first, *others in alike.values():
            notes.append(f"{first}; so {len(others)} more." if others else f"{first}.")
        if self.partial:
            notes.append(
                f"{len(self.partial)} of {len(self.cases)} measured only on voxels that count: distances "
                "are between what is known of the surfaces; NSD by area, boundary IoU, centres and "
                "lesions are not defined."
            )
        if self.other_numbers:
            notes.append(self.other_numbers)
        return notes

    @property
    def other_numbers(self) -> str:
        """A sentence where truth and predictions have no label in common: masks of 0/255 and of 0/1."""
        truth, prediction = self.confusion().held if self.cases else (set(), set())
        if not truth or not prediction or truth & prediction:
            return ""
        return (
            f"No label is in both: truth holds {_listed(truth)}, predictions hold {_listed(prediction)}. "
            "If they mean the same, save both with the same numbers."
        )

    def of(self, row: int | str) -> list[LabelScores]:
        """Scores of one label or group, case by case."""
        return [case.rows.get(row, ABSENT) for case in self.cases.values()]

    def summary(self) -> dict[int | str, dict[str, Summary]]:
        """Each metric of each label and group over the cases, each case counting the same."""
        return {row: summarise_cases(self.of(row), self.settings.seed) for row in self.rows}

    def mean_over_labels(self, name: str) -> dict[str, Summary]:
        """Each metric of a case over its labels: the unweighted mean of the defined ones (macro)."""
        return summarise(self.cases[name].labels.values())

    def confusion(self) -> Confusion:
        """Voxels of all cases together."""
        return pooled([case.confusion for case in self.cases.values()])

    def micro(self) -> dict[int | str, dict[str, float]]:
        """Ratios of each label and group from the voxels of all cases together (micro).

        A large case counts more than a small one. Under "all labels" the voxels of all labels are
        together too.
        """
        confusion = self.confusion()
        counts: dict[int | str, Counts] = {k: confusion.counts(k) for k in self.labels}
        for group, members in self.settings.groups.items():
            counts[group] = confusion.group_counts(members)
        every = [counts[label] for label in self.labels]
        if every:
            counts["all labels"] = summed(every)
        return {row: ratios(found, self.settings.beta) for row, found in counts.items()}

    def micro_over_labels(self, name: str) -> dict[str, float]:
        """Ratios of a case from the voxels of all its labels together (micro)."""
        confusion = self.cases[name].confusion
        every = [confusion.counts(label) for label in self.labels]
        return ratios(summed(every), self.settings.beta)

    def table(self) -> ScoreTable:
        """Lay out the mean of each label over the cases; of a single case, its scores."""
        if len(self.cases) == 1:
            return case_table(next(iter(self.cases.values())), self.settings, self.names)
        return summary_table(self.summary(), len(self.cases), self.settings, self.names)

    def __rich__(self) -> ScoreTable:
        """Show the table in a terminal."""
        return self.table()

    def __str__(self) -> str:
        """Write the table as text."""
        return str(self.table())

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return self.table()._repr_html_()

    def to_csv(self, path: AnyPath, overwrite: bool = False) -> None:
        """Write a line for each case and label, with a column for each metric.

        Parameters
        ----------
        path : path of the file
        overwrite : bool
            Replace a table of scores that is there.

        Raises
        ------
        OSError, MedunetError
            Where the file cannot be written or must not be replaced; an earlier one is then still whole.
        """
        write_csv({"": self.cases}, path, overwrite)


def evaluate_files(
    pairs: Mapping[str, tuple[Path, Path]],
    settings: EvaluateSettings | None = None,
    report: ProgressCallback = ignore,
    unpaired: Iterable[str] = (),
    names: Mapping[int, str] | None = None,
) -> Evaluation:
    """Measure predictions in files against truths in files.

    A pair that cannot be read or measured is named in `failures`; the others are measured.

    Parameters
    ----------
    pairs : mapping of case name to (truth path, prediction path)
    settings : EvaluateSettings, optional
    report : callable
        Called before each case and at the end; raise `Cancelled` in it to stop.
    unpaired : iterable of str
        Names without a partner, to be carried into the evaluation.
    names : mapping of label to str, optional
        What to call labels. The others are called what the tables beside the truths say, else those
        beside the predictions (`label_names.find_label_names`).
    """
    settings = settings or EvaluateSettings()
    cases: dict[str, CaseScores] = {}
    failures: dict[str, str] = {}
    doubts: list[str] = []
    for done, (name, (truth, prediction)) in enumerate(pairs.items()):
        report(Progress(done / len(pairs), f"Measuring {name}"))
        try:
            right, guess = (read(file, as_labels=True) for file in (truth, prediction))
            cases[name] = replace(evaluate_case(right, guess, settings), name=name)
            doubts += [*right.doubts, *guess.doubts]
        except (Cancelled, StopRequested):
            raise
        except Exception as error:  # one case must not end the others; a bug is told as one
            failures[name] = told(error)
    report(Progress(1.0, f"Measured {len(cases)} of {len(pairs)} cases"))
    called = _names_beside(list(pairs.values())) | dict(names or {})
    return Evaluation(cases, failures, tuple(unpaired), settings, called, tuple(doubts))


def _listed(labels: set[int]) -> str:
    shown = sorted(labels)[:_SHOWN]
    return ", ".join(map(str, shown)) + (" ..." if len(labels) > _SHOWN else "")


def _names_beside(pairs: Sequence[tuple[Path, Path]]) -> dict[int, str]:
    """Names in tables beside the files, those of the truths first."""
    truths, predictions = zip(*pairs, strict=True) if pairs else ((), ())
    return names_beside(predictions) | names_beside(truths)
