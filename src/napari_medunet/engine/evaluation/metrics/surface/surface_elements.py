"""How much surface lies between the voxels of each 2 x 2 x 2 neighbourhood.

Eight neighbouring voxel centres are the corners of a cube; which of them are inside is a code from
0 to 255. The surface that separates inside from outside cuts the cube's edges at their middles, as
in marching cubes (Lorensen and Cline, SIGGRAPH 1987), and its area weighs the element in the surface
Dice of Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy for
Radiotherapy", J Med Internet Res 23(7):e26151, 2021 ("Performance Metrics"). The areas are computed
here from two rules, which give those of that paper's program, surface-distance, for every code and
every spacing:

- Of inside and outside, the side with fewer corners is wrapped; corners of it that no cube edge
  joins are wrapped each on their own.
- A wrap's outline of five points is a plane trapezoid and a triangle; one of six is the triangle on
  every other point and three triangles around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Corner = tuple[int, ...]


def element_codes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Code of the neighbourhood around each point of the half-voxel grid.

    Parameters
    ----------
    mask : bool array of one to three axes, C order
        Outside the array counts as not the label.

    Returns
    -------
    codes : uint8 array, one longer than the mask along each axis
        Bit i is the i-th corner in the order of `itertools.product`, the last axis fastest. 0 and
        the highest code have no surface.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([n + 1 for n in mask.shape], dtype=np.uint8)
    for bit, corner in enumerate(product((0, 1), repeat=mask.ndim)):
        here = tuple(slice(c, c + n) for c, n in zip(corner, codes.shape, strict=True))
        codes |= padded[here] << np.uint8(bit)
    return codes


def element_areas(spacing_mm: Sequence[float]) -> FloatArray:
    """Surface of each code: area in mm2 in 3D, length in mm in 2D, a count in 1D.

    Parameters
    ----------
    spacing_mm : sequence of one to three floats
        Distance between voxels along each axis, in mm.

    Returns
    -------
    areas : (256,), (16,) or (4,) float64 array
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    codes, elements = _all_elements(spacing.size)
    areas = np.zeros(2 ** (2**spacing.size))
    np.add.at(areas, codes, _sizes(elements * spacing))
    return areas


@cache
def _all_elements(axes: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Triangles (lines in 2D, points in 1D) of every code's surface in the unit cube.

    Returns
    -------
    codes : (n,) int array
    elements : (n, axes, axes) float64 array
        Corners of the triangle, the line or the point.
    """
    corners = list(product((0, 1), repeat=axes))
    codes, elements = [], []
    for code in range(2 ** len(corners)):
        inside = {corner for bit, corner in enumerate(corners) if code >> bit & 1}
        if 2 * len(inside) > len(corners):
            inside = set(corners) - inside
        for part in _parts(inside):
            cut = _cut(_outline(part))
            codes += [code] * len(cut)
            elements += cut
    return np.array(codes), np.array(elements)


def _sizes(elements: FloatArray) -> FloatArray:
    sides = elements[:, 1:] - elements[:, :1]
    sizes = np.ones(len(elements))
    if elements.shape[1] == 3:
        sizes[:] = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    elif elements.shape[1] == 2:
        sizes[:] = np.linalg.norm(sides[:, 0], axis=1)
    return sizes


def _parts(corners: set[Corner]) -> list[set[Corner]]:
    """Group the corners that cube edges join."""
    left, parts = set(corners), []
    while left:
        part, fringe = set[Corner](), [left.pop()]
        while fringe:
            corner = fringe.pop()
            part.add(corner)
            joined = left.intersection(_neighbours(corner))
            left -= joined
            fringe.extend(joined)
        parts.append(part)
    return parts


def _neighbours(corner: Corner) -> list[Corner]:
    return [(*corner[:axis], 1 - corner[axis], *corner[axis + 1 :]) for axis in range(len(corner))]


def _outline(part: set[Corner]) -> FloatArray:
    """Middles of the edges that leave a group of corners, in order around it."""
    middles = [
        (np.array(corner) + other) / 2
        for corner in sorted(part)
        for other in _neighbours(corner)
        if other not in part
    ]
    outline = middles[:1]
    rest = middles[1:]
    while rest:  # the next point lies on a common face: there the same coordinate is 0 or 1
        on_face = [
            bool(((point == outline[-1]) & (point != 0.5)).any()) or point.size < 3
            for point in rest
        ]
        outline.append(rest.pop(on_face.index(True)))
    return np.array(outline)


def _cut(outline: FloatArray) -> list[FloatArray]:
    """Cut an outline into triangles; a line or a point stays whole."""
    if len(outline) <= 3:
        return [outline]
    if len(outline) == 6:
        ears = [outline[[i, (i + 1) % 6, (i + 2) % 6]] for i in (0, 2, 4)]
        return [outline[::2], *ears]
    if len(outline) == 5:
        for first in range(5):
            turned = np.roll(outline, -first, axis=0)
            if np.linalg.matrix_rank(turned[2:] - turned[1]) == 2:  # all but the first in a plane
                return [turned[[4, 0, 1]], turned[[1, 2, 3]], turned[[1, 3, 4]]]
    return [outline[[0, 1, 2]], outline[[0, 2, 3]]]
