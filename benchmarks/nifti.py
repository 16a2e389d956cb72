"""Reading and writing NIfTI: this package against nibabel and SimpleITK, in one run.

    python benchmarks/nifti.py            all of it: about two minutes, 3 GB of memory, 1.5 GB of disk
    python benchmarks/nifti.py --repeat 5

Each measurement is the best of several, every one in a process of its own, which has imported its
library and read a small file before the clock starts; memory is the most that the process held above
what it held then, against the bytes of the voxels in the type of the file. The voxels are summed over
a few slices in all of them, so that nobody wins by not reading.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE, SERIES = (512, 512, 300), (128, 128, 40, 300)
LIBRARIES = {"napari-medunet": "napari_medunet", "nibabel": "nibabel", "SimpleITK": "SimpleITK"}


def make_files(folder: Path) -> None:
    """Write a smooth volume with steps as of a CT, the same with noise, labels, a series."""
    import nibabel as nib
    from scipy import ndimage

    rng = np.random.default_rng(0)
    smooth = ndimage.zoom(rng.normal(size=(16, 16, 10)).astype("f4"), (32, 32, 30), order=1) * 300
    air = smooth < -200
    ct = np.where(air, -1000, np.round(smooth / 4) * 4).astype(np.int16)
    noisy = np.where(air, -1000, smooth).astype("f4") + rng.normal(0, 40, SIZE).astype("f4")
    x, y, z = np.ogrid[: SIZE[0], : SIZE[1], : SIZE[2]]
    labels = np.zeros(SIZE, np.uint8)
    for label in range(1, 12):
        cx, cy = rng.integers(100, 400, 2)
        labels[((x - cx) ** 2 + (y - cy) ** 2) / 1600 + (z - 150) ** 2 / 6400 < 1] = label
    frame = (ct[::4, ::4, :40] + 1000).astype(np.int16)
    series = frame[..., None] + rng.integers(0, 30, SERIES, np.int16)
    affine = np.diag([-0.8, 0.8, 1.5, 1])
    tiny = labels[:8, :8, :8]
    volumes = {"ct": ct, "noisy": noisy.astype(np.int16), "labels": labels, "tiny": tiny}
    for name, voxels in volumes.items():
        nib.save(nib.Nifti1Image(voxels, affine), folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(ct, affine), folder / "ct.nii")
    image = nib.Nifti1Image(series, affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / "series.nii.gz")


def ours() -> dict[str, Callable[..., Any]]:
    from napari_medunet.engine.files.nifti import open_volume, read_volume, write_labels

    return {
        "read": lambda path: read_volume(path).voxels,
        "picture": lambda path: open_volume(path).voxels[SIZE[2] // 2],
        "open": lambda path: open_volume(path).voxels[SIZE[2] // 2],
        "load": read_volume,
        "write": lambda path, volume: write_labels(path, volume.voxels, volume, overwrite=True),
        "series": open_volume,
        "frame": lambda volume: np.array(volume.voxels[270]),
    }


def nibabel() -> dict[str, Callable[..., Any]]:
    import nibabel as nib

    def load(path: Path) -> Any:
        image = nib.load(path)
        return nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine)

    return {
        "read": lambda path: np.asanyarray(nib.load(path).dataobj),
        "picture": lambda path: np.asanyarray(nib.load(path).dataobj)[..., SIZE[2] // 2],
        "open": lambda path: np.array(nib.load(path).dataobj[..., SIZE[2] // 2]),
        "load": load,
        "write": lambda path, image: nib.save(image, path),
        "series": nib.load,
        "frame": lambda image: np.asarray(image.dataobj[..., 270]),
    }


def simpleitk() -> dict[str, Callable[..., Any]]:
    import SimpleITK as sitk  # noqa: N813

    images = []  # a view does not keep its image

    def read(path: Path) -> Any:
        images.append(sitk.ReadImage(str(path)))
        return sitk.GetArrayViewFromImage(images[-1])

    return {
        "read": read,
        "picture": lambda path: read(path)[SIZE[2] // 2],
        "open": lambda path: read(path)[SIZE[2] // 2],
        "load": lambda path: sitk.ReadImage(str(path)),
        "write": lambda path, image: sitk.WriteImage(image, str(path), useCompression=True),
        "series": lambda path: sitk.ReadImage(str(path)),
        "frame": lambda image: np.array(sitk.GetArrayViewFromImage(image)[270]),
    }


MAKERS = {"napari-medunet": ours, "nibabel": nibabel, "SimpleITK": simpleitk}


def measure(library: str, task: str, folder: Path) -> dict[str, float]:
    """Do one task once, in this process: seconds, and bytes of memory above the start's."""
    do = MAKERS[library]()
    do["read"](folder / "tiny.nii.gz")
    name, _, what = task.partition(" ")
    given: tuple[Any, ...] = ()
    if what == "write":
        given = (do["load"](folder / f"{name}.nii.gz"),)
        do["write"](folder / f"warm-{library}.nii.gz", do["load"](folder / "tiny.nii.gz"))
    if what == "frame":
        image = do["series"](folder / "series.nii.gz")
        getattr(getattr(image, "voxels", None), "complete", lambda: None)()
        given = (image,)
    forget_peak()
    before, start = memory("VmRSS"), time.perf_counter()
    path = folder / (f"out-{library}.nii.gz" if what == "write" else f"{name}.{suffix_of(what)}")
    result = do[what](*given) if what == "frame" else do[what](path, *given)
    seconds = time.perf_counter() - start
    if what != "write":
        np.asarray(result)[..., ::64].sum(dtype=np.float64)
    size = path.stat().st_size if what == "write" else 0
    return {"seconds": seconds, "bytes": memory("VmHWM") - before, "size": size}


def suffix_of(what: str) -> str:
    return "nii" if what == "open" else "nii.gz"


def memory(field: str) -> float:
    """Bytes that this process holds (VmRSS) or has held at most (VmHWM); NaN where not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def best(library: str, task: str, folder: Path, repeat: int) -> dict[str, float]:
    runs = []
    for _ in range(repeat):
        command = [sys.executable, __file__, "--one", library, task, str(folder)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(ran.stdout))
    return min(runs, key=lambda run: run["seconds"])


TASKS = {  # what it is called, and how many bytes its voxels have in the type of the file
    "ct read": ("whole .nii.gz, 512 x 512 x 300 int16, as of a CT", np.prod(SIZE) * 2),
    "noisy read": ("the same with noise in every voxel", np.prod(SIZE) * 2),
    "ct picture": ("its middle slice only", np.prod(SIZE) * 2),
    "noisy picture": ("the middle slice of the one with noise", np.prod(SIZE) * 2),
    "ct open": ("the middle slice of the .nii", np.prod(SIZE) * 2),
    "labels write": ("labels of that size to .nii.gz", np.prod(SIZE)),
    "series read": ("whole series, 128 x 128 x 40 x 300 int16 .nii.gz", np.prod(SERIES) * 2),
    "series frame": ("one late frame, once the series is open", np.prod(SERIES) * 2),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        library, task, name = options.one
        print(json.dumps(measure(library, task, Path(name))))
        return 0
    there = [name for name, module in LIBRARIES.items() if importlib.util.find_spec(module)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        for task, (title, voxel_bytes) in TASKS.items():
            print(f"\n{title}")
            found = {library: best(library, task, folder, options.repeat) for library in there}
            mine = found["napari-medunet"]["seconds"]
            for library, run in found.items():
                size = f", {run['size'] / 1e3:.0f} kB" if run["size"] else ""
                print(
                    f"  {library:15} {run['seconds']:7.3f} s, {run['seconds'] / mine:6.2f} times ours, "
                    f"memory {run['bytes'] / voxel_bytes:5.2f} times the voxels{size}"
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
