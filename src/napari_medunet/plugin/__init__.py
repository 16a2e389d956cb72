"""What napari shows: the only home of Qt, napari and magicgui."""
