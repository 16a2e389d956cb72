"""MetricsWidget: predictions measured against their truths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.notifications import show_error, show_info
from qtpy.compat import isalive

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.incremental import PREDICTION, TRUTH
from napari_medunet.engine.evaluation.metrics.scores import CaseScores
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.plugin.measure.cases import Case, name_cases
from napari_medunet.plugin.measure.form import MetricsForm
from napari_medunet.plugin.measure.inspection import Inspection, Members
from napari_medunet.plugin.measure.paint_watch import Edit, PaintWatch
from napari_medunet.plugin.measure.queue import MeasureQueue, Request, SideEdit
from napari_medunet.plugin.measure.score_rows import label_text
from napari_medunet.plugin.opening.label_features import names_in_features
from napari_medunet.plugin.session.closing import follow
from napari_medunet.plugin.session.made_layers import is_comparison
from napari_medunet.plugin.session.segmenters import names_in_segmenters
from napari_medunet.plugin.session.session import session_of
from napari_medunet.plugin.widgets.file_dialog import ask_where
from napari_medunet.plugin.widgets.layer_watch import LayerWatch

if TYPE_CHECKING:
    from napari.viewer import Viewer


class MetricsWidget(MetricsForm):
    """Choose predictions and truths; see, copy and save the scores, and go to where they are worst.

    Parameters
    ----------
    napari_viewer : napari Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer.theme)
        self.viewer = napari_viewer
        self.session = session_of(napari_viewer)
        follow(self.session, self)
        self.cases: dict[str, Case] = {}
        self.scores: dict[str, CaseScores] = {}
        self.names: dict[int, str] = {}
        self._measured_with = EvaluateSettings()
        self._quick: set[str] = set()  # cases whose slow metrics are still to come
        self._refused: dict[str, str] = {}  # cases that could not be measured, and why
        self.measure_queue = MeasureQueue(self)
        self.paint_watch = PaintWatch(napari_viewer, self)
        self.inspection = Inspection(napari_viewer, self)
        self.layer_watch = LayerWatch(napari_viewer, self)
        self._connect()
        self._layers_changed()

    def compute(self) -> None:
        """Measure the chosen pairs, in a thread; the table follows."""
        if self.chooser.problem():
            return
        try:
            self._measured_with = self.settings()
        except MedunetError as error:
            show_error(one_line(error))
            return
        self.measure_queue.forget()
        self.cases = {case.name: case for case in name_cases(self.chooser.pairs())}
        self.scores, self._refused = {}, {}
        self._quick.clear()
        self.names = self._label_names()
        for case in self.cases.values():
            self._measure(case, quick=self.live_box.isChecked())
        if self.live_box.isChecked():
            for case in self.cases.values():
                self._measure(case)
            self.paint_watch.watch(layer for case in self.cases.values() for layer in case.layers)
        self._check()

    def evaluation(self) -> Evaluation:
        """What has been measured."""
        ordered = {name: self.scores[name] for name in self.cases if name in self.scores}
        return Evaluation(ordered, dict(self._refused), settings=self._measured_with)

    def save_csv(self, path: str | Path, overwrite: bool = False) -> None:
        """Save every metric of every case and label; the suffix is added where it is missing.

        With `overwrite` a table of scores that is there is replaced.
        """
        if not self.scores:
            return
        target = Path(path)
        target = target if target.suffix else target.with_suffix(".csv")
        try:
            self.evaluation().to_csv(target, overwrite)
        except (OSError, MedunetError) as error:
            show_error(one_line(error))
            return
        show_info(f"Saved {target}")

    def go_to(self, case: str, label: int | str | None = None) -> None:
        """Show the slice in which a label of a case is most wrong; all labels for None."""
        found = self._opened(case)
        if found is not None:
            others = [other for other in self.cases.values() if other is not found]
            members, title = self._members(label)
            self.inspection.go(found, members, self._measured_with, others)
            self.inspection.follow_row(found, members, self._measured_with, title)

    def show_agreement(self) -> None:
        """Add or renew the layer of agreement on the label of the current row."""
        case, label = self._current()
        if case is not None:
            members, title = self._members(label)
            self.inspection.show_agreement(case, members, self._measured_with, title)

    def show_distance(self) -> None:
        """Add or renew the surface coloured by distance, of the label of the current row."""
        case, label = self._current()
        if case is not None:
            members, title = self._members(label)
            labels = list(self.scores[case.name].labels)
            self.inspection.show_distance(case, members, labels, self._measured_with, title)

    def _connect(self) -> None:
        self.layer_watch.changed.connect(self._layers_changed)
        self.chooser.changed.connect(self._chosen)
        self.compute_button.clicked.connect(self.compute)
        self.resample_button.clicked.connect(self._resample)
        self.live_box.toggled.connect(self._live_toggled)
        self.paint_watch.changed.connect(lambda edits: self._voxels_changed(edits, quick=True))
        self.paint_watch.rested.connect(lambda edits: self._voxels_changed(edits, quick=False))
        self.measure_queue.measured.connect(self._measured)
        self.measure_queue.failed.connect(self._failed)
        self.measure_queue.ended.connect(self._check)
        self.view.place_chosen.connect(self.go_to)
        self.inspection.shown.connect(self._comparison_shown)
        self.agreement_button.clicked.connect(self.show_agreement)
        self.distance_button.clicked.connect(self.show_distance)
        self.save_button.clicked.connect(self._save)
        self.viewer.events.theme.connect(self._theme_changed)

    def _labels_layers(self) -> list[Labels]:
        layers = self.viewer.layers
        return [one for one in layers if isinstance(one, Labels) and not is_comparison(one)]

    def _layers_changed(self) -> None:
        layers = self._labels_layers()
        self.chooser.refresh(layers, self.session.predictions.made(layers))
        self._check()

    def _chosen(self) -> None:
        """Follow other pairs at once in live mode; else they wait for the button."""
        pairs = name_cases(self.chooser.pairs())
        known = list(self.cases.values())
        same = len(pairs) == len(known) and all(map(Case.same, pairs, known))
        if self.live_box.isChecked() and not same:
            self.compute()
        self._check()

    def _live_toggled(self, on: bool) -> None:
        if on:
            self.compute()
        else:
            self.paint_watch.watch([])
            self.measure_queue.forget()
            for name in self._quick & self.cases.keys():  # what was left for when the brush rests
                self._measure(self.cases[name])
        self._check()

    def _voxels_changed(self, edits: list[Edit], quick: bool) -> None:
        for case in self.cases.values():
            own = [edit for edit in edits if edit.layer in case.layers]
            if own:
                self._measure(case, quick, own)

    def _measure(self, case: Case, quick: bool = False, edits: Sequence[Edit] = ()) -> None:
        try:
            truth, prediction = case.volumes(self.viewer.layers)
        except MedunetError as error:
            self.measure_queue.forget(case.name)
            self._failed(case.name, one_line(error))
            return
        of_sides = tuple(
            SideEdit(PREDICTION if edit.layer is case.prediction else TRUTH, edit.box)
            for edit in edits
        )
        self.measure_queue.measure(
            Request(case.name, truth, prediction, self._measured_with, quick, of_sides)
        )

    def _measured(self, name: str, scores: CaseScores, quick: bool) -> None:
        if name not in self.cases:
            return
        self.scores[name] = scores
        self._refused.pop(name, None)
        (self._quick.add if quick else self._quick.discard)(name)
        self.view.show_evaluation(self.evaluation(), self.names, self._quick)
        self.show_results(True)
        if not quick:
            self.inspection.renew(self.cases[name], self._measured_with)
        self._check()

    def _failed(self, name: str, message: str) -> None:
        if message != self._refused.get(name):
            show_error(message)  # once: in live mode it would come with every stroke
        self._refused[name] = message
        self._check()

    def _check(self) -> None:
        """Show why nothing can be measured, what is being done, or what was refused."""
        problem = self.chooser.problem()
        live = self.live_box.isChecked()
        busy = self.measure_queue.busy and not live
        self.compute_button.setEnabled(not problem and not busy and not live)
        self.save_button.setEnabled(bool(self.scores) and not self._quick)
        left = self.measure_queue.left
        if busy:
            of = len(self.cases)
            problem = "Computing..." if of < 2 else f"Computing {of - left + 1} of {of}..."
        refused = "" if problem else "\n".join(self._refused.values())
        self.say(problem or refused or "\n".join(self.evaluation().notes))
        another_grid = "on another grid" in refused and not self._measured_with.resample
        self.resample_button.setVisible(another_grid)

    def _resample(self) -> None:
        self.form.fields.resample.value = True
        self.compute()

    def _current(self) -> tuple[Case | None, int | str | None]:
        """Case and label of the current row; the first case and all labels where there is none."""
        case, label = self.view.table.place() or (next(iter(self.scores), ""), None)
        return self._opened(case), label

    def _opened(self, name: str) -> Case | None:
        case = self.cases.get(name)
        if case is None or name not in self.scores:
            return None
        gone = [one.name for one in case.layers if one not in self.viewer.layers]
        if gone:
            show_error(f"Layer '{gone[0]}' has been closed: open it, and compute again.")
            return None
        return case

    def _members(self, label: int | str | None) -> tuple[Members, str]:
        """Labels that a row stands for, and what to call them; all of them for None."""
        if label is None:
            return None, ""
        members = (label,) if isinstance(label, int) else self._measured_with.groups[label]
        return members, label_text(label, self.names)

    def _label_names(self) -> dict[int, str]:
        names = names_in_segmenters(self.session.segmenters)
        if not self.session.predictions.made(self._labels_layers()):
            names = {}  # those segmenters have not made what is measured
        for case in self.cases.values():
            for layer in case.layers:
                names |= names_in_features(layer)
        return names

    def _comparison_shown(self, what: str, note: str) -> None:
        if what != "place":
            self.legend.setText(note)
            self.legend.show()

    def _theme_changed(self, event: Any = None) -> None:
        if isalive(self):  # napari may tell a widget that Qt has deleted
            self.view.set_theme(self.viewer.theme)

    def _save(self) -> None:
        path = ask_where(self, "Save the scores", "scores.csv", "Table (*.csv)")
        if path:
            self.save_csv(path, overwrite=True)
