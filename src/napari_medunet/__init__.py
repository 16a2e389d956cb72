"""From a folder of scans to a trained, measured segmentation, without leaving napari.

A script or a notebook finds here what it needs: `load_examples`, `plan`, `train`, `fine_tune`,
`cross_validate`, `load`, `read`, `write`, `evaluate`. Nothing heavy is imported before it is used.

`napari_medunet.engine` does the work and imports neither Qt nor napari; `napari_medunet.plugin` is the
viewer's part; `napari_medunet.worker` runs the engine's long jobs for it in a child process.
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
