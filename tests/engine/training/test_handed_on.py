"""A plan is decided once and handed on: what was decided is what is trained, to the letter.

The memory that is free changes between the decision and the training, by which a plan made anew would be
another one, or none.
"""

import pytest

from napari_medunet.engine import memory
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import Predecessor, cross_validate, fine_tune, train
from napari_medunet.engine.training.run.run_folder import RunFolder

pytestmark = pytest.mark.slow

CHOSEN = TrainSettings.of(
    minutes=5, epochs=1, dims="2d", filters=6, depth=2, batch=3, learning_rate=0.002
)
NO_MEMORY_MIB = 1.0


@pytest.fixture(scope="module")
def examples():
    pairs = [make_phantom(seed, (6, 16, 16)) for seed in range(2)]
    return [make_example(*pair, CHOSEN.annotation) for pair in pairs]


@pytest.fixture(scope="module")
def trained(examples, tmp_path_factory):
    """A plan, the segmenter that was trained by it, and its run folder."""
    plan = make_plan(examples, CHOSEN)
    run = RunFolder.new(tmp_path_factory.mktemp("handed on") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "free_memory_mib", lambda: NO_MEMORY_MIB)
        return plan, train(examples, plan, run=run), run.path


@pytest.fixture
def memory_goes(monkeypatch):
    """Let there be hardly any memory left, once it is called."""
    return lambda: monkeypatch.setattr(memory, "free_memory_mib", lambda: NO_MEMORY_MIB)


def plan_in(folder):
    return Plan.model_validate_json((folder / "plan.json").read_bytes())


def check_handed_on(plan, segmenter, run_folder, tmp_path):
    """See that a plan is in the run folder, on the card in the file, and in every network."""
    card = read_card(segmenter.save(tmp_path / "one.medunet"))
    for found in (plan_in(run_folder), segmenter.plan, card.plan):
        assert found.model_dump_json() == plan.model_dump_json()
    wanted = [weight.shape for weight in build_unet(plan).weights]
    assert wanted[0][-1] == plan.network.filters == 6
    for network in segmenter.networks:
        assert [weight.shape for weight in network.weights] == wanted


def test_of_a_new_training(trained, tmp_path):
    plan, segmenter, run_folder = trained
    assert (plan.schedule.batch, plan.schedule.learning_rate) == (3, 0.002)
    check_handed_on(plan, segmenter, run_folder, tmp_path)


def test_of_an_edited_plan(examples, memory_goes, tmp_path):
    made = make_plan(examples, CHOSEN.changed(filters=8, batch=None))
    edited = made.changed(filters=6, batch=5)
    memory_goes()
    run = RunFolder.new(tmp_path / "run")
    check_handed_on(edited, train(examples, edited, run=run), run.path, tmp_path)


def test_of_folds(examples, memory_goes, tmp_path):
    plan = make_plan(examples, CHOSEN.changed(folds=2))
    memory_goes()
    run = RunFolder.new(tmp_path / "run")
    found = cross_validate(examples, plan, run=run)
    check_handed_on(plan, found.segmenter, run.path, tmp_path)
    for number in range(2):
        own = plan_in(run.path / f"fold-{number + 1}")
        assert own.model_dump_json() == plan.of_part(number).model_dump_json()


def test_of_fine_tuning(trained, examples, memory_goes, tmp_path):
    known = trained[1]
    plan = extend_plan(known.plan, examples, TrainSettings.of(epochs=1, learning_rate=0.004))
    assert plan.schedule.learning_rate == 0.004
    memory_goes()
    run = RunFolder.new(tmp_path / "run")
    check_handed_on(
        plan, fine_tune(Predecessor(known), examples, plan, run=run), run.path, tmp_path
    )
