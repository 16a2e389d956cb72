"""Forms made from settings: label, default, range and tooltip come from the field itself."""

from __future__ import annotations

import html
import types
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QFormLayout, QLabel, QWidget

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.settings import Settings, refused_option

_BETWEEN = ";"  # texts of a list
_NONE = "none"  # what an empty optional number shows, where its settings have no other word
_AUTO = "auto"  # the choice that leaves a choice to the program


class Form(QWidget):  # type: ignore[misc]
    """Rows of a label and a widget, made from the fields of a settings class.

    Parameters
    ----------
    model : settings class
    names : sequence of str, optional
        Options to show, in this order; all of them where nothing is given.

    Attributes
    ----------
    fields : magicgui Container
        The fields' widgets, each under its field's name.
    """

    def __init__(self, model: type[Settings], names: Sequence[str] | None = None) -> None:
        super().__init__()
        leaves = model.choices()
        chosen = list(leaves) if names is None else list(names)
        self._model, self._leaves = model, leaves
        self.fields = Container(
            widgets=[field_widget(name, leaves[name].field) for name in chosen], labels=False
        )
        for name in chosen:
            if leaves[name].field.default is None:
                self.say_unset(name, leaves[name].about("unset", _NONE))
        self.changed = self.fields.changed
        self._labels: dict[str, QLabel] = {}
        # magicgui measures labels before napari's style enlarges them: rows would not be aligned.
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self._layout.setVerticalSpacing(4)
        for field in self.fields:
            field.native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            field.native.installEventFilter(self)
            if isinstance(field, CheckBox):
                self._layout.addRow(field.native)
            else:
                self._labels[field.name] = self.add_row(field.label, field.native)
                self._labels[field.name].setToolTip(field.tooltip)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  (Qt's name)
        """Let the wheel scroll past a field that nobody is in, and not change it."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))

    def add_row(self, label: str, widget: QWidget, first: bool = False) -> QLabel:
        """Add a row for a widget that no field has, as the last or the first."""
        text = QLabel(label)
        self._layout.insertRow(0 if first else self._layout.rowCount(), text, widget)
        return text

    def show_row(self, name: str, shown: bool) -> None:
        """Show or hide a field with its label."""
        self.fields[name].native.setVisible(shown)
        self._labels[name].setVisible(shown)

    def enable(self, names: Collection[str], enabled: bool) -> None:
        """Let those of some fields be changed that the form has, or not."""
        for field in self.fields:
            if field.name in names:
                field.enabled = enabled

    def say_unset(self, name: str, text: str) -> None:
        """Say what is taken where a field is not set: in the field itself, where there is room for it."""
        native = self.fields[name].native
        if isinstance(native, QAbstractSpinBox):
            native.setSpecialValueText(text)
        elif isinstance(native, QComboBox):
            native.setItemText(native.findData(_AUTO), text)
        else:
            native.setPlaceholderText(text)

    def values(self) -> dict[str, Any]:
        """What the fields hold, not checked yet; hidden rows count, too."""
        return {field.name: self._value(field) for field in self.fields}

    def read(self, **others: Any) -> Any:
        """Build settings from the form.

        Parameters
        ----------
        others : values for fields that the form does not show

        Raises
        ------
        MedunetError
            In one line, if a value is refused.
        """
        try:
            return self._model.of(**{**self.values(), **others})
        except ValidationError as error:
            name, why = refused_option(self._model, error)
            field, came = _title(name, self._leaves[name].field), error.errors()[0]["input"]
            raise MedunetError(f"{field}: {why.rstrip('.')}; came {came!r}.") from error

    def _value(self, widget: ValueWidget) -> Any:
        """Value of a field, as its model wants it: lists are typed as one text."""
        value = _value(widget)
        field = self._leaves[widget.name].field
        if _unwrap(field)[0] is tuple:
            return value.strip() or None  # the model reads the numbers in the text
        if get_origin(field.annotation) is list:
            return [part.strip() for part in value.split(_BETWEEN) if part.strip()]
        return value


def names_in_groups(model: type[Settings]) -> dict[str, list[str]]:
    """Names of a model's options, by the group that each says it belongs to; "" for none."""
    groups: dict[str, list[str]] = {"": []}
    for name, leaf in model.choices().items():
        groups.setdefault(leaf.about("group").partition(",")[0], []).append(name)
    return groups


def field_widget(name: str, field: FieldInfo) -> ValueWidget:
    """Make the widget for one field: its type chooses which, its limits bound it."""
    kind, limits, optional = _unwrap(field)
    options: dict[str, Any] = {
        "name": name,
        "label": _title(name, field),
        "tooltip": as_tooltip(field.description or ""),
    }
    if get_origin(kind) is Literal:
        return ComboBox(choices=list(get_args(kind)), value=field.default, **options)
    if kind is bool:
        return CheckBox(value=field.default, **options)
    if kind in (int, float):
        return _number(kind, limits, field.default, optional, options)
    if kind == list[str]:
        options["tooltip"] = as_tooltip(f"{field.description or ''} Several: a{_BETWEEN} b.")
        return LineEdit(value=f"{_BETWEEN} ".join(field.default), **options)
    if kind in (str, tuple):
        return LineEdit(value=field.default or "", **options)
    raise TypeError(f"No widget for the field '{name}' of type {kind}.")


def as_tooltip(text: str) -> str:
    """Text as a tooltip that wraps: Qt wraps rich text only."""
    return f"<qt>{html.escape(text)}</qt>" if text else ""


def note_label() -> QLabel:
    """Make a label for a sentence: it wraps, and its text can be copied."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _unwrap(field: FieldInfo) -> tuple[Any, list[Any], bool]:
    """Type of a field without None and limits, its limits, and whether None is allowed."""
    kind: Any = field.annotation
    limits = list(field.metadata)
    optional = False
    if get_origin(kind) in (Union, types.UnionType):
        optional = type(None) in get_args(kind)
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Annotated:
        kind, *inner = get_args(kind)
        for part in inner:
            limits.extend(part.metadata if isinstance(part, FieldInfo) else [part])
    return tuple if get_origin(kind) is tuple else kind, limits, optional


def _number(
    kind: type, limits: list[Any], default: Any, optional: bool, options: dict[str, Any]
) -> ValueWidget:
    low: float = 0 if kind is int else 0.0
    high: float = 2**31 - 1  # the largest that a Qt spin box holds
    within = 1 if kind is int else 0  # a float's own open limit is refused when the form is read
    for limit in limits:
        if isinstance(limit, Ge):
            low = _as(kind, limit.ge)
        elif isinstance(limit, Gt):
            low = _as(kind, limit.gt) + within
        elif isinstance(limit, Le):
            high = min(high, _as(kind, limit.le))
        elif isinstance(limit, Lt):
            high = min(high, _as(kind, limit.lt) - within)
    step = 1 if kind is int else _step(default, high)
    # Above 0 and not set: a number such as a learning rate, of which the magnitude counts.
    rate = kind is float and optional and any(isinstance(limit, Gt) for limit in limits)
    if optional and not rate:
        low -= step
    value = low if default is None else default
    if kind is int and not optional:
        return SpinBox(value=value, min=low, max=high, step=step, **options)
    # magicgui's box for integers has no text for what is not set
    widget = FloatSpinBox(value=value, min=low, max=high, step=step, **options)
    widget.native.setDecimals(0 if kind is int else 5 if rate else 1 if step >= 0.1 else 2)
    if rate:
        widget.native.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
    return widget


def _as(kind: type, limit: Any) -> float:
    number: float = kind(limit)
    return number


def _step(default: Any, high: float) -> float:
    """Half a unit for numbers from 1 on (minutes, mm, degrees), a twentieth for shares."""
    large = high >= 100 if default is None else default >= 1
    return 0.5 if large else 0.05


def _value(widget: ValueWidget) -> Any:
    """Value of a form's widget; None for an optional number that is not set."""
    if isinstance(widget, FloatSpinBox):
        if widget.native.specialValueText() and widget.value == widget.min:
            return None
        return int(widget.value) if widget.native.decimals() == 0 else widget.value
    return widget.value


def _title(name: str, field: FieldInfo) -> str:
    words = name.replace("_", " ")
    return field.title or (words.upper() if len(words) <= 3 else words.capitalize())
