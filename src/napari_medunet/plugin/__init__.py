"""What napari shows: the only home of Qt, napari and magicgui.

Each room imports only from rooms below it: `train`, `segment` and `measure`, which know nothing of each
other, stand on `session`, and that on `widgets` and `opening`, which know nothing of each other either.
"""
