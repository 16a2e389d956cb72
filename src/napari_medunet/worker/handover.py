"""Arrays from one process to the other, as files in a temporary folder that the reader maps.

A file costs one copy into the system's page cache and, mapped, none out of it, which is what a block
of shared memory costs; but it has no second process that tracks it, is not limited to the 64 MB of
/dev/shm in a container, reports a full disk as an error instead of a bus error, may be dropped from
memory by the system while a training runs, and goes with its folder. `benchmarks/worker.py` compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.volume import Volume


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


Text = Annotated[str, AfterValidator(_as_utf8)]
"""Text for people. The name of a file may hold bytes that JSON cannot carry: they are spelled out."""


class _Files(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArrayFile(_Files):
    """An array in a file.

    Attributes
    ----------
    name : str
        The file's name in the job's folder, or its path where it lies elsewhere.
    """

    name: str

    @classmethod
    def save(cls, path: Path, array: npt.NDArray[Any]) -> ArrayFile:
        """Write an array for the other process.

        Parameters
        ----------
        path : Path
            A file that does not exist yet, ending in ``.npy``.
        array : array of numbers
            Of any shape and memory order.
        """
        np.save(path, array, allow_pickle=False)
        return cls(name=path.name)

    def map(self, folder: Path) -> npt.NDArray[Any]:
        """Map the array, without reading it.

        Pages are private to the reader: writing into the array changes neither file nor sender.
        """
        return np.asarray(np.load(folder / self.name, mmap_mode="c", allow_pickle=False))

    def take(self, folder: Path) -> npt.NDArray[Any]:
        """Read the array into memory, and remove its file."""
        array: npt.NDArray[Any] = np.load(folder / self.name, allow_pickle=False)
        (folder / self.name).unlink()
        return array


class VolumeFiles(_Files):
    """A volume: its voxels in a file, the rest of it here, as `Volume` has it.

    Where it came from (`Volume.source`) stays behind: jobs compute, the viewer writes files.
    """

    voxels: ArrayFile
    affine: tuple[tuple[float, float, float, float], ...]
    name: Text
    leading_axes: tuple[str, ...]
    leading_scale: tuple[float, ...]

    @classmethod
    def save(cls, folder: Path, stem: str, volume: Volume) -> VolumeFiles:
        """Write a volume's voxels into `folder`, to a file whose name begins with `stem`."""
        return cls(
            voxels=ArrayFile.save(folder / f"{stem}.npy", volume.voxels),
            affine=volume.affine.tolist(),
            name=volume.name,
            leading_axes=volume.leading_axes,
            leading_scale=volume.leading_scale,
        )

    def map(self, folder: Path) -> Volume:
        """Rebuild the volume; its voxels are mapped."""
        return Volume(
            voxels=self.voxels.map(folder),
            affine=np.asarray(self.affine, dtype=np.float64),
            name=self.name,
            leading_axes=self.leading_axes,
            leading_scale=self.leading_scale,
        )


class ExampleFiles(_Files):
    """An example: its three arrays in files."""

    image: VolumeFiles
    labels: ArrayFile
    annotated: ArrayFile

    @classmethod
    def save(cls, folder: Path, stem: str, example: Example) -> ExampleFiles:
        """Write an example's arrays into `folder`, to files whose names begin with `stem`."""
        return cls(
            image=VolumeFiles.save(folder, f"{stem}-image", example.image),
            labels=ArrayFile.save(folder / f"{stem}-labels.npy", example.labels),
            annotated=ArrayFile.save(folder / f"{stem}-annotated.npy", example.annotated),
        )

    def map(self, folder: Path) -> Example:
        """Rebuild the example; its arrays are mapped."""
        return Example(
            image=self.image.map(folder),
            labels=self.labels.map(folder),
            annotated=self.annotated.map(folder),
        )
