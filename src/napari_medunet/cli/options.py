"""Options of the command line out of the engine's settings: nobody repeats a default or a help text."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typer.core import TyperCommand


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


def with_settings(model: type[BaseModel]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option per field of a settings class, in place of its `settings` parameter.

    Parameters
    ----------
    model : pydantic model class
        The name, type, default and help text of each option are its field's.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "settings"]

        @functools.wraps(command)
        def parsed(**values: Any) -> Any:
            chosen = {name: values.pop(name) for name in model.model_fields}
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


def _parameters(model: type[BaseModel]) -> list[inspect.Parameter]:
    # The ranges are checked by the model, so only the plain types are wanted here.
    types = {
        name: str | None if _has_several_numbers(hint) else hint
        for name, hint in typing.get_type_hints(model, include_extras=False).items()
    }
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[
                types[name], typer.Option(help=field.description, rich_help_panel=_group(field))
            ],
        )
        for name, field in model.model_fields.items()
    ]


def _group(field: FieldInfo) -> str | None:
    """Section of the help that a field belongs to, where its settings name one."""
    extra = field.json_schema_extra
    return str(extra["group"]) if isinstance(extra, dict) and "group" in extra else None


def _has_several_numbers(hint: Any) -> bool:
    """Whether an option is typed as one text of several numbers, 64x64, which its model reads."""
    return any(typing.get_origin(part) is tuple for part in typing.get_args(hint))


def _validated(model: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        wanted = first["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{option} is {first['input']!r}: {wanted}.") from error
