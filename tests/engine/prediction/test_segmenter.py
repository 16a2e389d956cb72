"""`.medunet` files: what is written comes back, and damaged ones are refused."""

import hashlib
import json
import math
import zipfile

import numpy as np
import pytest

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import (
    Card,
    CrossValidationScores,
    FoldScores,
    LabelMeans,
    NetworkCard,
    SegmentClass,
)
from napari_medunet.engine.prediction.model_file import read_card, read_member, weights_names
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import EpochScores, Part, Scores
from napari_medunet.engine.settings import AnnotationSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

PLAN = Plan.of(dims="2d", spacing_mm=(1, 1, 1), patch=(8, 8), labels=(0, 7), depth=2, filters=4)
LOSS = Scores(0.25, 0.5, 0.4, 0.5, math.nan, 0.9)
EPOCH = EpochScores(1, 0.1, 1e-3, LOSS, label_dice={7: 0.5}, part=Part("fold", 1, 2))
IMAGES = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)


def means(dice, hd95=math.inf):
    rest = dict.fromkeys(("iou", "precision", "recall", "hd", "assd", "nsd"), math.nan)
    return LabelMeans(dice=dice, hd95=hd95, **rest)


@pytest.mark.parametrize("value", ["x", float("nan")])
def test_an_option_that_is_refused_is_one_line(value):
    image, _ = make_phantom(0, (4, 16, 16))
    with pytest.raises(MedunetError, match="tta is ") as refusal:
        segmenter(1).predict(image, tta=value)
    assert "\n" not in str(refusal.value)


def segmenter(count, scores=None):
    """An untrained segmenter of as many networks, each with weights of its own."""
    about = tuple(
        NetworkCard(
            training_cases=("a", "b"), validation_cases=("b",), validation_dice={"organ": 0.5},
            history=(EPOCH,), best_epoch=1, minutes=0.5,
        )
        for _ in range(count)
    )  # fmt: skip
    card = Card(
        plan=PLAN, classes=(SegmentClass(value=7, name="organ"),),
        networks=about, cross_validation=scores, created="today", trained_with={"device": "a CPU"},
    )  # fmt: skip
    networks = (build_unet(PLAN.changed(seed=number)) for number in range(count))
    return Segmenter(tuple(networks), card)


def cross_validated():
    folds = tuple(
        FoldScores(cases=(name,), scores={7: means(dice)})
        for name, dice in (("a", 0.5), ("b", 0.7))
    )
    return CrossValidationScores(folds=folds, mean={7: means(0.6)}, sd={7: means(0.1, math.nan)})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two networks in one file, and the segmenter that was saved."""
    original = segmenter(2, cross_validated())
    return original.save(tmp_path_factory.mktemp("saved") / "two"), original


def rewritten(path, target, renamed=(), **members):
    """The same zip with the content of some members replaced, by the start of their names."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = members.get(name.split(".")[0].replace("-", "_"), old.read(name))
            if content is not None:
                new.writestr(dict(renamed).get(name, name), content)
    return target


def member(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_several_networks_come_back_and_are_averaged(saved):
    path, original = saved
    assert path.name == "two.medunet"
    loaded = Segmenter.load(path)
    assert len(loaded.networks) == 2
    for one, other in zip(original.networks, loaded.networks, strict=True):
        for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(first, second)
    alone = [
        Segmenter((network,), original.card).probabilities(IMAGES) for network in original.networks
    ]
    assert np.abs(alone[0] - alone[1]).max() > 0.01, "the networks are one and the same"
    found = original.probabilities(IMAGES)
    np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


def test_the_card_comes_back_with_scores_that_json_has_no_number_for(saved):
    card = read_card(saved[0])
    assert all(len(network.weights_sha256) == 64 for network in card.networks)
    scores = card.cross_validation
    assert [fold.cases for fold in scores.folds] == [("a",), ("b",)]
    assert scores.folds[1].scores[7].dice == 0.7
    assert scores.mean[7].hd95 == math.inf
    assert math.isnan(scores.sd[7].hd95)
    assert card.validation_dice == {"organ": 0.6}
    text = card.describe()
    assert "2 networks" in text
    assert "organ: Dice 0.600 +- 0.100 (0.500, 0.700)" in text
    assert "trained on 2 cases in 1.0 min" in text


def test_weights_that_were_changed_are_refused(saved, tmp_path):
    path, _ = saved
    flipped = bytearray(member(path, "network-2.weights.h5"))
    flipped[len(flipped) // 2] ^= 1
    damaged = rewritten(path, tmp_path / "bits.medunet", network_2=bytes(flipped))
    assert read_card(damaged)
    with pytest.raises(ValueError, match="checksum"):
        Segmenter.load(damaged)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    one = segmenter(1)
    weights = one.networks[0].get_weights()
    weights[0][...] = np.nan
    one.networks[0].set_weights(weights)
    with pytest.raises(MedunetError, match="not a number"):
        one.probabilities(IMAGES)
    with pytest.raises(MedunetError, match="not finite numbers"):
        Segmenter.load(one.save(tmp_path / "broken"))


def test_what_is_odd_is_warned_of_in_python():
    flat = Volume(np.zeros((1, 8, 8), np.float32), affine_from_spacing((1, 1, 1)), "flat")
    with pytest.warns(UserWarning, match="nothing to see|Nothing was found") as told:
        segmenter(1).predict(flat)
    assert told[0].filename == __file__


def test_statistics_of_what_was_trained_on_come_back(tmp_path):
    image, labels = make_phantom(0, (4, 16, 16))
    data = measure_examples([make_example(image, labels, AnnotationSettings())])
    known = segmenter(1)
    card = known.card.model_copy(update={"data": data})
    path = Segmenter(known.networks, card).save(tmp_path / "known")
    assert read_card(path).data == data
    assert Segmenter.load(path).statistics == data


def test_networks_in_each_others_place_are_refused(saved, tmp_path):
    path, _ = saved
    first, second = (member(path, f"network-{number}.weights.h5") for number in (1, 2))
    swapped = rewritten(path, tmp_path / "s.medunet", network_1=second, network_2=first)
    with pytest.raises(ValueError, match="checksum"):
        Segmenter.load(swapped)


def test_a_missing_or_further_network_is_refused(saved, tmp_path):
    path, _ = saved
    fewer = rewritten(path, tmp_path / "fewer.medunet", network_2=None)
    with pytest.raises(ValueError, match=r"network-2\.weights\.h5, as its card says"):
        read_card(fewer)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "more.medunet", "w") as new:
        for name in archive.namelist():
            new.writestr(name, archive.read(name))
        new.writestr("network-3.weights.h5", b"weights")
    with pytest.raises(ValueError, match="Its parts are not"):
        read_card(tmp_path / "more.medunet")


def test_cards_that_say_what_cannot_be_are_refused(saved, tmp_path):
    path, _ = saved
    card = json.loads(member(path, "card.json"))

    def with_card(**changed):
        return rewritten(path, tmp_path / "c.medunet", card=json.dumps(card | changed))

    def with_filters(filters):
        return card["plan"] | {"network": card["plan"]["network"] | {"filters": filters}}

    with pytest.raises(ValueError, match=r"card is not valid \(plan.network.filters"):
        read_card(with_card(plan=with_filters(10**6)))
    with pytest.raises(ValueError, match="not as many folds as networks"):
        read_card(with_card(networks=card["networks"][:1]))
    with pytest.raises(ValueError, match="networks: Tuple should have at most 20 items"):
        read_card(with_card(networks=card["networks"] * 11))
    scores = card["cross_validation"]
    with pytest.raises(ValueError, match="labels that were cross-validated"):
        read_card(with_card(cross_validation=scores | {"mean": {"8": scores["mean"]["7"]}}))
    for other in (2, 4):
        with pytest.raises(MedunetError, match=rf"format {other}.*Update napari-medunet, or train"):
            read_card(with_card(format=other))
    with pytest.raises(ValueError, match="do not fit the network"):
        Segmenter.load(with_card(plan=with_filters(8)))


def test_what_is_no_segmenter_is_refused(tmp_path):
    (tmp_path / "text.medunet").write_text("not a zip")
    with pytest.raises(ValueError, match="no zip file"):
        Segmenter.load(tmp_path / "text.medunet")
    with zipfile.ZipFile(tmp_path / "zip.medunet", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="zip of something else"):
        Segmenter.load(tmp_path / "zip.medunet")
    with pytest.raises(OSError, match="Cannot read the segmenter"):
        Segmenter.load(tmp_path / "missing.medunet")


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_anywhere_is_told_in_one_line(saved, tmp_path, packing):
    path, _ = saved
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "packed", "w", packing) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    whole = (tmp_path / "packed").read_bytes()
    random = np.random.default_rng(0)
    damaged = tmp_path / "damaged.medunet"
    refused = 0
    for turn in range(200):
        content = bytearray(whole)
        start = 0 if turn % 2 else max(0, len(whole) - 400)  # headers, and the directory at the end
        for place in random.integers(start, min(start + 400, len(whole)), 3):
            content[place] = random.integers(256)
        damaged.write_bytes(content[: None if turn % 10 else random.integers(len(whole))])
        try:
            names = weights_names(len(read_card(damaged).networks))
            with zipfile.ZipFile(damaged) as archive:
                for name in names:
                    read_member(archive, name)
        except (MedunetError, OSError) as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_weights_of_another_shape_or_none_are_refused(saved, tmp_path):
    path, _ = saved
    card = json.loads(member(path, "card.json"))
    weights = member(path, "network-1.weights.h5")
    ragged = bytearray(weights)
    ragged[200:2200:50] = bytes(40)
    for content in (b"", b"no weights", weights[: len(weights) // 2], bytes(ragged)):
        card["networks"][0]["weights_sha256"] = hashlib.sha256(content).hexdigest()
        target = tmp_path / "other.medunet"
        rewritten(path, target, card=json.dumps(card).encode(), network_1=content)
        with pytest.raises(MedunetError, match="is damaged: its weights do not fit"):
            Segmenter.load(target)
