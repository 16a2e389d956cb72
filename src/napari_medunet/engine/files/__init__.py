"""Volumes and tables of label names, from disk and back."""

from napari_medunet.engine.files.files import read, write

__all__ = ["read", "write"]
