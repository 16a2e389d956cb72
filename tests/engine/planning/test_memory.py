import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.memory import fitting_plan, training_memory
from napari_medunet.engine.planning.network_size import weight_count
from napari_medunet.engine.settings import TrainSettings

VOXELS = 10 * 128**3


def plan(dims="2d", **fields):
    given = {"spacing_mm": (1.0, 1.0, 1.0), "patch": (64,) * 3 if dims == "3d" else (256,) * 2}
    return Plan.of(dims=dims, **(given | {"labels": (0, 1, 2), "depth": 4} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"dims": "2.5d", "context": 1, "depth": 3, "filters": 8},
        {"dims": "3d", "filters": 4, "pools": ((1, 2, 2), (2, 2, 2), (2, 2, 2))},
    ],
)
def test_weights_are_counted_as_the_network_has_them(fields):
    a_plan = plan(**fields)
    counted = build_unet(a_plan).count_params()
    assert 0.95 * counted < weight_count(a_plan) <= counted


def test_twice_the_batch_is_twice_the_step_and_sixteen_bits_are_nearly_half():
    one, two = (training_memory(plan(batch=batch), VOXELS, 4) for batch in (4, 8))
    assert two.step == pytest.approx(2 * one.step)
    assert (two.examples, two.network) == (one.examples, one.network)
    assert one.step / 2 < training_memory(plan(batch=4), VOXELS, 2).step < one.step
    assert one.total > one.examples + one.network + one.step


@given(
    free=st.floats(100, 50_000), dims=st.sampled_from(["2d", "3d"]), batch=st.none() | st.just(16)
)
def test_a_plan_fits_into_what_is_free_or_is_refused(free, dims, batch):
    large = plan(dims, filters=32, batch=16)
    try:
        fitted, why = fitting_plan(large, VOXELS, free, TrainSettings.of(batch=batch))
    except ValueError as error:
        assert "are free" in str(error)
        assert free < 8_000
        return
    assert fitting_plan(fitted, VOXELS, free, None)[0] == fitted
    assert training_memory(fitted, VOXELS, 2).total <= free
    assert (fitted != large) == ("too much" in why)
    if batch:
        assert fitted.schedule.batch == batch


def test_batches_shrink_first_then_patches_then_filters():
    large, settings = plan(filters=32, batch=16), TrainSettings()
    seen = []
    for free in range(6_000, 500, -20):
        try:
            fitted = fitting_plan(large, 1000, float(free), settings)[0]
        except ValueError:
            break
        seen.append((fitted.schedule.batch, *fitted.grid.patch, fitted.network.filters))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1][0] == 2
