"""PlanSection: the plan and its reasons, and fields to change it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from napari_medunet.engine.plan import Plan, title_of
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.widgets.form import Form, as_tooltip, note_label
from napari_medunet.plugin.widgets.section import Section


class PlanSection(Section):
    """The plan in words, a field for each of its choices, and the reason of each.

    Parameters
    ----------
    names : sequence of str
        Of the settings that choose the plan.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("Plan")
        self.summary = note_label()
        self.form = Form(TrainSettings, names)
        self.why = note_label()
        leaves = TrainSettings.leaves()
        self._paths = {name: ".".join(leaves[name].path) for name in names}
        for widget in (self.summary, self.form, self.why):
            self.add(widget)
        self.clear("")

    def clear(self, instead: str) -> None:
        """Show no plan, but a sentence in its place."""
        self.summary.setText(instead)
        self.summary.setVisible(bool(instead))
        self.why.hide()
        for field in self.form.fields:
            self.form.say_unset(field.name, "automatic")
            field.native.setToolTip(field.tooltip)

    def show_plan(self, plan: Plan) -> None:
        """Show a plan: automatic decisions in their fields, and all reasons below."""
        self.clear(f"{plan.describe()}.")
        values = self.form.values()
        for name, path in self._paths.items():
            reason = plan.reasons.get(path)
            if reason is not None and values.get(name) in (None, "auto"):
                self.form.say_unset(name, f"auto: {reason.choice}")
                self.form.fields[name].native.setToolTip(as_tooltip(f"{reason.why}."))
        lines = (
            f"<b>{escape(title_of(path))}</b> {escape(reason.choice)}: {escape(reason.why)}"
            for path, reason in plan.reasons.items()
        )
        self.why.setText("<br>".join(lines))
        self.why.show()
