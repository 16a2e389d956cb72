"""Every option once: its default, its range and its help text.

One class per job. The engine takes it, a widget builds its form from it, the command line parses into
it, and the segmenter's card stores it: nobody else repeats a default.
"""

from napari_medunet.engine.settings.evaluation import EvaluateSettings, read_groups
from napari_medunet.engine.settings.opening import OpenSettings
from napari_medunet.engine.settings.prediction import PredictSettings
from napari_medunet.engine.settings.training import MOST_FOLDS, TrainSettings

__all__ = [
    "MOST_FOLDS",
    "EvaluateSettings",
    "OpenSettings",
    "PredictSettings",
    "TrainSettings",
    "read_groups",
]
