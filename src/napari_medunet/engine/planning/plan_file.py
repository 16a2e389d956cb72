"""The file in which a plan is edited, and what is checked before it is trained by."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example, channel_count, label_values
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.plan import Plan


def read_plan(path: Path) -> Plan:
    """Read a plan that `write_plan` wrote and somebody edited.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
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


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan as JSON, one field a line.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    fields = plan.model_dump(mode="json")
    lines = (f" {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    with atomic_write(path) as stream:
        stream.write(("{\n" + ",\n".join(lines) + "\n}\n").encode())


def check_plan(plan: Plan, examples: list[Example]) -> None:
    """Refuse a plan that these examples cannot be trained by.

    Raises
    ------
    ValueError
        If it is for another number of channels, lacks a label, or has a level that is 2 voxels thick.
    """
    channels, labels = channel_count(examples), label_values(examples)
    if plan.channels != channels:
        raise MedunetError(
            f"The plan is for images of {plan.channels} channels, and these have {channels}. Make a plan "
            "of these images and edit that."
        )
    missing = sorted(set(labels) - set(plan.labels))
    if missing:
        raise MedunetError(
            f"The plan knows the labels {plan.labels[1:]}, and {missing} are annotated too. Add them to "
            "its labels, or leave them out of the annotation."
        )
    thickness = plan.patch[0]
    for level in range(plan.depth):
        # There TensorFlow's gradient of a convolution is wrong, or no number, in bfloat16 on a CPU.
        if plan.dims == 3 and thickness == 2 and plan.kernel(level)[0] == 3:
            raise MedunetError(
                f"The patch {plan.patch} is 2 voxels thick on level {level} of the plan, which cannot be "
                "trained. Make it thicker, or pool its first axis less."
            )
        thickness //= plan.pools[level][0] if level < len(plan.pools) else 1
