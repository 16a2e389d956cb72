"""Names and colours of labels: tables that ITK-SNAP, BIDS and 3D Slicer keep beside a label file.

The formats are those of the programs' documentation: ITK-SNAP's label description file
(``IDX R G B A VIS MSH "LABEL"``), BIDS' discrete segmentation table (tab-separated, with the columns
``index``, ``name`` and perhaps ``color``) and 3D Slicer's colour table (``index name R G B A``, blanks
in names as underscores). Opacity and visibility are left out: a label that is there is shown.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.files import without_suffix
from napari_medunet.engine.files.saving import Kind, write_target
from napari_medunet.engine.volume import Volume

_MOST_BYTES = 2**22  # the longest table in use, of an atlas, has some 100 kB
_SNAP_LINE = re.compile(r'\s*(\d+)((?:\s+\d+){3})\s+[\d.eE+-]+\s+[01]\s+[01]\s+"(.*)"\s*$')
_SLICER_LINE = re.compile(r"\s*(\d+)\s+(\S+)((?:\s+\d+){3})(?:\s|$)")
_HEX = re.compile(r"#?([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?$")

# Beside NAME.nii.gz, the first that is there counts; {} is NAME.
_OWN_TABLES = ("{}.tsv", "{}.label", "{}.ctbl", "{}_ColorTable.ctbl", "{}.txt", "{}_labels.txt")
_FOLDER_TABLES = ("labels.tsv", "labels.label", "labels.ctbl", "labels.txt")
_COLUMNS = ("index", "name", "color")
_NONE = "n/a"
_LEVELS = 4  # of folders, from a file up to the root of its BIDS data set


@dataclass(frozen=True)
class LabelName:
    """What a label is called.

    Attributes
    ----------
    name : str
    color : str or None
        As "#rrggbb"; None where the table states none.
    """

    name: str
    color: str | None = None


LabelNames = dict[int, LabelName]


def read_label_names(path: Path) -> LabelNames:
    """Read a table of label names in any of the three formats, recognised by its content.

    Returns
    -------
    names : dict of label to LabelName
        Without the background, 0.

    Raises
    ------
    OSError
        If the file cannot be read.
    MedunetError
        If it is none of the three formats.
    """
    with path.open("rb") as stream:
        start = stream.read(_MOST_BYTES)
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    for rows in (_bids_rows, _snap_rows, _slicer_rows):
        found = _collect(rows, lines)
        if found:
            return found
    raise MedunetError(
        f"'{path}' is no table of label names; wanted ITK-SNAP's label descriptions, a BIDS table "
        "with the columns index and name, or a 3D Slicer colour table."
    )


def find_label_names(path: Path) -> tuple[LabelNames, Path] | None:
    """Look for the names of a label file's labels.

    For NAME.nii.gz, beside it: NAME.tsv, .label, .ctbl, _ColorTable.ctbl, .txt or _labels.txt; else
    labels.tsv, .label, .ctbl or .txt; else, for a BIDS name that ends in _dseg, the ..._dseg.tsv with
    no other entities than its own, in its folder or up to three above. Other files are skipped.

    Returns
    -------
    names, table : LabelNames and the path that they were read from; None where there are none
    """
    for table in _candidates(path):
        try:
            return read_label_names(table), table
        except (OSError, MedunetError):
            continue
    return None


def with_names(labels: Volume, path: Path) -> Volume:
    """Labels with the names in the table beside their file, where there is one."""
    found = find_label_names(path)
    if found is None:
        return labels
    return replace(labels, names={label: one.name for label, one in found[0].items()})


def agreed_names(tables: Iterable[Mapping[int, str]]) -> dict[int, str]:
    """Names of labels on which all tables with that label agree, and that name one label only."""
    said: dict[int, set[str]] = {}
    for table in tables:
        for label, name in table.items():
            said.setdefault(label, set()).add(name)
    names = {label: called.pop() for label, called in said.items() if len(called) == 1}
    used = Counter(names.values())
    return {label: name for label, name in names.items() if used[name] == 1}


def says_more(name: str, label: int) -> bool:
    """Whether a name says more than the number: "1" and "label 1" do not, the vertebra "C1" does."""
    plain = rf"((label|class)[\s_-]*)?0*{label}"
    return bool(name.strip()) and not re.fullmatch(plain, name.strip(), re.IGNORECASE)


def names_beside(paths: Iterable[Path]) -> dict[int, str]:
    """Names of labels in the tables beside some label files, where they agree."""
    found = (find_label_names(path) for path in paths)
    tables = (table[0] for table in found if table is not None)
    return agreed_names({label: one.name for label, one in names.items()} for names in tables)


def write_label_names(path: Path, names: LabelNames, overwrite: bool = False) -> Path | None:
    """Write names as a BIDS table (index, name, color) beside a label file, of the same name.

    No name is lost by it: what a table beside the file says of other labels is in it, too.

    Parameters
    ----------
    path : path of the label file
    names : LabelNames
    overwrite : bool
        Call a label by its new name where a table beside the file calls it otherwise.

    Returns
    -------
    table : Path or None
        None where something else than a table of these columns is there already: it is left as it is.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    table = path.with_name(f"{without_suffix(path)}.tsv")
    if not table.exists():
        found = find_label_names(path)  # in another table, which counts no more beside this one
        known = {str(label): _row(label, one) for label, one in (found[0] if found else {}).items()}
    elif (rows := _plain_rows(table)) is not None:
        known = rows
    else:
        return None
    before = list(known.values())
    wanted = {str(label): _row(label, entry) for label, entry in sorted(names.items())}
    if overwrite:
        both = (
            (*w[:2], known[i][2] if w[2] == _NONE else w[2])
            for i, w in wanted.items()
            if i in known
        )
        known |= {row[0]: row for row in both}
    ordered = [*known.values(), *(row for index, row in wanted.items() if index not in known)]
    if table.exists() and ordered == before:
        return table
    with write_target(table, _NAMES, overwrite=True) as stream:
        lines = ("\t".join(row) for row in (_COLUMNS, *ordered))
        stream.write(("\n".join(lines) + "\n").encode())
    return table


def _row(label: int, entry: LabelName) -> tuple[str, ...]:
    name = " ".join(entry.name.split())  # tabs and line ends would be columns and rows
    return str(label), name or _NONE, entry.color or _NONE


def _plain_rows(table: Path) -> dict[str, tuple[str, ...]] | None:
    """Rows of a table by their index, as (index, name, color); None where it holds anything else."""
    try:
        lines = table.read_bytes()[:_MOST_BYTES].decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    header, *rows = [line.split("\t") for line in lines if line.strip()] or [[]]
    if not {"index", "name"} <= set(header) <= set(_COLUMNS) or len(set(header)) < len(header):
        return None
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        index = re.sub(r"\.0+$", "", cells.get("index", ""))
        if len(row) > len(header) or not index or index in found:
            return None
        found[index] = (index, cells.get("name") or _NONE, cells.get("color") or _NONE)
    return found


_Row = tuple[int, LabelName]
_Rows = Callable[[list[str]], Iterator[_Row]]


def _collect(rows: _Rows, lines: list[str]) -> LabelNames:
    return {label: entry for label, entry in rows(lines) if label}


def _bids_rows(lines: list[str]) -> Iterator[_Row]:
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if not {"index", "name"} <= set(reader.fieldnames or ()):
        return
    for row in reader:
        index, name = (row["index"] or "").strip(), (row["name"] or "").strip()
        if re.fullmatch(r"\d+(\.0+)?", index):
            color = _HEX.match((row.get("color") or "").strip())
            yield int(float(index)), LabelName(name, f"#{color[1].lower()}" if color else None)


def _snap_rows(lines: list[str]) -> Iterator[_Row]:
    for line in lines:
        if row := _SNAP_LINE.match(line):
            yield int(row[1]), LabelName(row[3].strip(), _as_hex(row[2]))


def _slicer_rows(lines: list[str]) -> Iterator[_Row]:
    for line in lines:
        if row := _SLICER_LINE.match(line):
            yield int(row[1]), LabelName(row[2].replace("_", " "), _as_hex(row[3]))


def _as_hex(numbers: str) -> str:
    red, green, blue = (min(int(number), 255) for number in numbers.split())
    return f"#{red:02x}{green:02x}{blue:02x}"


_NAMES = Kind("table of label names", lambda table: _plain_rows(table) is not None)


def _candidates(path: Path) -> Iterator[Path]:
    stem = without_suffix(path)
    beside = [*(pattern.format(stem) for pattern in _OWN_TABLES), *_FOLDER_TABLES]
    yield from (table for name in beside if (table := path.parent / name).is_file())
    entities = set(stem.split("_"))
    if "dseg" in entities:
        for folder in [path.absolute().parent, *path.absolute().parent.parents][:_LEVELS]:
            tables = [t for t in folder.glob("*dseg.tsv") if set(t.stem.split("_")) <= entities]
            yield from sorted(tables, key=lambda table: -len(table.stem))  # the closest first
            if (folder / "dataset_description.json").is_file():
                return
