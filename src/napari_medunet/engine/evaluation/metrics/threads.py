"""Work on several processors at once, where numpy or compiled code releases Python's global lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def in_threads(work: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
    """Do the same work on each item, in a small pool of threads; the results are in order.

    The work must not call this function itself: it would wait for the threads that it keeps busy.
    """
    return list(_pool().map(work, items)) if len(items) > 1 else in_turn(work, items)


def in_turn(work: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
    """Do the same work on each item, one after the other."""
    return [work(item) for item in items]


@cache
def _pool() -> ThreadPoolExecutor:
    usable: Any = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    processors = len(usable(0)) if usable else os.cpu_count() or 1
    return ThreadPoolExecutor(min(8, processors), thread_name_prefix="measuring")
