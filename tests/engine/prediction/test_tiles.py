import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.prediction.tiles import tile_corners, tile_weight


@st.composite
def extent_and_tile(draw):
    tile = draw(st.lists(st.integers(1, 16), min_size=1, max_size=3))
    return tuple(size + draw(st.integers(0, 30)) for size in tile), tuple(tile)


@given(extent_and_tile())
def test_tiles_cover_every_voxel_and_stay_inside(case):
    extent, tile = case
    count = np.zeros(extent, int)
    for corner in tile_corners(extent, tile):
        assert all(
            0 <= start <= n - size for start, n, size in zip(corner, extent, tile, strict=True)
        )
        count[
            tuple(slice(start, start + size) for start, size in zip(corner, tile, strict=True))
        ] += 1
    assert count.min() >= 1


@given(extent_and_tile())
def test_a_blended_constant_is_that_constant(case):
    extent, tile = case
    weight = tile_weight(tile)
    assert weight.min() > 0
    total, weights = np.zeros(extent), np.zeros(extent)
    for corner in tile_corners(extent, tile):
        box = tuple(slice(start, start + size) for start, size in zip(corner, tile, strict=True))
        total[box] += 7 * weight
        weights[box] += weight
    np.testing.assert_allclose(total / weights, 7)


def test_one_tile_is_enough_where_it_fits():
    assert list(tile_corners((16, 16), (16, 16))) == [(0, 0)]
