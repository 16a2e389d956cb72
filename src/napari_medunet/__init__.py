"""From a folder of scans to a trained, measured segmentation, without leaving napari.

`napari_medunet.engine` is the whole of the work, free of Qt and napari; `napari_medunet.plugin` is
what the viewer shows; `napari_medunet.worker` carries jobs from one to the other in a child process.
"""

from importlib.metadata import version

__version__ = version("napari-medunet")
