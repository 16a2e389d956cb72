"""What labels are called, taken from layers."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_medunet.plugin.opening.label_features import agreed_names


def named(names: dict[int, str]) -> Labels:
    features = {"index": [0, *names], "name": ["background", *names.values()]}
    return Labels(np.zeros((2, 2), int), features=features)


def test_names_are_those_on_which_the_layers_agree():
    assert agreed_names([]) == {}
    assert agreed_names([Labels(np.zeros((2, 2), int))]) == {}
    first, second = named({1: "organ", 2: "lesion"}), named({1: "organ", 2: "cyst", 5: "bone"})
    assert agreed_names([first, second]) == {1: "organ", 5: "bone"}


def test_a_name_is_of_one_label_and_not_too_long():
    assert agreed_names([named({1: "n/a", 2: "n/a", 3: "x" * 1000})]) == {3: "x" * 100}
