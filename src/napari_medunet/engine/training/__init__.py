"""Training: examples in, segmenter out.

`train` is the way in; it hands a plan, a `clock` and batches to the `loop`, which keeps the `average` of
the weights.
"""

from napari_medunet.engine.training.train import train

__all__ = ["train"]
