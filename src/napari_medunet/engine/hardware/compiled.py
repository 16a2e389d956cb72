"""Functions compiled by numba, kept on disk where that can be done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache


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
        with suppress(RuntimeError, OSError):  # there is no folder that can be written to
            # What `cache=True` does, with numba's own class.
            kernel._cache = _Cache(function)  # type: ignore[no-untyped-call]
        if signature:
            kernel.compile(signature)
        return kernel

    return decorate
