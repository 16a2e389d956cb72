"""The file in which a plan is edited."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.saving import Kind, write_target
from napari_medunet.engine.plan import Plan

_PARTS = {"labels", "grid", "network"}  # by which a plan is known


def read_plan(path: Path) -> Plan:
    """Read a plan that `write_plan` wrote, perhaps edited.

    Raises
    ------
    OSError
        If the file cannot be read.
    MedunetError
        If it is no plan, with the field that is wrong.
    """
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise MedunetError(
            f"'{path}' is no plan that can be trained: {where}: {first['msg']}. Correct it, or write a "
            "new one with `napari-medunet plan --out`."
        ) from error
    except OSError as error:
        raise OSError(
            f"Cannot read the plan '{path}': {error.strerror or error}. Check the path."
        ) from error


def _is_plan(path: Path) -> bool:
    """Whether a file holds a plan, perhaps edited, perhaps of another version."""
    content = json.loads(path.read_bytes())
    return isinstance(content, dict) and content.keys() >= _PARTS


PLAN = Kind("plan", _is_plan)


def write_plan(path: Path, plan: Plan, overwrite: bool = False) -> None:
    """Write a plan as JSON, one option a line, without reasons: they would be wrong once it is edited.

    Parameters
    ----------
    path : path of the file
    plan : Plan
    overwrite : bool
        Replace a plan that is there.

    Raises
    ------
    OSError, MedunetError
        If the file cannot be written or must not be replaced.
    """
    fields = plan.model_dump(mode="json", exclude={"reasons", "expected"})
    with write_target(path, PLAN, overwrite) as stream:
        stream.write((_lines(fields, "") + "\n").encode())


def _lines(value: object, indent: str) -> str:
    """JSON whose lists stay on their line."""
    if not isinstance(value, dict):
        return json.dumps(value)
    inner = indent + " "
    rows = (f"{inner}{json.dumps(name)}: {_lines(one, inner)}" for name, one in value.items())
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
