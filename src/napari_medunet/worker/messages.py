"""What passes through the pipes between the viewer and its child: one small JSON object a line.

To the child: `Run`, `Stop`, `Cancel`, `Place`. From the child: `Ready` once, perhaps `Measured`; then for
each job `ProgressMessage` and `Result` any number of times and one of `Done`, `Stopped`, `Cancelled`,
`Failed`. Requests and results of a job are in files, see `requests`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_medunet.engine.files.paths import PathInJson
from napari_medunet.engine.progress import Progress
from napari_medunet.worker.handover import Text

T = TypeVar("T")


class _Message(BaseModel):
    # NaN and infinity travel as text, which JSON has no numbers for. Progress is looked at once more on
    # its way: a backend's float32 becomes a float.
    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="strings", revalidate_instances="always"
    )


class _OfJob(_Message):
    job: int


class Run(_OfJob):
    """Begin a job, whose request and arrays lie in a folder, and for which the user has waited so long."""

    kind: Literal["run"] = "run"
    folder: Path
    waited_seconds: Annotated[float, Field(ge=0)] = 0.0


class Stop(_OfJob):
    """End a job, and keep what it has."""

    kind: Literal["stop"] = "stop"


class Cancel(_OfJob):
    """End a job, and keep nothing."""

    kind: Literal["cancel"] = "cancel"


class Place(_OfJob):
    """Write what a job has made, and has no room for, into another folder."""

    kind: Literal["place"] = "place"
    folder: PathInJson


class Ready(_Message):
    """The child has imported what its jobs need; `about` says in one line what they run on."""

    kind: Literal["ready"] = "ready"
    about: Text


class Measured(_Message):
    """The child has measured how fast the machine trains, which is kept where plans look for it."""

    kind: Literal["measured"] = "measured"


class ProgressMessage(_OfJob):
    """How far a job is."""

    kind: Literal["progress"] = "progress"
    progress: Progress


class Result(_OfJob):
    """A job has made something: `file` in its folder describes it."""

    kind: Literal["result"] = "result"
    file: str


class Done(_OfJob):
    """A job has ended in its own way, perhaps sooner for having been asked to stop."""

    kind: Literal["done"] = "done"


class Stopped(_OfJob):
    """A job was asked to stop and had nothing more to keep."""

    kind: Literal["stopped"] = "stopped"


class Cancelled(_OfJob):
    """A job was cancelled."""

    kind: Literal["cancelled"] = "cancelled"


class Failed(_OfJob):
    """A job has ended with an error: one line for the user, and the traceback for a report of a bug."""

    kind: Literal["failed"] = "failed"
    error: Text
    details: Text


ToChild = Run | Stop | Cancel | Place
LastMessage = Done | Stopped | Cancelled | Failed
FromChild = Ready | Measured | ProgressMessage | Result | LastMessage

TO_CHILD: TypeAdapter[ToChild] = TypeAdapter(Annotated[ToChild, Field(discriminator="kind")])
FROM_CHILD: TypeAdapter[FromChild] = TypeAdapter(Annotated[FromChild, Field(discriminator="kind")])


def encode(message: ToChild | FromChild) -> bytes:
    """One line of JSON, with its end of line."""
    return message.model_dump_json().encode() + b"\n"


def decode(line: bytes, messages: TypeAdapter[T]) -> T:
    """Read what `encode` wrote.

    Parameters
    ----------
    line : bytes
    messages : TypeAdapter
        Of the messages that may come: `TO_CHILD` or `FROM_CHILD`.

    Raises
    ------
    MedunetError
        If the line is none of them.
    """
    return messages.validate_json(line)
