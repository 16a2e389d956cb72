"""Engine jobs in a child process, for the viewer: training can neither freeze nor crash napari."""
