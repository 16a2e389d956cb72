"""Between which values an image is shown."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medunet.plugin.opening.contrast import contrast_limits


def test_contrast_limits_are_robust_and_always_a_range():
    voxels = np.linspace(0, 100, 20 * 20 * 20).reshape(20, 20, 20)
    voxels[0, 0, :3] = np.nan, np.inf, 1e30
    low, high = contrast_limits(voxels)
    assert 0 <= low < 2
    assert 98 < high <= 100
    assert contrast_limits(np.full((3, 3, 3), np.nan)) == (0, 1)
    assert contrast_limits(np.full((3, 3, 3), 7)) == (7, 8)
    rare = np.zeros((20, 20, 20))
    rare[0, 0, 0] = 5
    assert contrast_limits(rare) == (0, 5)
    assert contrast_limits(np.zeros((300, 300, 30), np.int16)) == (0, 1)


def test_what_the_file_states_counts_unless_nothing_lies_there():
    voxels = np.arange(1000.0).reshape(10, 10, 10)
    assert contrast_limits(voxels, (100, 200)) == (100, 200)
    low, high = contrast_limits(voxels, (5000, 6000))
    assert (0 <= low < 10, 990 < high < 1000) == (True, True)


def test_a_large_number_of_one_value_still_has_a_range():
    low, high = contrast_limits(np.full((3, 3, 3), 1e20))
    assert low < high


class OnlyPlanes:
    """An array-like that remembers which part of it was looked at."""

    def __init__(self, voxels):
        self.voxels, self.shape, self.size = voxels, voxels.shape, voxels.size
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return self.voxels[index]


@pytest.mark.parametrize("glance", [True, False])
def test_a_big_series_is_not_read_to_choose_them(glance):
    voxels = np.broadcast_to(np.linspace(0, 100, 64), (50, 64, 64, 64))
    looked = OnlyPlanes(voxels)
    low, high = contrast_limits(looked, glance=glance)
    assert 0 <= low < 2
    assert 98 < high <= 100
    assert looked.asked[0] == ((0, 32) if glance else (0, 0))
    assert len(looked.asked) <= (1 if glance else 24)
