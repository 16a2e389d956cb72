"""NIfTI and Analyze files: read, opened where they are looked at, and written back onto their grid.

`read` is the way in and `write` the way out; the other modules are their steps: names and halves of files,
header, affine, extensions, voxels.
"""

from napari_medunet.engine.nifti.read import (
    LazyVoxels,
    NiftiSource,
    is_nifti,
    open_volume,
    read_volume,
    without_suffix,
    write_labels,
    write_volume,
)

__all__ = [
    "LazyVoxels",
    "NiftiSource",
    "is_nifti",
    "open_volume",
    "read_volume",
    "without_suffix",
    "write_labels",
    "write_volume",
]
