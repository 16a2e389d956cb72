"""Settings: options as a small tree, each of them a leaf with a name of its own.

A branch holds options that belong together. Names are unique in the whole tree, so that the command line,
a form or a line of Python can name an option without its branch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from napari_medunet.engine.errors import MedunetError


class Leaf(NamedTuple):
    """One option: where it is in the tree, and its field."""

    path: tuple[str, ...]
    field: FieldInfo
    only_python: bool = False  # neither a form nor the command line offers it

    def about(self, key: str, default: str = "") -> str:
        """What the field says about itself beside its help: its group, what stands for None."""
        extra = self.field.json_schema_extra
        return str(extra.get(key, default)) if isinstance(extra, dict) else default


class Settings(BaseModel):
    """Options of a job, or a branch of them: they are not changed, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Build a tree out of options by their names; those that are not given are at their default.

        Raises
        ------
        MedunetError
            If no option has that name.
        pydantic.ValidationError
            If a value is refused.
        """
        return cls.model_validate(_nested(cls, options))

    def changed(self, **options: Any) -> Self:
        """The same with other values of some options, by their names; raises as `of` does."""
        values = self.model_dump()
        _merge(values, _nested(type(self), options))
        return type(self).model_validate(values)

    @classmethod
    def leaves(cls) -> dict[str, Leaf]:
        """Every option by its name, in order, whatever its branch."""
        found: dict[str, Leaf] = {}
        for name, field in cls.model_fields.items():
            branch = field.annotation
            if isinstance(branch, type) and issubclass(branch, Settings):
                only = bool(Leaf((), field).about("only_python"))
                for inner, leaf in branch.leaves().items():
                    found[inner] = Leaf((name, *leaf.path), leaf.field, only or leaf.only_python)
            else:
                found[name] = Leaf((name,), field)
        return found

    @classmethod
    def choices(cls) -> dict[str, Leaf]:
        """The options that forms and the command line offer: all but those for plans and Python."""
        return {name: leaf for name, leaf in cls.leaves().items() if not leaf.only_python}

    def value(self, name: str) -> Any:
        """Value of an option by its name."""
        found: Any = self
        for step in self.leaves()[name].path:
            found = getattr(found, step)
        return found

    def chosen(self) -> set[str]:
        """Names of the options that are not at their default."""
        leaves = self.leaves().items()
        return {name for name, leaf in leaves if self.value(name) != leaf.field.default}


def refused_option(model: type[Settings], error: ValidationError) -> tuple[str, str]:
    """Say of which option a value was refused, and why.

    Returns
    -------
    name : str
        The option's, also where one of several numbers in it is wrong.
    why : str
        A sentence without its first words.
    """
    first = error.errors()[0]
    place, leaves = [str(part) for part in first["loc"]], model.leaves()
    at = next((i for i, part in enumerate(place) if part in leaves), len(place) - 1)
    why = "too few numbers" if first["type"] == "missing" else first["msg"]
    if isinstance(first["input"], float) and not math.isfinite(first["input"]):
        why = "wanted a number that is finite"
    why = why.removeprefix("Value error, ").rstrip(".") + "."
    if place[at + 1 :]:  # who has mistaken the form of an option needs to see it
        why += f" {leaves[place[at]].field.description}"
    return (place[at] if place else ""), why


def _nested(model: type[Settings], options: dict[str, Any]) -> dict[str, Any]:
    """Sort options into the branches of a tree."""
    leaves = model.leaves()
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name not in leaves:
            raise MedunetError(
                f"No option is called '{name}'; wanted one of {', '.join(leaves)}. Check its name."
            )
        *branches, last = leaves[name].path
        inner = values
        for branch in branches:
            inner = inner.setdefault(branch, {})
        inner[last] = value
    return values


def _merge(values: dict[str, Any], others: dict[str, Any]) -> None:
    for name, value in others.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            _merge(values[name], value)
        else:
            values[name] = value


@contextmanager
def refusals_in_one_line(model: type[Settings]) -> Iterator[None]:
    """Context that turns pydantic's error about an option into one line."""
    try:
        yield
    except ValidationError as error:
        name, why = refused_option(model, error)
        raise MedunetError(f"{name} is {error.errors()[0]['input']!r}: {why}") from error
