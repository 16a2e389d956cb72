import numpy as np

from napari_medunet.engine.examples.phantoms import PHANTOM_LABELS, make_phantom
from napari_medunet.engine.volume import same_grid


def test_same_seed_same_voxels_and_other_seed_other_voxels():
    first, again, other = (make_phantom(seed)[0].voxels for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_truth_is_on_the_images_grid_and_holds_the_named_labels():
    for seed in range(8):
        image, truth = make_phantom(seed)
        assert same_grid(image, truth)
        assert set(np.unique(truth.voxels)) == {0, *PHANTOM_LABELS}
        assert min(np.bincount(truth.voxels.ravel())[1:]) > 100


def test_intensity_alone_does_not_tell_the_organ():
    """The vessel is as bright as the organ: a threshold finds both."""
    image, truth = make_phantom(0)
    organ = image.voxels[truth.voxels == 1]
    as_bright = (image.voxels > np.percentile(organ, 10)) & (truth.voxels == 0)
    assert as_bright.sum() > 0.05 * organ.size
