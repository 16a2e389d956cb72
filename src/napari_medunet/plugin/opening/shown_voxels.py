"""ShownVoxels: LazyVoxels as a viewer can use them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.lazy import LazyVoxels


class ShownVoxels:
    """The data of a layer while its file is being read, or whose values are computed when they are seen.

    A viewer draws whenever it wants and has no use for an exception then: parts that cannot be read
    are drawn as 0. Whoever takes the whole, with `np.asarray` or `astype`, gets all of it or the error.

    Parameters
    ----------
    voxels : LazyVoxels
    """

    def __init__(self, voxels: LazyVoxels) -> None:
        self.shape, self.ndim, self.size = voxels.shape, voxels.ndim, voxels.size
        self.dtype, self.nbytes = voxels.dtype, voxels.nbytes
        self.voxels = voxels

    def astype(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """All values as another type.

        Raises
        ------
        OSError, MedunetError
            One line, if the file is truncated or damaged.
        """
        return np.asarray(self.voxels).astype(dtype)

    def __len__(self) -> int:
        return len(self.voxels)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        try:
            return self.voxels[index]
        except (OSError, MedunetError):  # told once, by `LazyVoxels.complete`
            everywhere = np.broadcast_to(np.zeros((), self.dtype), self.shape)
            return np.asarray(everywhere[index])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return self.voxels.__array__(dtype, copy)

    def __deepcopy__(self, memo: dict[int, Any]) -> ShownVoxels:
        return self  # nothing writes into it

    def __repr__(self) -> str:
        return f"ShownVoxels(shape={self.shape}, dtype={self.dtype})"
