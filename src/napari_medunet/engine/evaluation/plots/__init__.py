"""Plots of scores and trainings, drawn onto given axes: in the report on white, in the viewer in its theme.

Nothing here opens a window or chooses a backend of matplotlib.
"""
