"""The engine: volumes, training, prediction and metrics, with no Qt and no napari.

The data's way is the reading order: `nifti` and `images` read a `volume`; `examples` pairs it with
its annotation; `plan` decides; `samples` and `augment` make patches; `unet` is trained by `training`
into a `segmenter`; `prediction` labels volumes; `metrics` and `report` measure the labels.
"""
