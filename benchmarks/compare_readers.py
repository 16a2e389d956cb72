"""What readers of NIfTI files make of hard ones: a table, each cell of it tried here and now.

    python benchmarks/compare_readers.py [--peers PYTHON] [--markdown FILE]

PYTHON is an interpreter with the peers (pip install napari napari-nifti napari-medical-image-formats
napari-itk-io nilearn PyQt6); those that it does not have are left out, with the reason. Every reader opens
every file as napari would, in a process of its own and in a viewer that is not shown (it needs a display).
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

READERS = {
    "napari-medunet": "napari_medunet.plugin.opening.reader:get_reader",
    "napari-nifti": "napari_nifti._reader:napari_get_reader",
    "napari-itk-io": "napari_itk_io._reader:napari_get_reader",
    "napari-medical-image-formats": "napari_medical_image_formats._reader:napari_get_reader",
    "nilearn": "nilearn.image:load_img",
}
SECONDS = 60  # for all files of a reader
SHAPE = (24, 20, 16)
AFFINE = np.array([[-1.5, 0, 0, 20], [0, 2, 0, -10], [0, 0, 3, 5], [0, 0, 0, 1.0]])
MARK = (17, 4, 11)
UNWANTED = "the reader does not want this file"
Seen = dict[str, Any]


# --- the files -----------------------------------------------------------------------------------


def volume(dtype: str = "int16") -> np.ndarray:
    voxels = np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)
    voxels[MARK] = 1000
    return voxels


def labels(dtype: str, highest: int = 3) -> np.ndarray:
    voxels = np.zeros(SHAPE, dtype)
    voxels[4:9, 4:9, 4:9], voxels[12, 12, 12] = 1, highest
    return voxels


def make_files(folder: Path) -> None:
    import nibabel as nib

    def save(name: str, voxels: np.ndarray, affine: np.ndarray = AFFINE, **fields: Any) -> None:
        image = nib.Nifti1Image(voxels, affine, dtype=voxels.dtype)
        for field, value in fields.items():
            image.header[field] = value
        nib.save(image, folder / name)

    whole = nib.Nifti1Image(volume(), AFFINE)
    for code in ("RAS", "LPS", "AIR", "SPL"):
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(code)
        )
        nib.save(whole.as_reoriented(turn), folder / f"orientation_{code}.nii.gz")
    cos, sin = np.cos(0.3), np.sin(0.3)
    tilt = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    save("oblique.nii.gz", volume(), tilt @ AFFINE)
    shear = AFFINE.copy()
    shear[0, 1] = 0.6
    save("sheared.nii.gz", volume(), shear)
    both = nib.Nifti1Image(volume(), AFFINE)
    moved = AFFINE.copy()
    moved[:3, 3] += 50
    both.set_qform(moved, 1)
    both.set_sform(AFFINE, 1)
    nib.save(both, folder / "disagree.nii.gz")
    micron = AFFINE.copy()
    micron[:3] *= 1000
    save("micron.nii.gz", volume(), micron, xyzt_units=3)
    nib.save(nib.Nifti2Image(volume(), AFFINE), folder / "nifti2.nii.gz")
    nib.save(nib.Nifti1Pair(volume(), AFFINE), folder / "pair.hdr")
    big = nib.Nifti1Image(volume(">i2"), AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(big, folder / "big_endian.nii.gz")
    scaled = nib.Nifti1Image(volume(), AFFINE)
    scaled.header.set_slope_inter(0.5, -10)
    nib.save(scaled, folder / "scaled.nii.gz")
    save("uint64.nii.gz", volume("uint64"))
    colours = np.zeros(SHAPE, [(c, "u1") for c in "RGB"])
    colours["R"] = 200
    save("rgb24.nii.gz", colours)
    save("complex.nii.gz", volume("complex64") * np.complex64(3 + 4j))
    save("vector.nii.gz", np.stack([volume("float32")] * 3, -1)[:, :, :, None], intent_code=1007)
    series = nib.Nifti1Image(np.stack([volume()] * 5, -1), AFFINE)
    series.header.set_xyzt_units("mm", "msec")
    series.header["pixdim"][4] = 720
    nib.save(series, folder / "series.nii.gz")
    save("flat.nii.gz", volume()[:, :, 0])
    save("float_seg.nii.gz", labels("float32"))
    save("plain_int32.nii.gz", volume("int32"))
    save("atlas_dseg.nii.gz", labels("uint32", 614454452))
    save("contrast.nii.gz", volume(), cal_min=20, cal_max=80)
    bad = volume("float32")
    bad[2, 2, 2], bad[3, 3, 3] = np.nan, np.inf
    save("not_finite.nii.gz", bad)
    save("whole.nii", volume())
    save("whole.nii.gz", volume())
    content = (folder / "whole.nii").read_bytes()
    packed = (folder / "whole.nii.gz").read_bytes()
    (folder / "truncated.nii").write_bytes(content[:9000])
    (folder / "truncated.nii.gz").write_bytes(packed[:9000])
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    (folder / "damaged.nii.gz").write_bytes(damaged)
    (folder / "html.nii.gz").write_text("<html>please log in</html>")
    (folder / "empty.nii.gz").write_bytes(b"")
    huge = bytearray(content[:352])
    huge[40:56] = np.array([3, 10000, 10000, 10000, 1, 1, 1, 1], "<i2").tobytes()
    (folder / "huge.nii").write_bytes(huge)


# --- what is wanted of each ----------------------------------------------------------------------


def opened(*wanted: Callable[[Seen], bool]) -> Callable[[Seen], bool]:
    return lambda seen: not seen["error"] and bool(seen["layers"]) and all(w(seen) for w in wanted)


def values(seen: Seen) -> bool:
    return bool(seen["layers"][0]["values_ok"])


def spacing(seen: Seen) -> bool:
    return bool(np.allclose(sorted(seen["layers"][0]["spacing"][-3:]), [1.5, 2, 3], rtol=1e-4))


def kind(wanted: str) -> Callable[[Seen], bool]:
    return lambda seen: all(layer["type"] == wanted for layer in seen["layers"])


def refused(seen: Seen) -> bool:
    """In some words that name the file; napari itself finds them where a reader does not want it."""
    told = seen["error"] or " ".join(seen["said"])
    return not seen["layers"] and (seen["file"] in told or UNWANTED in told)


SAVED = "saved/oblique.nii.gz"
CASES: dict[str, tuple[str, Callable[[Seen], bool]]] = {
    "oblique.nii.gz": ("oblique: no tilt on the layer, and said", opened(
        values, lambda s: not s["layers"][0]["tilted"] and bool(s["said"]))),
    "sheared.nii.gz": ("sheared affine", opened(values)),
    "disagree.nii.gz": ("sform and qform disagree: said", opened(values, lambda s: bool(s["said"]))),
    "micron.nii.gz": ("micrometres are converted", opened(spacing)),
    "nifti2.nii.gz": ("NIfTI-2", opened(values, spacing)),
    "pair.hdr": (".hdr/.img pair", opened(values, spacing)),
    "big_endian.nii.gz": ("big-endian", opened(values)),
    "scaled.nii.gz": ("scaled values", opened(values)),
    "uint64.nii.gz": ("64-bit integers", opened(values)),
    "rgb24.nii.gz": ("RGB24 as colours", opened(lambda s: bool(s["layers"][0]["rgb"]))),
    "complex.nii.gz": ("complex numbers can be seen", opened(
        lambda s: s["layers"][0]["dtype"].startswith("float"))),
    "vector.nii.gz": ("components as layers", opened(lambda s: len(s["layers"]) == 3)),
    "series.nii.gz": ("time leads, its step in s", opened(
        lambda s: s["layers"][0]["shape"][0] == 5 and abs(s["layers"][0]["scale"][0] - 0.72) < 1e-3)),
    "flat.nii.gz": ("2D file", opened(values)),
    "float_seg.nii.gz": ("float labels named _seg open as labels", opened(kind("labels"))),
    "plain_int32.nii.gz": ("an int32 scan opens as image", opened(kind("image"), values)),
    "atlas_dseg.nii.gz": ("label 614454452 opens as label, exact", opened(kind("labels"), values)),
    "contrast.nii.gz": ("cal_min and cal_max are used", opened(
        lambda s: s["layers"][0]["limits"] == [20, 80])),
    "not_finite.nii.gz": ("NaN and infinity: finite contrast", opened(
        lambda s: bool(np.isfinite(s["layers"][0]["limits"] or [np.nan]).all()))),
    "whole.nii.gz": ("layer's name without .nii", opened(
        lambda s: s["layers"][0]["name"] == "whole")),
    SAVED: ("labels drawn on the oblique scan are saved on its grid", opened(
        lambda s: s["layers"][0]["same_grid"] and s["layers"][0]["off_mm"] < 0.01)),
    "truncated.nii": ("truncated .nii: refused by name", refused),
    "truncated.nii.gz": ("truncated .nii.gz: refused by name", refused),
    "damaged.nii.gz": ("damaged .nii.gz: refused by name", refused),
    "html.nii.gz": ("HTML called .nii.gz: refused by name", refused),
    "empty.nii.gz": ("empty file: refused by name", refused),
    "huge.nii": ("header claiming 1e12 voxels: refused by name", refused),
}  # fmt: skip
ORIENTATIONS = [f"orientation_{code}.nii.gz" for code in ("RAS", "LPS", "AIR", "SPL")]
NO_VIEW = {SAVED, "oblique.nii.gz", "rgb24.nii.gz", "complex.nii.gz", "vector.nii.gz", "series.nii.gz",
           "float_seg.nii.gz", "plain_int32.nii.gz", "atlas_dseg.nii.gz", "contrast.nii.gz",
           "not_finite.nii.gz", "whole.nii.gz"}  # fmt: skip


# --- the child: one reader, some files -----------------------------------------------------------


def child(reader: str, folder: Path, files: list[str]) -> None:
    module, _, name = READERS[reader].partition(":")
    read = getattr(import_module(module), name)
    from napari.utils.notifications import notification_manager

    for file in files:
        notification_manager.records.clear()
        seen: Seen = {"file": file, "error": "", "said": [], "layers": []}
        print(json.dumps({"begin": file}), flush=True)
        try:
            if file == SAVED:
                seen["layers"] = [saved(reader, read, folder / Path(file).name)]
            else:
                seen["layers"] = [described(*one) for one in layers_of(reader, read, folder / file)]
        except Exception as error:  # whatever a peer raises is what its user sees
            seen["error"] = f"{type(error).__name__}: {error}"
        seen["said"] = [str(record.message) for record in notification_manager.records]
        print(json.dumps(seen), flush=True)


def layers_of(reader: str, read: Callable[..., Any], path: Path) -> list[tuple[Any, ...]]:
    if reader == "nilearn":
        image = read(str(path))
        return [("image", image.get_fdata(), image.affine, path, None)]
    viewer = viewer_with(read, path)
    layers = list(viewer.layers)
    viewer.close()
    return [(one._type_string, np.asarray(one.data), None, path, one) for one in layers]


def viewer_with(read: Callable[..., Any], path: Path) -> Any:
    import napari
    from napari.components.viewer_model import _unify_data_and_user_kwargs

    open_it = read(str(path))
    if open_it is None:
        raise OSError(UNWANTED)
    viewer = napari.Viewer(show=False)
    for data in open_it(str(path)):
        if data[0] is not None:
            whole = _unify_data_and_user_kwargs(data, {}, None, fallback_name=path.stem)
            viewer._add_layer_from_data(*whole)
    return viewer


def saved(reader: str, read: Callable[..., Any], path: Path) -> Seen:
    """Labels made with napari's button on an opened image, its brightest voxel painted, and saved."""
    import nibabel as nib

    viewer = viewer_with(read, path)
    image = viewer.layers[0]
    viewer.layers.selection.active = image
    viewer._new_labels()
    drawn = viewer.layers[-1]
    drawn.data[np.unravel_index(np.argmax(np.asarray(image.data)), drawn.data.shape)] = 1
    written = viewer.layers[-1:].save(str(path.with_name("saved.nii.gz")), plugin=reader)
    viewer.close()
    if not written:
        raise OSError("its writer does not write them")
    written = written[0]
    before, after = nib.load(path), nib.load(written)
    (index,) = np.argwhere(np.asarray(after.dataobj) == 1)
    off = (after.affine @ [*index, 1] - before.affine @ [*MARK, 1])[:3]
    return {
        "type": "labels saved",
        "shape": list(after.shape),
        "dtype": f"{np.linalg.norm(off):.0f} mm away",
        "off_mm": float(np.linalg.norm(off)),
        "same_grid": after.shape == before.shape and bool(np.allclose(after.affine, before.affine)),
    }


def described(type_: str, data: np.ndarray, affine: Any, path: Path, layer: Any) -> Seen:
    values = np.abs(data) if np.iscomplexobj(data) else data
    index = np.array(np.unravel_index(np.nanargmax(values), values.shape))
    if layer is None:
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        place, tilted = (affine @ [*index[:3], *[0] * (3 - len(index[:3])), 1])[:3], False
    else:
        index = index[: layer.ndim]
        matrix = np.asarray(layer._transforms[1:].simplified.linear_matrix)
        steps = np.linalg.norm(matrix, axis=0)
        place = layer.data_to_world(index)
        tilted = bool(np.abs(matrix - np.diag(np.diag(matrix))).max() > 1e-6)
    return {
        "type": type_,
        "name": path.name if layer is None else layer.name,
        "shape": list(data.shape),
        "dtype": str(data.dtype),
        "rgb": bool(getattr(layer, "rgb", False)),
        "limits": [float(v) for v in layer.contrast_limits]
        if hasattr(layer, "contrast_limits")
        else None,
        "scale": [float(v) for v in (steps if layer is None else layer.scale)],
        "spacing": [float(v) for v in steps],
        "place": [float(v) for v in place],
        "tilted": tilted,
        "values_ok": values_ok(data, path),
    }


def values_ok(data: np.ndarray, path: Path) -> bool:
    if "dseg" in path.name:
        return np.unique(data).tolist() == [0, 1, 614454452]
    wanted = volume("float64")
    if path.name == "scaled.nii.gz":
        wanted = wanted * 0.5 - 10
    elif path.name == "flat.nii.gz":
        wanted = wanted[:, :, 0]
    return data.size == wanted.size and bool(
        np.allclose(np.sort(data, axis=None), np.sort(wanted, axis=None))
    )


# --- the parent ----------------------------------------------------------------------------------


def try_reader(python: str, reader: str, folder: Path) -> dict[str, Seen]:
    """Run the child, and again after a crash or a hang with the files that are left."""
    found: dict[str, Seen] = {}
    left = [*ORIENTATIONS, *CASES]
    while left:
        command = [python, "-W", "ignore", __file__, "--child", reader, str(folder), *left]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            lines, end = run.stdout, f"the process ended with {run.returncode}"
        except subprocess.TimeoutExpired as expired:
            lines, end = (expired.stdout or b"").decode(), f"no end after {SECONDS} s"
            run = None
        begun = ""
        for line in lines.splitlines():
            told = json.loads(line) if line.startswith("{") else {}
            begun = told.get("begin", begun)
            if "layers" in told:
                found[told["file"]] = told
                begun = ""
        if not begun and len(found) < len(ORIENTATIONS) + len(CASES):
            raise OSError((run.stderr if run else end).strip().splitlines()[-1])
        if begun:
            found[begun] = {"file": begun, "error": end, "said": [], "layers": []}
        left = [file for file in left if file not in found]
    return found


def cell(reader: str, file: str, seen: Seen) -> str:
    if reader == "nilearn" and file in NO_VIEW:
        return "-"
    if CASES[file][1](seen):
        return "yes"
    if seen["error"] == f"OSError: {UNWANTED}":
        return "no: not opened"
    if seen["error"]:
        return f"no: {seen['error'].partition(':')[0]}"
    if not seen["layers"]:
        return "no: nothing opens"
    first = seen["layers"][0]
    shape = "x".join(map(str, first["shape"]))
    return f"no: {len(seen['layers'])} {first['type']} {shape} {first['dtype']}"


def overlay(found: dict[str, Seen]) -> str:
    places = [found[f]["layers"][0]["place"] for f in ORIENTATIONS if found[f]["layers"]]
    if len(places) < len(ORIENTATIONS):
        return "no: some do not open"
    apart = max(float(np.linalg.norm(np.subtract(p, places[0]))) for p in places)
    return "yes" if apart < 0.1 else f"no: up to {apart:.0f} mm apart"


def table(results: dict[str, dict[str, Seen]]) -> str:
    rows = [["", *results], ["---"] * (len(results) + 1)]
    rows.append(["one scan in four orientations overlays", *map(overlay, results.values())])
    for file, (title, _) in CASES.items():
        rows.append(
            [title, *(cell(reader, file, found[file]) for reader, found in results.items())]
        )
    met = [sum(row[i] == "yes" for row in rows[2:]) for i in range(1, len(results) + 1)]
    asked = [sum(row[i] != "-" for row in rows[2:]) for i in range(1, len(results) + 1)]
    rows.append(["together", *(f"{m} of {a}" for m, a in zip(met, asked, strict=True))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="an interpreter with the peers")
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        reader, folder, *files = arguments.child
        return child(reader, Path(folder), files)
    results, versions = {}, [f"Python {platform.python_version()}", f"napari {version('napari')}"]
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name))
        for reader in READERS:
            python = sys.executable if reader == "napari-medunet" else arguments.peers
            try:
                results[reader] = try_reader(python, reader, Path(name))
                ask = f"from importlib.metadata import version; print(version('{reader}'))"
                if python != sys.executable:
                    told = subprocess.run([python, "-c", ask], capture_output=True, text=True)
                    versions.append(f"{reader} {told.stdout.strip()}")
            except OSError as reason:
                print(f"{reader} is left out: {reason}", file=sys.stderr)
    text = f"{table(results)}\n\n{', '.join(versions)}.\n"
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text)
    return None


if __name__ == "__main__":
    main()
