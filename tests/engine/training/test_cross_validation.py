"""Cross-validation on real, tiny trainings: what is left out, what is scored, and what is kept."""

import io
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from planned import cross_validate_by, train_by

from napari_medunet.cli.demo import annotate_slices
from napari_medunet.engine.evaluation.evaluation import evaluate_files
from napari_medunet.engine.evaluation.report.tables import fold_table
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import PHANTOM_LABELS, make_phantom
from napari_medunet.engine.files.nifti import write_labels
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Cancelled, Part, Progress, StopRequested
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import cross_validate, ensemble
from napari_medunet.engine.training.learning.loop import LossNotFinite
from napari_medunet.engine.training.one_network import train_one_network
from napari_medunet.engine.training.part_progress import PartAborted, PartReport, StopLatch
from napari_medunet.engine.training.run.run_folder import RunFolder

SMALL = TrainSettings.of(
    minutes=5, epochs=2, filters=4, depth=2, dims="2d", batch=4, annotated="slices", folds=2
)
SHAPES = ((8, 32, 32), (9, 28, 32), (8, 32, 30), (10, 32, 32))


def annotated(count=4):
    """Phantoms of different sizes with a few annotated slices each: (image, annotation) pairs."""
    pairs = [make_phantom(seed, shape) for seed, shape in enumerate(SHAPES[:count])]
    return [(image, annotate_slices(truth, 3)) for image, truth in pairs]


def examples(count=4, settings=SMALL):
    return [make_example(*pair, settings.annotation) for pair in annotated(count)]


@pytest.fixture(scope="module")
def found():
    reports = []
    return cross_validate_by(SMALL, examples(), reports.append, PHANTOM_LABELS), reports


@pytest.mark.slow
def test_every_case_is_left_out_once_by_a_network_that_never_saw_it(found):
    card = found[0].segmenter.card
    assert len(card.networks) == len(card.cross_validation.folds) == 2
    everything = {example.name for example in examples()}
    left_out = [name for fold in card.cross_validation.folds for name in fold.cases]
    assert sorted(left_out) == sorted(everything) == sorted(card.cases)
    for network, fold in zip(card.networks, card.cross_validation.folds, strict=True):
        seen = {*network.training_cases, *network.validation_cases}
        assert seen == everything - set(fold.cases)


@pytest.mark.slow
def test_predictions_lie_on_their_cases_own_grids(found):
    assert [labels.shape for labels in found[0].labels.values()] == list(SHAPES)
    assert set(found[0].labels) == {0, 1, 2, 3}


@pytest.mark.slow
def test_scores_are_those_of_evaluating_the_predictions_as_files(found, tmp_path):
    result = found[0]
    pairs = {}
    for index, (image, annotation) in enumerate(annotated()):
        truth, prediction = tmp_path / f"t{index}.nii.gz", tmp_path / f"p{index}.nii.gz"
        write_labels(truth, annotation.voxels, image)
        write_labels(prediction, result.labels[index], image)
        pairs[image.name] = truth, prediction
    evaluated = evaluate_files(pairs, result.evaluation.settings)
    assert evaluated.settings.annotated == "slices"
    assert not evaluated.failures
    assert list(evaluated.cases) == list(result.evaluation.cases)
    for name, case in evaluated.cases.items():
        for label, scores in case.labels.items():
            ours = result.evaluation.cases[name].labels[label].as_dict()
            np.testing.assert_equal(ours, scores.as_dict())


@pytest.mark.slow
def test_the_card_has_the_means_of_each_fold_and_their_spread(found):
    result = found[0]
    scores = result.segmenter.card.cross_validation
    for label in PHANTOM_LABELS:
        means = []
        for fold in scores.folds:
            dice = [result.evaluation.cases[name].labels[label].dice for name in fold.cases]
            means.append(np.nanmean(dice))
            assert fold.scores[label].dice == pytest.approx(means[-1])
        assert scores.mean[label].dice == pytest.approx(np.mean(means))
        assert scores.sd[label].dice == pytest.approx(np.std(means, ddof=1))
    assert result.segmenter.card.validation_dice["organ"] == scores.mean[1].dice


@pytest.mark.slow
def test_the_networks_are_one_segmenter_and_differ(found, tmp_path):
    segmenter = found[0].segmenter
    first, second = (network.get_weights() for network in segmenter.networks)
    assert any((one != other).any() for one, other in zip(first, second, strict=True))
    path = segmenter.save(tmp_path / "both")
    with zipfile.ZipFile(path) as archive:
        weights = h5py.File(io.BytesIO(archive.read("network-2.weights.h5")))
    assert set(weights) == {"layers", "vars"}, "more than weights: the optimizer's state, say"
    loaded = Segmenter.load(path)
    image = make_phantom(9, SHAPES[0])[0]
    np.testing.assert_array_equal(predict(loaded, image), predict(segmenter, image))
    assert loaded.card.describe() == segmenter.card.describe()
    assert "2 networks" in loaded.card.describe()


@pytest.mark.slow
def test_progress_goes_through_the_folds(found):
    reports = found[1]
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    epochs = [(r.scores.part, r.scores.epoch) for r in reports if r.scores]
    folds = [Part("fold", number, 2) for number in (1, 2)]
    assert epochs == [(fold, epoch) for fold in folds for epoch in (1, 2)]
    assert reports[-1].message.startswith("Fold 2 of 2: Segmenting")


@pytest.mark.slow
def test_the_table_has_a_row_for_each_fold(found):
    first = [row[0] for row in fold_table(found[0].segmenter.card).rows]
    rows = [" fold 1 (2)", " fold 2 (2)", " mean", " sd"]
    assert first == ["organ", *rows, "lesion", *rows]


def test_folds_share_the_minutes_and_begin_differently():
    plan = make_plan(examples(), SMALL).changed(minutes=10.0, folds=5, seed=2**32 - 1)
    first, last = (plan.of_part(number).budget for number in (0, 4))
    assert first.minutes == last.minutes == 2.0
    assert first.seed == plan.budget.seed
    assert 0 <= last.seed < 2**32
    assert first.epochs == plan.budget.epochs
    neighbours = [plan.changed(seed=seed) for seed in range(3)]
    seeds = {one.of_part(number).budget.seed for one in neighbours for number in range(5)}
    assert len(seeds) == 15  # no network is trained twice where trainings are compared


@pytest.mark.slow
def test_a_later_fold_whose_loss_is_lost_is_left_out_and_named(monkeypatch, tmp_path):
    def lost_in_the_second(split, plan, *others):
        if plan.budget.seed != SMALL.budget.seed:
            raise LossNotFinite
        return train_one_network(split, plan, *others)

    monkeypatch.setattr(ensemble, "train_one_network", lost_in_the_second)
    heard, run = [], RunFolder.new(tmp_path / "run")
    result = cross_validate_by(SMALL.changed(epochs=1), examples(2), heard.append, run=run)
    assert len(result.segmenter.networks) == len(result.labels) == 1
    said = "Fold 2 is left out: its loss was no longer a number."
    assert said in {report.warning for report in heard}
    assert said in (run.path / "log.txt").read_text()


@pytest.mark.slow
def test_a_stop_keeps_the_finished_folds_and_drops_the_unfinished():
    def stop_in_the_second(report):
        if report.message.startswith("Fold 2 of 2: Epoch 1, step 1"):
            raise StopRequested

    settings = SMALL.changed(epochs=1)
    result = cross_validate_by(settings, examples(2), stop_in_the_second)
    card = result.segmenter.card
    assert len(card.networks) == len(card.cross_validation.folds) == 1
    assert len(result.labels) == len(result.evaluation.cases) == 1
    assert set(result.evaluation.cases) == set(card.cross_validation.folds[0].cases)


@pytest.mark.slow
def test_folds_go_on_where_they_were_ended(tmp_path):
    folder, network = tmp_path / "run", tmp_path / "run" / "fold-1" / "checkpoint.medunet"

    def cancel(report):
        if report.message.startswith("Fold 2 of 2: Epoch 2, step 1"):
            raise Cancelled

    with pytest.raises(Cancelled):
        cross_validate_by(SMALL, examples(2), cancel, run=RunFolder.new(folder))
    (first,) = Segmenter.load(network).networks
    with pytest.raises(OSError, match="--resume"):
        RunFolder.new(folder)

    run, reports = RunFolder.open(folder), []
    resumed = cross_validate(examples(2), run.begun_plan, reports.append, run=run)
    epochs = [(r.scores.part, r.scores.epoch) for r in reports if r.scores]
    assert epochs == [(Part("fold", 2, 2), 2)]
    card = resumed.segmenter.card
    assert [len(one.history) for one in card.networks] == [2, 2]
    assert len(resumed.labels) == len(card.cross_validation.folds) == 2
    for old, new in zip(
        first.get_weights(), resumed.segmenter.networks[0].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)
    run.finish()
    assert not list(folder.rglob("checkpoint*"))
    assert (folder / "fold-2" / "history.csv").exists()
    with pytest.raises(ValueError, match="its training is done"):
        RunFolder.open(folder)

    run = RunFolder.new(folder)
    run.begin(examples(2), resumed.segmenter.plan)
    with pytest.raises(ValueError, match="'phantom_01' is missing"):
        cross_validate_by(SMALL, examples(3)[::2], run=run)


def asking(progress):
    raise StopRequested


def test_a_wish_to_stop_ends_the_first_training_and_drops_a_later_one():
    for number, wanted in ((1, StopRequested), (2, PartAborted)):
        part = Part("fold", number, 2)
        with pytest.raises(wanted):
            PartReport(StopLatch(asking), part).to_training(Progress(0.5, "training"))


def test_a_wish_to_stop_is_remembered_while_a_fold_is_measured():
    wish = StopLatch(asking)
    PartReport(wish, Part("fold", 1, 2)).to_predictions(Progress(0.5, "segmenting"))
    assert wish.stop


def test_a_cancel_travels_through_both():
    def cancel(progress):
        raise Cancelled

    listen = PartReport(StopLatch(cancel), Part("fold", 2, 2))
    for tell in (listen.to_training, listen.to_predictions):
        with pytest.raises(Cancelled):
            tell(Progress(0.5, "working"))


def test_what_cannot_be_cross_validated_is_refused_before_the_work():
    cases = examples(3)
    with pytest.raises(ValueError, match="3 cases cannot be divided into 5 folds"):
        cross_validate_by(SMALL.changed(folds=5), cases)
    with pytest.raises(ValueError, match="leaves out whole cases"):
        cross_validate_by(SMALL, cases[:1])
    with pytest.raises(ValueError, match="Two cases are called 'phantom_00'"):
        cross_validate_by(SMALL, [cases[0], cases[1], cases[0]])
    empty = replace(cases[1], labels=cases[1].labels * 0)
    with pytest.raises(ValueError, match=r"Fold . leaves out phantom_00, and the other cases hold"):
        cross_validate_by(SMALL, [cases[0], empty])
    with pytest.raises(ValueError, match="has no folds"):
        cross_validate_by(SMALL.changed(folds=None), cases)
    with pytest.raises(ValueError, match="The plan has folds"):
        train_by(SMALL, cases)
