"""The engine: volumes, training, prediction and metrics, with no Qt and no napari.

Read it in the order of the data: `files` reads a `volume`; `examples` joins it with its annotation;
`planning` decides how to train, as a `plan` of `settings`; `patches` cuts and augments training patches;
`network` is the U-Net; `training` makes a segmenter of it; `prediction` segments volumes; `evaluation`
measures the result. `hardware` knows the backend and its devices.
"""
