import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_medunet.engine.patches.augment.warp import ElasticField, Placing, spline_basis, warp

OUTSIDE = -1


def by_scipy(image, classes, placing, cut, cut_classes):
    """The same as `warp`, by scipy."""
    at = np.indices(cut_classes.shape).astype(float)
    if placing.bend is not None:
        at += np.einsum(
            "aijk,iz,jy,kx->azyx", placing.bend.moves, *placing.bend.bases, optimize=True
        )
    at = np.tensordot(placing.matrix, at, 1) + placing.offset[:, None, None, None]
    nearest = np.floor(at + 0.5).astype(int)
    inside = np.all((nearest >= 0) & (nearest < np.reshape(classes.shape, (3, 1, 1, 1))), axis=0)
    cut_classes[inside] = classes[tuple(nearest[:, inside])]
    for channel, values in enumerate(image):
        cut[inside, channel] = ndimage.map_coordinates(
            values, at[:, inside], order=1, mode="nearest"
        )


def fill(image, classes, placing, size, how=warp):
    cut = np.zeros((*size, len(image)), np.float32)
    cut_classes = np.full(size, OUTSIDE, np.int32)
    how(image, classes, placing, cut, cut_classes)
    return cut, cut_classes


def some_placing(rng, size):
    """An affine map and a bend of a block, as chance has them."""
    matrix = np.eye(3) + rng.normal(0, 0.2, (3, 3))
    bases = tuple(spline_basis(n, 4.0) for n in size)
    moves = rng.uniform(-1.5, 1.5, (3, *(len(basis) for basis in bases)))
    return Placing(matrix, rng.uniform(-3, 3, 3), ElasticField(moves, bases))


@given(
    seed=st.integers(0, 10_000),
    size=st.tuples(*[st.integers(1, 12)] * 3),
    extent=st.tuples(*[st.integers(1, 12)] * 3),
    channels=st.integers(1, 3),
)
def test_compiled_and_scipy_agree(seed, size, extent, channels):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(channels, *extent)).astype(np.float32)
    classes = rng.integers(0, 5, extent).astype(np.int16)
    placing = some_placing(rng, size)
    compiled = fill(image, classes, placing, size)
    plain = fill(image, classes, placing, size, by_scipy)
    np.testing.assert_allclose(compiled[0], plain[0], atol=1e-5)
    np.testing.assert_array_equal(compiled[1], plain[1])


@given(seed=st.integers(0, 10_000))
def test_a_linear_image_is_interpolated_exactly_and_tells_where_voxels_came_from(seed):
    """Each channel holds one coordinate: what arrives is the map itself."""
    rng = np.random.default_rng(seed)
    extent, size = (14, 15, 16), (5, 6, 7)
    image = np.indices(extent).astype(np.float32)
    classes = np.arange(np.prod(extent)).reshape(extent).astype(np.int16)
    placing = some_placing(rng, size)
    bend = np.einsum("aijk,iz,jy,kx->azyx", placing.bend.moves, *placing.bend.bases)
    came_from = np.einsum("ab,bzyx->azyx", placing.matrix, np.indices(size) + bend)
    came_from = np.moveaxis(came_from + placing.offset[:, None, None, None], 0, -1)
    cut, cut_classes = fill(image, classes, placing, size)
    inside = ((came_from >= 0) & (came_from <= np.array(extent) - 1)).all(axis=-1)
    np.testing.assert_allclose(cut[inside], came_from[inside], atol=1e-4)
    nearest = np.floor(came_from[inside] + 0.5).astype(int)
    np.testing.assert_array_equal(cut_classes[inside], classes[tuple(nearest.T)])
    outside = ((came_from < -0.5) | (came_from >= np.array(extent) - 0.5)).any(axis=-1)
    assert (cut_classes[outside] == OUTSIDE).all()
    assert not cut[outside].any()


def test_a_volume_ends_where_its_border_voxels_end():
    image = np.full((1, 1, 1, 4), 7, np.float32)
    classes = np.full((1, 1, 4), 3, np.int16)
    placing = Placing(np.eye(3), np.array([0.0, 0.0, -0.6]))
    cut, cut_classes = fill(image, classes, placing, (1, 1, 6))
    np.testing.assert_array_equal(cut_classes.ravel(), [-1, 3, 3, 3, 3, -1])
    np.testing.assert_array_equal(cut.ravel(), [0, 7, 7, 7, 7, 0])


def test_an_unmoved_patch_is_the_volume():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 6, 7, 8)).astype(np.float32)
    classes = rng.integers(0, 9, (6, 7, 8)).astype(np.int16)
    cut, cut_classes = fill(image, classes, Placing(np.eye(3), np.zeros(3)), (6, 7, 8))
    np.testing.assert_array_equal(np.moveaxis(cut, -1, 0), image)
    np.testing.assert_array_equal(cut_classes, classes)


@given(voxels=st.integers(1, 80), distance=st.floats(0.5, 40))
def test_control_points_of_one_height_lift_every_voxel_by_it(voxels, distance):
    basis = spline_basis(voxels, distance)
    assert basis.shape[1] == voxels
    assert (basis >= 0).all()
    np.testing.assert_allclose(basis.sum(axis=0), 1)
    # Control points on a line: so are the voxels.
    nodes = np.arange(-1, len(basis) - 1) * distance
    np.testing.assert_allclose(nodes @ basis, np.arange(voxels) + 0.5, atol=1e-6 * distance)
