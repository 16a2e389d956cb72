"""Engine jobs in a child process, for the viewer: training can neither freeze nor crash napari.

Reading order: `client` and `job` (what the viewer calls), `requests` (what each kind of job is asked for
and makes), `tasks` (how the viewer hands that over and takes it back), `dispatcher` (one job at a time),
`process` (the viewer's hold on the child), `handover` and `messages` (arrays in files, and what goes
through the pipes), `child` (the other side) and `jobs` (the engine's work there), `left_over` (what a
killed viewer leaves). No Qt, no napari; Keras in the child only.
"""

from napari_medunet.worker.client import Worker
from napari_medunet.worker.job import Job, Listener
from napari_medunet.worker.tasks import CrossValidated

__all__ = ["CrossValidated", "Job", "Listener", "Worker"]
