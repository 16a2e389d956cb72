"""NIfTI and Analyze files: read whole or slice by slice, and written back onto their grid.

`read` is the way in and `write` the way out; the other modules are their steps: names and halves of files,
header, affine, extensions, voxels.
"""

from napari_medunet.engine.files.nifti.files import is_nifti, without_suffix
from napari_medunet.engine.files.nifti.lazy import LazyVoxels
from napari_medunet.engine.files.nifti.read import open_volume, read_volume
from napari_medunet.engine.files.nifti.source import NiftiSource
from napari_medunet.engine.files.nifti.unchanged import is_scaled, numbers_in_file
from napari_medunet.engine.files.nifti.write import write_labels, write_volume

__all__ = [
    "LazyVoxels",
    "NiftiSource",
    "is_nifti",
    "is_scaled",
    "numbers_in_file",
    "open_volume",
    "read_volume",
    "without_suffix",
    "write_labels",
    "write_volume",
]
