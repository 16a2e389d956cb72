"""Training: examples in, segmenter out.

`train` is the way in: it makes a plan and trains a `network`, for which a `clock` and batches go to the
`loop`, which keeps the `average` of the weights. `cross_validate` trains one for each of several `folds`.
"""

from napari_medunet.engine.training.folds import CrossValidation, choose_folds, cross_validate
from napari_medunet.engine.training.train import train

__all__ = ["CrossValidation", "choose_folds", "cross_validate", "train"]
