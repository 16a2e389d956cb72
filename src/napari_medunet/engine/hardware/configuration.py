"""The configuration of libraries in processes of our own."""

from __future__ import annotations

import os


def ignore_home() -> None:
    """Let Keras and matplotlib take no configuration of other work, here and in children of this process.

    A ``keras.json`` of other work may want channels first, or numbers of 16 bits, or may be damaged. Keras
    looks for it in the folder `KERAS_HOME`; it finds nothing in the null device, and leaves nothing there.
    `MPLBACKEND` may name a backend of matplotlib that is not there. To be called before either is imported,
    and not in the process of a caller.
    """
    os.environ["KERAS_HOME"] = os.devnull
    os.environ["MPLBACKEND"] = "agg"
