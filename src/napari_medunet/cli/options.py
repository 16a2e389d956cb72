"""Options of the command line, made from the engine's settings: no default and no help text is repeated."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from napari_medunet.engine.files.paths import expand_home
from napari_medunet.engine.settings import Settings, refused_option


class GroupedCommand(TyperCommand):
    """A command whose help has a section of its own for each group of options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections: ungrouped options first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                title = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(title, []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def with_home(arguments: list[str]) -> list[str]:
    """Write the home folder for ``~`` at the beginning of arguments, also behind the ``=`` of an option.

    Shells do so in ``--csv ~/scores.csv`` and leave ``--csv=~/scores.csv`` as it is.

    Raises
    ------
    MedunetError
        As `expand_home`.
    """
    expanded = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if argument.startswith("~"):
            expanded.append(str(expand_home(argument)))
        elif option.startswith("--") and value.startswith("~"):
            expanded.append(f"{option}{equals}{expand_home(value)}")
        else:
            expanded.append(argument)
    return expanded


def with_settings(model: type[Settings]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option per leaf of a settings class, in place of its `settings` parameter.

    Parameters
    ----------
    model : settings class
        The name, type, default and help text of each option are its leaf's.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "settings"]

        @functools.wraps(command)
        def parsed(**values: Any) -> Any:
            chosen = {name: values.pop(name) for name in model.choices()}
            return command(settings=_validated(model, chosen), **values)

        parsed.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *_parameters(model)]
        )
        # Typer reads annotations before signatures.
        parsed.__annotations__ = {
            p.name: p.annotation
            for p in parsed.__signature__.parameters.values()  # type: ignore[attr-defined]
        }
        return parsed

    return decorate


def _parameters(model: type[Settings]) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=leaf.field.default,
            annotation=Annotated[
                _typed(leaf.field.annotation),
                typer.Option(
                    help=leaf.field.description, rich_help_panel=leaf.about("group") or None
                ),
            ],
        )
        for name, leaf in model.choices().items()
    ]


def _typed(hint: Any) -> Any:
    """Type of an option as it is typed: its range is checked by the model, 64x64 read by it."""
    parts = [_bare(part) for part in typing.get_args(hint)] if _is_union(hint) else [_bare(hint)]
    if any(typing.get_origin(part) is tuple for part in parts):
        return str | None
    return functools.reduce(lambda one, other: one | other, parts)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _validated(model: type[Settings], values: dict[str, Any]) -> Settings:
    try:
        return model.of(**values)
    except ValidationError as error:
        name, wanted = refused_option(model, error)
        option = "--" + name.replace("_", "-")
        raise typer.BadParameter(f"{option} is {values.get(name)!r}: {wanted}") from error
