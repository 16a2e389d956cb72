"""Which memory is free, and whether what is to be done fits into it: asked before it is begun."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from napari_medunet.engine.errors import MedunetError

_CGROUPS = Path("/sys/fs/cgroup")


def free_memory_mib() -> float:
    """Memory that this process could take without paging or being killed, in MiB.

    What the machine has available, a container allows, and a limit of the process leaves.
    """
    free = float(psutil.virtual_memory().available)
    return max(0.0, min(free, _left_in_container(), _left_of_limit())) / 2**20


def check_memory(needed_bytes: float, what: str) -> None:
    """Refuse what cannot fit. A system that overcommits memory would hand it out, and kill the process.

    Parameters
    ----------
    needed_bytes : float
        At the least.
    what : str
        Subject of the sentence, such as "'case_7', of 4000 x 4000 x 4000 voxels,".

    Raises
    ------
    MedunetError
        One line, if it is more than what is free.
    """
    free_mib = free_memory_mib()
    if needed_bytes / 2**20 > free_mib:
        raise MedunetError(
            f"{what} needs {_size(needed_bytes)} of memory at the least, and {_size(free_mib * 2**20)} are "
            "free. Check the size and the spacing in its header, crop it, or close other programs."
        )


def _size(count: float) -> str:
    for unit in ("MiB", "GiB"):
        count /= 2**10 if unit == "GiB" else 2**20
        if count < 2**10:
            return f"{count:.1f} {unit}"
    return f"{count / 2**10:.1f} TiB"


def _left_in_container() -> float:
    """Bytes that the control groups of this process leave it, on Linux; without limit infinite."""
    left = float("inf")
    with suppress(OSError, ValueError):
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").rpartition("::")[2].strip()
        group = Path(f"{_CGROUPS}{own}")
        for folder in (_CGROUPS, *[g for g in (group, *group.parents) if _CGROUPS in g.parents]):
            left = min(left, _left_in(folder / "memory.max", folder / "memory.current"))
        old = _CGROUPS / "memory"
        left = min(left, _left_in(old / "memory.limit_in_bytes", old / "memory.usage_in_bytes"))
    return left


def _left_in(limit: Path, used: Path) -> float:
    """Bytes below a limit, of which files that are only cached count as free."""
    try:
        most = int(limit.read_text(encoding="ascii"))
        lines = (limit.parent / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = {name: int(count) for name, _, count in (line.partition(" ") for line in lines)}
        return most - int(used.read_text(encoding="ascii")) + cached.get("inactive_file", 0)
    except (OSError, ValueError):  # no such group, or "max"
        return float("inf")


def _left_of_limit() -> float:
    """Bytes of addresses that `ulimit -v` leaves this process; infinite where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return float("inf")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    return float(limit - psutil.Process().memory_info().vms)
