"""The configuration of Keras in processes of our own."""

from __future__ import annotations

import os


def ignore_home() -> None:
    """Let Keras read no configuration from a home folder, in this process and those that it starts.

    A ``keras.json`` of other work may want channels first, or numbers of 16 bits, or may be damaged. Keras
    looks for it in the folder `KERAS_HOME`; it finds nothing in the null device, and leaves nothing there.
    To be called before Keras is imported, and not in the process of a caller.
    """
    os.environ["KERAS_HOME"] = os.devnull
