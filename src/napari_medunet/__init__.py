"""From a folder of scans to a trained, measured segmentation, without leaving napari.

What a script or a notebook needs is offered here, and nothing heavy is imported before it is used:
`load_examples`, `plan`, `train`, `fine_tune`, `cross_validate`, `load`, `read`, `write`, `evaluate`.

`napari_medunet.engine` is the whole of the work, free of Qt and napari; `napari_medunet.plugin` is
what the viewer shows; `napari_medunet.worker` carries jobs from one to the other in a child process.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_medunet.api import (
        cross_validate,
        evaluate,
        fine_tune,
        load,
        load_examples,
        plan,
        read,
        train,
        write,
    )

__version__ = version("napari-medunet")

__all__ = [
    "__version__",
    "cross_validate",
    "evaluate",
    "fine_tune",
    "load",
    "load_examples",
    "plan",
    "read",
    "train",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from napari_medunet import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
