"""Functions compiled by numba, kept on disk where that can be done."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from napari_medunet.engine.errors import MedunetError, one_line


@contextmanager
def _without_yaml() -> Iterator[None]:
    """Let nothing find the reader of YAML: numba then does without its file of configuration."""
    found = sys.modules.get("yaml")
    sys.modules["yaml"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["yaml"]
        if found is not None:
            sys.modules["yaml"] = found


def _start_numba() -> None:
    """Import numba, whatever a ``.numba_config.yaml`` in the working folder holds.

    Raises
    ------
    MedunetError
        If the environment asks for what numba cannot do.
    """
    before = set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it cannot read of its configuration it does without
        with suppress(Exception):
            import_module("numba")
            return
        for name in set(sys.modules) - before:  # half of it: the other half would not find it
            if name.partition(".")[0] == "numba":
                del sys.modules[name]
        try:
            with _without_yaml():
                import_module("numba")
        except ImportError:
            raise
        except Exception as error:
            given = ", ".join(sorted(name for name in os.environ if name.startswith("NUMBA_")))
            raise MedunetError(
                f"numba, which compiles for napari-medunet, cannot start: {one_line(error)} Wanted an "
                f"environment that it can read, and {given or 'nothing'} is set. Unset it."
            ) from error
    warnings.filterwarnings("ignore", "A Numba config file is found")


_start_numba()
from numba import njit  # noqa: E402  (when it is known that it can be imported)
from numba.core.caching import FunctionCache  # noqa: E402


class _Cache(FunctionCache):
    """numba's files of machine code: what cannot be read or written of them is done without."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # a damaged file may raise anything: it is compiled anew
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except Exception:  # a full disk, a folder that is gone, the file of a damaged cache
            self.disable()  # type: ignore[no-untyped-call]


def compiled(signature: str = "", **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function at its first call, without the lock of the interpreter.

    The machine code is kept beside the source, or in numba's folder for the user where that cannot be
    written to. Where neither can, as in a container without a home, each process compiles anew.

    Parameters
    ----------
    signature : str
        Compile for these types when the function is defined.
    options
        Of `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        kernel = njit(nogil=True, **options)(function)
        if kernel is function:  # NUMBA_DISABLE_JIT: somebody debugs
            return function
        with suppress(RuntimeError, OSError):  # there is no folder that can be written to
            # What `cache=True` does, with numba's own class.
            kernel._cache = _Cache(function)  # type: ignore[no-untyped-call]
        if signature:
            kernel.compile(signature)
        return kernel

    return decorate
