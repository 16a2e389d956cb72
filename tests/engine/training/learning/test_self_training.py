import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medunet.engine.patches.cutting import IGNORED
from napari_medunet.engine.training.learning.self_training import sure_classes


def test_labels_are_learned_from_where_they_are_sure_and_background_everywhere():
    in_words = {
        "sure of label 2": (0.05, 0.1, 0.85),
        "label 1, but not sure": (0.35, 0.6, 0.05),
        "one label or the other": (0.0, 0.5, 0.5),
        "sure of background": (0.9, 0.05, 0.05),
        "more likely background than any label": (0.4, 0.3, 0.3),
    }
    probabilities = np.array(list(in_words.values()), np.float32).T.reshape(3, 1, 1, -1)
    found = dict(zip(in_words, sure_classes(probabilities)[0, 0].tolist(), strict=True))
    assert found == {
        "sure of label 2": 2,
        "label 1, but not sure": IGNORED,
        "one label or the other": IGNORED,
        "sure of background": 0,
        "more likely background than any label": 0,
    }


@given(arrays(np.float32, (3, 2, 3, 4), elements=st.floats(-8, 8, width=32)))
def test_nothing_is_learned_from_but_the_most_likely_class(logits):
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=0)
    classes = sure_classes(probabilities)
    kept = classes != IGNORED
    np.testing.assert_array_equal(classes[kept], probabilities.argmax(axis=0)[kept])
    assert (probabilities.max(axis=0)[~kept] < 0.8).all()
