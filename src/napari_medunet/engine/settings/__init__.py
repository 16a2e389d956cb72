"""Every option once: its default, its range and its help text.

One class for each job. The engine takes it, a widget builds its form from it, the command line parses
into it, and plans and cards store it: no default is repeated elsewhere.
"""

from napari_medunet.engine.settings.annotation import AnnotationSettings
from napari_medunet.engine.settings.bounds import MOST_FOLDS
from napari_medunet.engine.settings.evaluation import EvaluateSettings, read_groups
from napari_medunet.engine.settings.opening import OpenSettings
from napari_medunet.engine.settings.prediction import PredictSettings
from napari_medunet.engine.settings.training import TrainSettings
from napari_medunet.engine.settings.tree import Leaf, Settings, refused_option

__all__ = [
    "MOST_FOLDS",
    "AnnotationSettings",
    "EvaluateSettings",
    "Leaf",
    "OpenSettings",
    "PredictSettings",
    "Settings",
    "TrainSettings",
    "read_groups",
    "refused_option",
]
