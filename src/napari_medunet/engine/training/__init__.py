"""Training: examples in, segmenter out.

`train` is the way in: it makes a plan and trains a `network`, for which a `clock` and batches go to the
`loop`, which keeps the `average` of the weights. `fine_tune` trains one further, `cross_validate` one for
each of several `folds`. A `run_folder` keeps what resumes a training, `shares` its minutes, and `pacing`
what a plan promised.
"""

from napari_medunet.engine.training.cross_validation import (
    CrossValidation,
    choose_folds,
    cross_validate,
)
from napari_medunet.engine.training.fine_tuning import Predecessor, fine_tune
from napari_medunet.engine.training.shares import counted_from
from napari_medunet.engine.training.train import train

__all__ = [
    "CrossValidation",
    "Predecessor",
    "choose_folds",
    "counted_from",
    "cross_validate",
    "fine_tune",
    "train",
]
