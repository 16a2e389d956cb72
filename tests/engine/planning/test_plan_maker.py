import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_medunet.engine import memory
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.hardware import devices, machine
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.given_plan import beside_plan, check_given_plan, check_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing


@pytest.fixture(autouse=True, scope="module")
def fast_machine():
    """Two cores with bfloat16, whatever the tests run on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "gflops", lambda threads=None: 500.0)
        patch.setattr(machine, "cpu_has_bfloat16", lambda: True)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


def example(shape, spacing_mm=(1.0, 1.0, 1.0), channels=None, offset=0.0):
    rng = np.random.default_rng(0)
    size = shape if channels is None else (channels, *shape)
    leading = () if channels is None else ("c",)
    voxels = rng.normal(offset, 1.0, size).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(n // 3, n // 3 + max(1, n // 3)) for n in shape)] = 1
    scale = (1.0,) * len(leading)
    image = Volume(voxels, affine_from_spacing(spacing_mm), "case", leading, scale)
    return Example(image, labels, np.ones(shape, bool))


def painted(case, across=0):
    """The same example with every other slice annotated."""
    annotated = np.zeros(case.annotated.shape, bool)
    np.moveaxis(annotated, across, 0)[::2] = True
    return replace(case, annotated=annotated)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(4, 300), st.integers(4, 300)),
    dims=st.sampled_from(["auto", "2d", "2.5d", "3d"]),
    depth=st.none() | st.integers(2, 5),
)
def test_every_shape_gets_a_plan_whose_patch_the_network_divides(shape, dims, depth):
    settings = TrainSettings.of(dims=dims, depth=depth)
    if dims == "3d" and min(shape) < 4:
        with pytest.raises(ValueError, match="fewer than 4 voxels"):
            make_plan([example(shape)], settings)
        return
    plan = make_plan([example(shape)], settings)
    assert all(size % step == 0 for size, step in zip(plan.grid.patch, plan.multiples, strict=True))
    assert plan.network.depth == (depth or plan.network.depth)
    assert len(plan.grid.patch) == plan.spatial_dims
    if dims != "auto":
        assert (plan.grid.dims, plan.grid.context) == (dims, int(dims == "2.5d"))


def test_slices_lie_across_the_coarsest_axis():
    assert make_plan([example((40, 40, 9), (1, 1, 5))], TrainSettings()).axis == 2
    assert make_plan([example((40, 40, 40))], TrainSettings.of(dims="2d")).axis == 0
    chosen = TrainSettings.of(dims="2d", looked_across="y")
    assert make_plan([example((40, 40, 9), (1, 1, 5))], chosen).axis == 1


def test_a_flat_image_is_seen_in_its_plane_whatever_its_axis():
    assert make_plan([example((1, 64, 64), channels=3)], TrainSettings()).axis == 0
    assert make_plan([example((64, 64, 1))], TrainSettings()).axis == 2
    assert make_plan([example((64, 64, 40)), example((1, 64, 64))], TrainSettings()).axis == 0


def test_many_slices_in_a_row_do_not_look_painted_across_another_axis():
    painted = example((40, 30, 20))
    painted.annotated[...] = False
    painted.annotated[14:16] = True
    settings = TrainSettings.of(annotated="slices", dims="2d")
    assert make_plan([painted], settings).axis == 0
    painted.annotated[1:39] = True  # more of them than the volume is wide
    assert make_plan([painted], settings).axis == 0
    painted.annotated[...] = True
    assert make_plan([painted], settings).axis == 0
    across_y = example((40, 30, 20))
    across_y.annotated[...] = False
    across_y.annotated[:, 10:13] = True
    assert make_plan([painted, across_y], settings).axis == 1


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "settings", "dims"),
    [
        ((40, 50, 40), (1, 1, 1), {}, "3d"),
        ((40, 50, 40), (1, 1, 1), {"minutes": 0.1}, "2d"),
        ((40, 50, 40), (1, 1, 1), {"annotated": "slices"}, "3d"),
        ((70, 70, 70), (1, 1, 1), {"annotated": "slices", "minutes": 30}, "2.5d"),
        ((70, 70, 70), (1, 1, 1), {"minutes": 30}, "3d"),
        ((70, 70, 70), (1, 1, 1), {"minutes": 10}, "2.5d"),
        ((40, 50, 40), (1, 1, 1), {"annotated": "voxels"}, "3d"),
        ((40, 50, 40), (1, 1, 1), {"annotated": "voxels", "minutes": 0.1}, "2.5d"),
        ((70, 70, 70), (1, 1, 1), {"annotated": "voxels", "minutes": 30}, "2.5d"),
        ((40, 50, 40), (1, 1, 1), {"patch": "16x16"}, "2d"),
        ((40, 50, 40), (1, 1, 1), {"looked_across": "x"}, "2d"),
        ((200, 200, 200), (1, 1, 1), {}, "2.5d"),
        ((200, 200, 200), (1, 1, 1), {"patch": "16x16x16"}, "3d"),
        ((30, 200, 200), (5, 0.7, 0.7), {}, "2.5d"),
        ((30, 200, 200), (5, 0.7, 0.7), {"annotated": "slices"}, "2.5d"),
        ((4, 60, 60), (1, 1, 1), {}, "2.5d"),
        ((1, 60, 60), (1, 1, 1), {}, "2d"),
        ((60, 60, 1), (1, 1, 1), {}, "2d"),
    ],
)
def test_dimensions_follow_the_data(shape, spacing_mm, settings, dims):
    case = example(shape, spacing_mm)
    case = painted(case) if "annotated" in settings else case
    plan = make_plan([case], TrainSettings.of(**settings))
    assert plan.grid.dims == dims
    assert all(reason.choice and reason.why for reason in plan.reasons.values())


def test_what_was_painted_across_says_nothing_of_what_is_looked_at():
    case = [painted(example((40, 50, 40)))]
    slices = {"annotated": "slices"}
    axial = make_plan(case, TrainSettings.of(painted_across="z", **slices))
    assert axial.grid.dims == "3d"
    assert axial.annotation.painted_across == "z"
    looked = make_plan(case, TrainSettings.of(looked_across="z", **slices))
    assert (looked.grid.dims, looked.grid.looked_across) == ("2d", "z")
    coronal = [painted(example((40, 50, 40)), across=1)]
    found = make_plan(coronal, TrainSettings.of(painted_across="y", dims="2d", **slices))
    assert found.grid.looked_across == "y"


def test_a_slow_machine_has_a_smaller_network_and_more_steps(monkeypatch):
    case = [example((40, 50, 40))]
    fast = make_plan(case, TrainSettings.of(minutes=2))
    assert (fast.grid.dims, fast.network.filters, fast.schedule.batch) == ("3d", 16, 2)
    assert fast.reasons["steps"].choice == "about 2300"
    monkeypatch.setattr(machine, "gflops", lambda threads=None: 80.0)
    monkeypatch.setattr(machine, "cpu_has_bfloat16", lambda: False)
    slow = make_plan(case, TrainSettings.of(minutes=2))
    assert (slow.grid.dims, slow.network.filters) == ("3d", 8)
    for branch in ("grid", "schedule", "budget"):
        assert getattr(slow, branch) == getattr(fast, branch)
    assert slow.network == fast.network.changed(filters=8)
    assert slow.reasons["steps"].choice == "about 1400"
    assert make_plan(case, TrainSettings.of(minutes=2, filters=24)).network.filters == 24
    assert make_plan(case, TrainSettings.of(minutes=12)).network.filters == 16
    assert make_plan(case, TrainSettings.of(minutes=0.5)).grid.dims == "2d"
    in_part = make_plan([painted(case[0])], TrainSettings.of(annotated="slices", minutes=0.5))
    assert in_part.grid.dims == "2.5d"


def test_a_network_in_half_precision_is_no_narrower_than_its_kernels(monkeypatch):
    monkeypatch.setattr(machine, "gflops", lambda threads=None: 80.0)
    monkeypatch.delitem(sys.modules, "keras", raising=False)  # which has chosen its backend
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    plan = make_plan([example((40, 50, 40))], TrainSettings.of(minutes=2))
    assert (plan.grid.dims, plan.network.filters) == ("3d", 16)
    assert "half precision" in plan.reasons["network.filters"].why
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(devices, "find_spec", lambda name: object())  # as if it were installed
    assert make_plan([example((40, 50, 40))], TrainSettings.of(minutes=2)).network.filters == 8


@pytest.mark.parametrize(("minutes", "networks"), [(2, 1), (3, 2), (4, 3)])
def test_networks_share_the_minutes_where_each_has_fifteen_hundred_steps(minutes, networks):
    settings = TrainSettings.of(minutes=minutes, annotated="slices")
    plan = make_plan([painted(example((40, 50, 40)))], settings)
    steps = plan.reasons["steps"].choice
    assert plan.network.networks == networks
    assert int(steps.removeprefix("about ")) >= 1500


def test_what_was_painted_is_learned_slowly_in_slices():
    def rate(case, **settings):
        return make_plan([case], TrainSettings.of(**settings)).schedule.learning_rate

    whole = example((40, 50, 40))
    part = painted(whole)
    assert rate(whole, dims="2d") == rate(whole, dims="2d", annotated="slices") == 0.006
    assert rate(part, dims="2d", annotated="slices") == 0.002
    assert rate(whole, dims="3d") == rate(part, dims="3d", annotated="slices") == 0.003
    assert rate(part, dims="2d", annotated="slices", learning_rate=0.01) == 0.01


def test_large_slices_on_a_slow_machine_come_in_smaller_batches_then_with_fewer_filters(
    monkeypatch,
):
    case = [example((1, 256, 256))]

    def chosen(gflops, **settings):
        monkeypatch.setattr(machine, "gflops", lambda threads=None: gflops)
        plan = make_plan(case, TrainSettings.of(minutes=2, **settings))
        return plan.schedule.batch, plan.network.filters

    assert chosen(2000.0) == (4, 32)
    assert chosen(80.0) == (4, 16)
    assert chosen(80.0, filters=32, batch=16) == (16, 32)
    case = [example((1, 128, 128))]
    assert chosen(2000.0) == (16, 32)
    assert chosen(300.0) == (8, 32)
    assert chosen(80.0) == (4, 16)


def test_little_annotation_is_varied_much():
    few, many = [example((16, 40, 40))], [example((16, 40, 40))] * 20
    assert make_plan(few, TrainSettings()).schedule.augmentation == "strong"
    assert make_plan(few, TrainSettings.of(augmentation="light")).schedule.augmentation == "light"
    assert make_plan(few, TrainSettings.of(dims="2d")).schedule.augmentation == "standard"
    assert make_plan(many, TrainSettings()).schedule.augmentation == "standard"


def test_images_are_not_varied_at_the_end_where_all_is_annotated():
    whole, part = example((40, 50, 40)), painted(example((40, 50, 40)))

    def decided(case, **settings):
        plan = make_plan([case], TrainSettings.of(**settings))
        return plan.schedule.unaugmented_tail, plan.reasons["schedule.unaugmented_tail"]

    assert 0 < decided(whole)[0] < 0.5
    assert decided(part, annotated="slices")[0] == 0
    assert decided(whole, augmentation="none")[0] == 0
    tail, reason = decided(part, annotated="slices", unaugmented_tail=0.2)
    assert (tail, reason.choice, reason.why) == (0.2, "20%", "as set")


def test_what_is_not_annotated_teaches_too_but_for_beside_scribbles():
    whole, part = example((40, 50, 40)), painted(example((40, 50, 40)))

    def decided(case, **settings):
        return make_plan([case], TrainSettings.of(**settings)).schedule.self_training

    assert not decided(whole)
    assert decided(part, annotated="slices")
    assert not decided(part, annotated="slices", self_training=False)
    assert not decided(part, annotated="voxels")


def test_what_is_set_goes_before_the_rules():
    chosen = TrainSettings.of(
        dims="2.5d", looked_across="x", spacing_mm="2x1x1", patch="20, 30", depth=3, filters=8, batch=3,
        learning_rate=0.01, intensity="ct",
    )  # fmt: skip
    plan = make_plan([example((20, 40, 40))], chosen)
    assert (plan.grid.context, plan.axis, plan.grid.spacing_mm) == (1, 2, (2.0, 1.0, 1.0))
    assert plan.grid.patch == (20, 32)  # rounded up to what three levels divide
    assert (plan.network.depth, plan.network.filters, plan.schedule.batch) == (3, 8, 3)
    assert (plan.schedule.learning_rate, plan.grid.intensity) == (0.01, "ct")
    assert [reason.why for reason in plan.reasons.values()].count("as set") == 8


def test_a_patch_of_other_dimensions_is_refused():
    with pytest.raises(ValueError, match="20 x 30 has 2 sizes; wanted 3"):
        make_plan([example((20, 40, 40))], TrainSettings.of(dims="3d", patch=(20, 30)))


def test_thick_slices_are_not_halved_before_the_rest_is_as_coarse():
    plan = make_plan([example((16, 100, 100), (4, 1, 1))], TrainSettings.of(dims="3d"))
    assert plan.network.pools == ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    assert [plan.kernel(level) for level in range(4)] == [
        (1, 3, 3),
        (1, 3, 3),
        (3, 3, 3),
        (3, 3, 3),
    ]
    assert plan.multiples == (2, 8, 8)
    assert plan.grid.patch == (14, 80, 80)
    even = make_plan([example((40, 50, 40))], TrainSettings.of(dims="3d"))
    assert even.network.pools == ((2, 2, 2),) * 3
    assert {even.kernel(level) for level in range(4)} == {(3, 3, 3)}


@given(
    shape=st.tuples(*[st.integers(4, 90)] * 3),
    spacing_mm=st.tuples(*[st.sampled_from([0.5, 1.0, 2.5, 6.0])] * 3),
    depth=st.none() | st.integers(2, 5),
)
def test_no_level_of_blocks_is_two_voxels_thick(shape, spacing_mm, depth):
    """TensorFlow's gradient there is wrong in bfloat16: `check_plan` refuses such a plan."""
    case = example(shape, spacing_mm)
    check_plan(make_plan([case], TrainSettings.of(dims="3d", depth=depth)), [case])


def test_an_edited_plan_that_is_two_voxels_thick_somewhere_is_refused():
    case = example((16, 32, 32))
    plan = make_plan([case], TrainSettings.of(dims="3d", depth=4, filters=4))
    thin = plan.changed(patch=(16, 32, 32), pools=((2, 2, 2),) * 3)
    with pytest.raises(ValueError, match="2 voxels thick on level 3"):
        check_plan(thin, [case])


def test_a_plan_of_other_examples_is_refused():
    plan = make_plan([example((1, 20, 20))], TrainSettings())
    check_plan(plan, [example((1, 30, 30))])
    with pytest.raises(ValueError, match="for images of 1 channels, and these have 3"):
        check_plan(plan, [example((1, 20, 20), channels=3)])
    more = example((1, 20, 20))
    more.labels[0, 0, 0] = 9
    with pytest.raises(ValueError, match=r"\[9\] are annotated too"):
        check_plan(plan, [more])


def test_a_plan_from_before_is_checked_and_leaves_nothing_to_choose(monkeypatch):
    cases = [example((40, 50, 40))]
    plan = make_plan(cases, TrainSettings())
    assert beside_plan(plan, TrainSettings()) == plan
    beside = beside_plan(plan, TrainSettings.of(minutes=2, painted_across="y", seed=3))
    assert beside == plan.changed(minutes=2, painted_across="y", seed=3)
    again = check_given_plan(beside, cases)
    assert again.schedule == plan.schedule
    assert list(again.reasons) == ["steps", "memory"]
    with pytest.raises(MedunetError, match="batch, dims cannot be chosen beside it"):
        beside_plan(plan, TrainSettings.of(batch=4, dims="3d"))
    for_three = plan.changed(networks=3)
    assert beside_plan(for_three, TrainSettings.of(folds=2)).network.networks == 1
    monkeypatch.setattr(memory, "free_memory_mib", lambda: 200.0)
    with pytest.raises(MedunetError, match="GiB are free"):
        check_given_plan(plan, cases)


def test_what_no_network_can_be_is_refused_in_one_line():
    wide = TrainSettings.of(dims="2d", filters=128, depth=5)
    with pytest.raises(ValueError, match=r"128 filters .* Change what was set") as refused:
        make_plan([example((1, 256, 256))], wide)
    assert not isinstance(refused.value, ValidationError)
    numbers = np.arange(1600, dtype=np.int32).reshape(1, 40, 40)
    nuclei = replace(example((1, 40, 40)), labels=numbers)
    with pytest.raises(ValueError, match="hold 1599 labels"):
        make_plan([nuclei], TrainSettings())


def test_a_strip_longer_than_any_patch_is_shown_in_parts():
    plan = make_plan([example((1, 60, 1100))], TrainSettings())
    assert max(plan.grid.patch) == 1024
    assert "a part is seen at a time" in plan.reasons["grid.patch"].why


def test_spacing_is_the_median():
    cases = [example((20, 20, 20), (mm, 1, 1)) for mm in (1.0, 2.0, 9.0)]
    assert make_plan(cases, TrainSettings()).grid.spacing_mm == (2.0, 1.0, 1.0)


def test_ct_is_told_by_air_and_gets_a_window_from_what_is_labelled():
    ct = example((20, 20, 20))
    ct.image.voxels[...] = -1000
    ct.image.voxels[ct.labels > 0] = np.random.default_rng(0).normal(60, 20, (ct.labels > 0).sum())
    plan = make_plan([ct], TrainSettings())
    low, high, mean, deviation = plan.grid.window
    assert plan.grid.intensity == "ct"
    assert 0 < low < mean < high < 130
    assert deviation == pytest.approx(20, abs=5)
    assert (
        make_plan([example((20, 20, 20), offset=100)], TrainSettings()).grid.intensity == "zscore"
    )
    phases = make_plan([example((20, 20, 20), channels=2)], TrainSettings.of(intensity="ct"))
    assert (phases.grid.intensity, phases.channels) == ("ct", 2)


def test_images_of_different_channels_are_refused_by_name():
    with pytest.raises(ValueError, match="1 channels and image 'case' has 3"):
        make_plan([example((1, 20, 20)), example((1, 20, 20), channels=3)], TrainSettings())


def test_mirroring_follows_left_and_right():
    def axes(flip, shape=(20, 20, 20), spacing_mm=(1, 1, 1), **more):
        settings = TrainSettings.of(flip=flip, **({"dims": "2d"} | more))
        return make_plan([example(shape, spacing_mm)], settings).schedule.flip_axes

    assert axes("left-right") == (1,)
    assert axes("left-right", spacing_mm=(1, 1, 4)) == ()  # sagittal slices have no left and right
    assert axes("left-right", dims="3d") == (2,)
    assert axes("all") == (0, 1)
    assert axes("none") == ()
    assert axes("auto") == (1,)
    assert axes("auto", augmentation="none") == ()  # and so prediction averages no mirrored copies
    assert axes("all", augmentation="none") == (0, 1)


def test_labels_that_are_left_and_right_of_a_pair_are_not_mirrored():
    def flip_axes(*boxes):
        pair = example((20, 40, 60))
        pair.labels[...] = 0
        for label, (y, x, width) in enumerate(boxes, 1):
            pair.labels[5:15, y : y + width, x : x + width] = label
        plan = make_plan([pair], TrainSettings.of(dims="2d"))
        return plan.schedule.flip_axes, plan.reasons["schedule.flip_axes"].why

    kidneys, spine = [(15, 8, 10), (15, 42, 10)], (18, 26, 8)
    axes, why = flip_axes(spine, *kidneys)
    assert axes == ()
    assert "labels 2 and 3" in why
    assert flip_axes(spine, kidneys[0])[0] == (1,)
    assert flip_axes((4, 25, 10), (26, 25, 10))[0] == (1,)  # front and back
    assert flip_axes((10, 4, 20), (18, 44, 6))[0] == (1,)  # large and small
    many = [(3 * n, 5 * n, 3) for n in range(10)]
    axes, why = flip_axes(*many)
    assert axes == ()
    assert "10 labels are told apart by where they lie" in why
    assert flip_axes(*many[:9])[0] == (1,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": (30, 32)}, r"multiple of \(8, 8\)"),
        ({"patch": (32, 32, 32)}, "2D plan has a patch of 2"),
        ({"labels": (1, 2)}, "ascending from background"),
        ({"labels": (0, 2, 2)}, "ascending from background"),
        ({"filters": 128, "depth": 6}, "more than 1024"),
        ({"spacing_mm": (1.0, float("nan"), 1.0)}, "finite number"),
        ({"channels": 10**9}, "less than or equal"),
        ({"rotate": 300}, "less than or equal"),
        ({"pools": [[2, 2]]}, "not 3 times 2 factors"),
        ({"dims": "3d", "patch": (32, 32, 32), "context": 1}, "no context"),
        ({"dims": "2.5d"}, "cannot see 0 slices"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, message):
    fields = {
        "dims": "2d", "spacing_mm": (1.0, 1.0, 1.0), "patch": (32, 32), "labels": (0, 1), "depth": 4,
    }  # fmt: skip
    Plan.of(**fields)
    with pytest.raises(ValidationError, match=message):
        Plan.of(**(fields | change))


def test_a_few_ignored_voxels_leave_a_plan_as_it_is():
    whole = example((12, 40, 60))
    holed = replace(whole, annotated=whole.annotated.copy())
    holed.annotated[3:5, 10:14, 10:14] = False
    plans = [
        make_plan([one], TrainSettings.of(dims="2d", ignore_label=9)) for one in (whole, holed)
    ]
    assert plans[0].grid == plans[1].grid
    assert plans[0].schedule.learning_rate == plans[1].schedule.learning_rate
    assert not plans[1].schedule.self_training
