"""Nearest points: the compiled search, scipy's, and all pairs are the same distances."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from napari_medunet.engine.evaluation.metrics.surface.nearest import Search, nearest


def all_pairs(search: Search) -> np.ndarray:
    apart = np.sqrt(((search.points[:, None] - search.others[None]) ** 2).sum(axis=2)).min(axis=1)
    return np.where(search.wanted, apart, 0.0)


def by_scipy(search: Search) -> np.ndarray:
    """The same distances from a k-d tree."""
    distances = np.zeros(len(search.points))
    if search.wanted.any():
        found, _ = cKDTree(search.others).query(search.points[search.wanted])
        distances[search.wanted] = found
    return distances


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    m=st.integers(1, 400),
    axes=st.integers(1, 3),
    grid=st.sampled_from([2, 5, 40]),
    far=st.sampled_from([0.0, 3.0, 1e4]),
)
def test_distances_are_those_of_all_pairs(seed, n, m, axes, grid, far):
    rng = np.random.default_rng(seed)
    spacing = rng.uniform(0.2, 5, axes)
    points = rng.integers(0, grid, (n, axes)) * spacing  # many ties, many doubles
    others = rng.integers(0, grid, (m, axes)) * spacing + far
    search = Search(points, others, rng.random(n) < 0.7)
    (found,) = nearest([search])
    assert found == pytest.approx(all_pairs(search), rel=1e-12, abs=1e-12)
    assert found == pytest.approx(by_scipy(search), rel=1e-12, abs=1e-12)


def test_many_searches_at_once_and_in_threads_are_each_their_own():
    rng = np.random.default_rng(4)
    sets = [rng.normal(size=(size, 3)) * 40 for size in (1, 47, 49, 5_000, 9_000)]
    searches = [Search(a, b, rng.random(len(a)) < 0.9) for a in sets for b in sets if a is not b]
    for search, found in zip(searches, nearest(searches), strict=True):
        assert found == pytest.approx(by_scipy(search), rel=1e-12)


def test_nothing_to_find_is_infinitely_far_and_nothing_to_look_up_is_nothing():
    none, some = np.zeros((0, 3)), np.zeros((3, 3))
    wanted = np.array([True, False, True])
    both = nearest([Search(some, none, wanted), Search(none, some, np.zeros(0, bool))])
    assert both[0].tolist() == [inf, 0, inf]
    assert both[1].tolist() == []
    assert nearest([]) == []
    assert nearest([Search(some, some + 1, np.zeros(3, bool))])[0].tolist() == [0, 0, 0]


def test_the_points_are_left_as_they_were():
    points = np.random.default_rng(0).normal(size=(300, 2))
    before = points.copy()
    nearest([Search(points, points[::-1].copy(), np.ones(300, bool))])
    assert (points == before).all()
