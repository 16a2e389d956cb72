"""Mutate NIfTI and Analyze files: each ends in an open, or in one line that says what is wrong.

Valid files of every kind (NIfTI-1 and NIfTI-2, pairs, Analyze, packed or not, both byte orders,
coloured, of one to seven axes) get bytes replaced, fields of their header set to numbers at the edge,
their end cut off, parts repeated or dropped. Each is read whole and opened to look at, in the way of
big files, and what opens is saved again.

    python benchmarks/fuzz_nifti.py                  20,000 cases
    python benchmarks/fuzz_nifti.py --cases 500 --seed 7
"""

from __future__ import annotations

import argparse
import gzip
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_medunet.engine.files import nifti
from napari_medunet.engine.files.nifti import open_volume, read_volume, write_volume

SHAPES = [(5,), (4, 5), (4, 5, 6), (4, 5, 6, 3), (4, 5, 6, 1, 3), (2, 2, 2, 2, 2, 2, 2), (9, 8, 7)]
TYPES = ["u1", "i2", "u2", "i4", "f4", "f8", "c8", "i8"]
EDGES = [0, 1, -1, 2, 7, 8, 127, 128, 255, 256, 348, 352, 540, 1536, 3006, 32767, -32768, 65535]
REALS = [
    0.0,
    -1.0,
    1e-30,
    1e30,
    3.4e38,
    float("nan"),
    float("inf"),
    float("-inf"),
    352.0,
    348.0,
    1e9,
]
FIELDS = [  # place and layout of what decides how NIfTI-1 and Analyze are read
    (0, "i"), *[(40 + 2 * n, "h") for n in range(8)], (68, "h"), (70, "h"), (72, "h"),
    *[(76 + 4 * n, "f") for n in range(8)], (108, "f"), (112, "f"), (116, "f"), (123, "b"),
    (124, "f"), (128, "f"), (252, "h"), (254, "h"), *[(256 + 4 * n, "f") for n in range(18)],
    (344, "i"), (348, "i"), (352, "i"),
]  # fmt: skip
FIELDS_2 = [  # and NIfTI-2
    (0, "i"), (4, "i"), (8, "i"), (12, "h"), (14, "h"), *[(16 + 8 * n, "q") for n in range(8)],
    *[(104 + 8 * n, "d") for n in range(8)], (168, "q"), (176, "d"), (184, "d"), (344, "i"),
    (348, "i"), *[(352 + 8 * n, "d") for n in range(18)], (500, "i"), (504, "i"), (540, "i"),
]  # fmt: skip


def valid_file(chance: random.Random, folder: Path) -> tuple[Path, Path]:
    """Write a valid image; its header's and its voxels' files."""
    kind, suffix = chance.choice(
        [(nib.Nifti1Image, ".nii"), (nib.Nifti2Image, ".nii"), (nib.Nifti1Pair, ".img"),
         (nib.Nifti2Pair, ".img"), (nib.Spm99AnalyzeImage, ".img")]
    )  # fmt: skip
    shape = chance.choice(SHAPES)
    dtype = chance.choice(TYPES if kind is not nib.Spm99AnalyzeImage else ["u1", "i2", "i4", "f4"])
    voxels = (np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)
    if suffix == ".nii" and shape[-1] == 3 and chance.random() < 0.5:
        voxels = voxels.astype("u1").view([(channel, "u1") for channel in "RGB"])
    header = kind.header_class(endianness=chance.choice("<>"))
    header.set_data_dtype(voxels.dtype)
    affine = np.diag([*np.array([chance.choice((-1, 1)) for _ in range(3)]) * (1, 2, 3), 1.0])
    image = kind(voxels, affine[[*chance.sample(range(3), 3), 3]], header)
    path = folder / f"case{suffix}"
    nib.save(image, path)
    return (path if suffix == ".nii" else folder / "case.hdr"), path


def mutated(chance: random.Random, content: bytes) -> bytes:
    """Change a few things."""
    changed = bytearray(content)
    order = "<" if changed[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)) else ">"
    is_second = len(changed) > 3 and 540 in struct.unpack(f"{order}i", changed[:4])
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        what = chance.random()
        if what < 0.55:
            place, layout = chance.choice(FIELDS_2 if is_second else FIELDS)
            value = chance.choice(REALS if layout in "fd" else EDGES)
            if layout == "q" and chance.random() < 0.3:
                value = chance.choice((2**31, 2**40, 2**62, -(2**63)))
            bits = 8 * struct.calcsize(layout)
            if layout not in "fd":
                value = (int(value) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
            if place + bits // 8 <= len(changed):
                struct.pack_into(order + layout, changed, place, value)
        elif what < 0.8 and changed:
            changed[chance.randrange(min(len(changed), 700))] = chance.randrange(256)
        elif what < 0.88:
            del changed[chance.randrange(len(changed) + 1) :]
        elif what < 0.94 and changed:
            first = chance.randrange(len(changed))
            del changed[first : first + chance.choice((1, 4, 16, 200))]
        elif changed:
            first = chance.randrange(len(changed))
            changed[first:first] = changed[: chance.choice((1, 4, 352))]
    return bytes(changed)


def make_case(chance: random.Random, folder: Path) -> Path:
    """Write a mutated file, packed or not; the path to open."""
    header, voxels = valid_file(chance, folder)
    victim = header if chance.random() < 0.9 else voxels
    content, packing = victim.read_bytes(), chance.random()
    if packing < 0.3:
        content = gzip.compress(mutated(chance, content), 1)
    elif packing < 0.5:
        content = mutated(chance, gzip.compress(content, 1))
    else:
        content = mutated(chance, content)
    victim.write_bytes(content)
    if packing < 0.5:
        victim = victim.rename(f"{victim}.gz")
    return victim


def outcome(path: Path, folder: Path) -> str:
    """Open a file in both ways and save it: "opened", "refused", or what else happened."""
    results = []
    for reader in (read_volume, open_volume):
        try:
            volume = reader(path)
            np.asarray(volume.voxels)
            results.append("opened")
        except (OSError, ValueError) as error:
            if "\n" in str(error) or "case." not in str(error):
                return f"not one line that names the file: {error}"
            results.append("refused")
    if len(set(results)) > 1:
        return "read_volume and open_volume differ"
    if results[0] == "opened":
        try:
            write_volume(folder / "out.nii.gz", volume, overwrite=True)
        except (OSError, ValueError) as error:
            return f"opened, but not saved again: {error}"
    return results[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("error")
    nifti._LAZY_BYTES = 0  # small files are opened as big ones are
    counts: Counter[str] = Counter()
    slowest, before = 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.cases):
            for left in folder.iterdir():
                left.unlink()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # nibabel's, about the file that it makes for us
                path = make_case(random.Random(f"{options.seed}-{number}"), folder)
            start = time.perf_counter()
            try:
                end = outcome(path, folder)
            except Exception as error:  # that is what is looked for
                end = f"{type(error).__name__}: {error}"
                if sum(counts.values()) - counts["opened"] - counts["refused"] < 5:
                    traceback.print_exc(limit=-3)
            slowest = max(slowest, time.perf_counter() - start)
            counts[end.split(":")[0]] += 1
            if end not in ("opened", "refused"):
                print(f"case {number}: {end}", file=sys.stderr)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{options.cases} cases, seed {options.seed}: {dict(counts.most_common())}")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    print(f"slowest {slowest:.3f} s; memory grew by {grown / scale:.0f} MiB over all cases")
    return 0 if set(counts) <= {"opened", "refused"} else 1


if __name__ == "__main__":
    raise SystemExit(main())
