"""Plots of scores and trainings, drawn onto given axes: on paper by the report, in its theme by the viewer.

Nothing here opens a window or chooses a backend of matplotlib.
"""
