"""Convolutions in tiles are torch's in float64; programs with them give what the model gives."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite.binding import get_host_cpu_features
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.replay import replayed
from landscape_nb.engines.winograd.convolution import Convolution, mapped_filters
from landscape_nb.engines.winograd.kernel import fewest_products
from landscape_nb.engines.winograd.llvm import Processor, _features, this_processor
from landscape_nb.weights.params import Affine

PROCESSORS = {"AVX-512": Processor(16, 32), "AVX2": Processor(8, 16), "any": Processor(4, 16)}
with_tiles = pytest.mark.skipif(this_processor() is None, reason="this processor has no AVX2: torch convolves")
CHANNELS_LAST = torch.channels_last


def drawn(generator, *shape):
    return torch.randn(*shape, generator=generator)


@pytest.mark.parametrize("processor", PROCESSORS)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    inputs=st.sampled_from([8, 16, 24, 32, 64]),
    outputs=st.sampled_from([8, 16, 40, 48, 64]),
    size=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    count=st.integers(1, 30),
    relu=st.booleans(),
    bias=st.booleans(),
    added=st.booleans(),
    few=st.booleans(),
)
def test_a_convolution_in_tiles_is_the_convolution(
    processor, inputs, outputs, size, padding, count, relu, bias, added, few
):
    results = [pixels + 2 * zeros - 2 for pixels, zeros in zip(size, padding, strict=True)]
    if min(results) < 1:
        return
    generator = torch.Generator().manual_seed(0)
    images = drawn(generator, count, inputs, *size)
    weight = drawn(generator, outputs, inputs, 3, 3)
    shift = drawn(generator, outputs) if bias else None
    addition = drawn(generator, count, outputs, *results) if added else None
    products = fewest_products(*results, padding) if few else 6
    convolution = Convolution(products, padding, relu)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landscape_nb.engines.winograd.convolution.this_processor", lambda: PROCESSORS[processor])
        found = convolution(images, mapped_filters(weight, products), shift, addition)
    wanted = F.conv2d(images.double(), weight.double(), shift.double() if bias else None, padding=padding)
    wanted = wanted + (addition.double() if added else 0)
    size_of_sums = F.conv2d(images.abs(), weight.abs(), padding=padding) + 1
    wanted = wanted.relu() if relu else wanted
    assert found.shape == wanted.shape
    assert found.is_contiguous(memory_format=CHANNELS_LAST)
    assert (found - wanted).abs().max() < 1e-5 * size_of_sums.max()


def test_instructions_can_be_limited(monkeypatch):
    has = get_host_cpu_features()
    found = {}
    for isa in ("none", "avx2", ""):
        monkeypatch.setenv("LANDSCAPE_NB_ISA", isa)
        found[isa] = this_processor.__wrapped__()
    avx2 = Processor(8, 16) if has.get("avx2") and has.get("fma") else None
    assert found == {"none": None, "avx2": avx2, "": Processor(16, 32) if has.get("avx512vl") else avx2}


@with_tiles
def test_machine_code_for_avx2_has_nothing_of_avx512(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_ISA", "avx2")
    features = _features()
    assert features["avx2"]
    assert not [name for name, has in features.items() if has and name.startswith("avx512")]


def test_an_unknown_limit_is_an_error(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_ISA", "sse9")
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.LazyLinear(4))
    net(torch.zeros(1, 1, 8, 8))
    objective = lnb.Objective(net, (torch.zeros(3, 1, 8, 8), torch.arange(3)))
    with pytest.raises(ValueError, match="LANDSCAPE_NB_ISA: got 'sse9', wants one of '', 'avx2', 'none'"):
        lnb.evaluate_line(objective, lnb.random_directions(net, 1)[0], resolution=3, progress=False)


def test_many_channels_are_multiplied_in_larger_blocks():
    generator = torch.Generator().manual_seed(0)
    images, weight = drawn(generator, 15, 264, 8, 9), drawn(generator, 256, 264, 3, 3)
    found = Convolution(6, (1, 1))(images, mapped_filters(weight, 6))
    wanted = F.conv2d(images.double(), weight.double(), padding=1)
    np.testing.assert_allclose(found, wanted, atol=5e-3)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, 1e38])
def test_what_is_not_finite_is_not_hidden_by_relu(bad):
    images = torch.ones(1, 16, 8, 8)
    images[0, 3, 2, 5] = bad
    weight = torch.full((16, 16, 3, 3), 100.0)
    assert not F.conv2d(images, weight, padding=1).isfinite().all()
    found = Convolution(6, (1, 1), relu=True)(images, mapped_filters(weight, 6))
    assert not found.isfinite().all()
    assert not F.conv2d(images, weight, padding=1).isfinite().all(1)[found.isfinite().all(1)].logical_not().any()


def test_results_in_kept_memory_may_replace_what_is_added():
    generator = torch.Generator().manual_seed(0)
    images, weight = drawn(generator, 5, 16, 9, 9), drawn(generator, 16, 16, 3, 3)
    filters = mapped_filters(weight, 6)
    first = Convolution(6, (1, 1), place=1)(images, filters)
    wanted = first + Convolution(6, (1, 1))(images, filters)
    second = Convolution(6, (1, 1), place=1)(images, filters, added=first)
    assert second.data_ptr() == first.data_ptr()
    torch.testing.assert_close(second, wanted)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_several_threads_share_the_images(count):
    generator = torch.Generator().manual_seed(0)
    images, addition = drawn(generator, count, 16, 9, 9), drawn(generator, count, 24, 9, 9)
    filters, shift = mapped_filters(drawn(generator, 24, 16, 3, 3), 6), drawn(generator, 24)
    convolution, before, found = Convolution(6, (1, 1), relu=True), torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(convolution(images, filters, shift, addition))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert all(torch.equal(results, found[0]) for results in found)


def test_threads_have_memory_of_their_own():
    generator = torch.Generator().manual_seed(0)
    filters = mapped_filters(drawn(generator, 16, 16, 3, 3), 6)
    sets = [drawn(generator, 40, 16, 8, 8) for _ in range(8)]
    wanted = [Convolution(6, (1, 1))(images, filters).sum() for images in sets]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = list(pool.map(lambda images: Convolution(6, (1, 1), place=0)(images, filters).sum(), sets))
            assert found == wanted


class Random(nn.Module):
    """Convolutions, ReLUs and sums, in place or not, of whatever was made before."""

    def __init__(self, steps):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.convolutions = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in steps)
        self.linear, self.steps = nn.Linear(8, 4), steps
        for norm in self.norms:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.running_mean.normal_(0, 0.3)

    def forward(self, x):
        made = [self.first(x)]
        for (what, one, other), convolution, norm in zip(self.steps, self.convolutions, self.norms, strict=True):
            left, right = made[one % len(made)], made[other % len(made)]
            made.append(STEPS[what](left, right, convolution, norm))
        return self.linear(made[-1].mean((2, 3)) + 0.1 * sum(made).mean((2, 3)))


def in_place_sum(left, right, convolution, norm):
    left += 0.5 * right
    return left


def through_a_view(left, right, convolution, norm):
    left[:, :, :2].relu_()
    return left[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)


def written_into(left, right, convolution, norm):
    left[:, 1].copy_(right[:, 0])
    return right


STEPS = {
    "convolution": lambda left, right, convolution, norm: convolution(left),
    "with norm": lambda left, right, convolution, norm: norm(convolution(left)),
    "block": lambda left, right, convolution, norm: F.relu(norm(convolution(left)) + right),
    "block in place": lambda left, right, convolution, norm: norm(convolution(left)).add_(right).relu_(),
    "added to": lambda left, right, convolution, norm: right.add_(norm(convolution(left))),
    "two": lambda left, right, convolution, norm: convolution(left) + norm(convolution(right)),
    "relu": lambda left, right, convolution, norm: torch.relu(left),
    "relu in place": lambda left, right, convolution, norm: F.relu(left, inplace=True),
    "sum": lambda left, right, convolution, norm: left + right,
    "sum in place": in_place_sum,
    "a view": through_a_view,
    "written into": written_into,
    "turned": lambda left, right, convolution, norm: left.transpose(2, 3),
}


@with_tiles
@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(list(STEPS)), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=9
    )
)
def test_whatever_a_model_does_the_values_stay(steps):
    torch.manual_seed(0)
    model = Random(steps).eval()
    objective = lnb.Objective(model, images_of(6, 10))  # blocks of tiles end within images
    if not any(
        "conv" in what or "norm" in what or "block" in what or what in ("added to", "two") for what, *_ in steps
    ):
        return
    faster = replayed(objective.evaluator)
    assert faster.forward.filters
    for seed in range(2):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.5])
        assert faster.measure(moved)["loss"] == pytest.approx(objective(moved)["loss"], rel=3e-5)


def images_of(count, side=8, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return drawn(generator, count, channels, side, side), torch.arange(count) % 4


def resnet(seed=0, depth=20, **settings):
    return lnb.models.resnet(depth, channels=1, image_size=8, seed=seed, **settings)


@with_tiles
def test_blocks_of_a_resnet_are_a_call_a_convolution():
    objective = lnb.Objective(resnet(), images_of(20))
    (images, _), *_ = objective.evaluator.data.batches
    calls = replayed(objective.evaluator).forward.programs[images.shape].calls
    tiled = [call.function for call in calls if isinstance(call.function, Convolution)]
    others = [call.function.__name__ for call in calls if not isinstance(call.function, Convolution)]
    assert len(tiled) == 16
    assert all(function.relu for function in tiled)
    assert {function.place for function in tiled} == {0, 1}
    assert sorted(others) == ["conv2d"] * 5 + ["linear", "mean"] + ["relu_"] * 3


@with_tiles
@pytest.mark.parametrize("ignore", [None, "1d"])
def test_states_along_a_plane_are_the_states(ignore):
    torch.manual_seed(0)
    model = resnet()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    how = {"ignore": None} if ignore is None else {}
    objective = lnb.Objective(model, images_of(30), batch_size=10)
    affine = Affine(objective.origin, lnb.random_directions(model, 2, **how))
    faster = replayed(objective.evaluator)
    at = faster.forward.states_along(affine)
    assert (faster.forward._made_along(affine) is None) == (ignore is None)
    spaces = [at(0.3, -0.7, space=0), at(0.1, 0.2, space=1)]
    for place, found in zip([(0.3, -0.7), (0.1, 0.2)], spaces, strict=True):
        wanted = faster.state(affine(*place))
        for name in {
            name for program in faster.forward.programs.values() for call in program.calls for name in call.weights()
        }:
            scale = wanted[name].abs().max()
            torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=float(3e-6 * scale))


@with_tiles
@pytest.mark.parametrize("shortcuts", [True, False])
def test_a_plane_in_tiles_is_the_plane(shortcuts):
    objective = lnb.Objective(resnet(shortcuts=shortcuts), images_of(60), batch_size=25)
    directions = lnb.random_directions(objective.origin, 2, seed=3)
    plane = lnb.evaluate_plane(objective, directions, (-1, 1), 7, progress=False)
    assert "16 convolutions in tiles" in plane.attrs["engine"]
    for i in range(0, 7, 2):
        for j in range(0, 7, 3):
            point = lnb.move(objective.origin, directions, [float(plane.alpha[i]), float(plane.beta[j])])
            assert float(plane.loss[i, j]) == pytest.approx(objective(point)["loss"], rel=2e-5)


@with_tiles
def test_processes_compute_the_same_tiles():
    objective = lnb.Objective(resnet(), images_of(40))
    directions = lnb.random_directions(objective.origin, 2)
    here = lnb.evaluate_plane(objective, directions, (-1, 1), 3, progress=False)
    there = lnb.evaluate_plane(objective, directions, (-1, 1), 3, n_jobs=2, progress=False)
    np.testing.assert_array_equal(here.loss, there.loss)


def test_other_processors_leave_convolutions_to_torch(monkeypatch):
    monkeypatch.setattr("landscape_nb.engines.winograd.convolution.this_processor", lambda: None)
    objective = lnb.Objective(resnet(), images_of(20))
    engine = choose_engine(objective, Affine(objective.origin, lnb.random_directions(objective.origin, 1)))
    assert "batch norms folded" in str(engine.description)
    assert "in tiles" not in str(engine.description)


@with_tiles
def test_tiles_that_give_other_values_are_not_used(monkeypatch):
    objective = lnb.Objective(resnet(), images_of(20))
    affine = Affine(objective.origin, lnb.random_directions(objective.origin, 1))
    wrong = mapped_filters
    monkeypatch.setattr(
        "landscape_nb.engines.winograd.graph_pass.mapped_filters",
        lambda weight, products: 1.1 * wrong(weight, products),
    )
    assert "in tiles" not in str(choose_engine(objective, affine).description)
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(objective.origin, 2), resolution=3)
    assert "in tiles" not in plane.attrs["engine"]


@pytest.mark.parametrize(
    ("settings", "tiled"),
    [
        ({}, True), ({"padding": "same"}, True), ({"padding": (0, 2)}, True), ({"padding_mode": "circular"}, True),
        ({"bias": False}, True), ({"stride": 2}, False), ({"dilation": 2}, False), ({"groups": 2}, False),
        ({"kernel_size": 5}, False), ({"out_channels": 20}, False),
    ],
)  # fmt: skip
@with_tiles
def test_which_convolutions_are_in_tiles(settings, tiled):
    torch.manual_seed(0)
    how = {"in_channels": 16, "out_channels": 16, "kernel_size": 3} | settings
    model = nn.Sequential(nn.Conv2d(**how), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4))
    model(torch.ones(1, 16, 9, 7))
    objective = lnb.Objective(model, (torch.randn(12, 16, 9, 7), torch.arange(12) % 4))
    faster = replayed(objective.evaluator)
    assert bool(faster.forward.filters) == tiled
    assert faster.measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-5)


@with_tiles
@pytest.mark.parametrize(("count", "tiled"), [(3, False), (100, True)])
def test_few_images_do_not_pay_for_many_channels(count, tiled):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 128, 5), nn.Conv2d(128, 128, 3), nn.Flatten(), nn.Linear(512, 4))
    objective = lnb.Objective(model, images_of(count))
    faster = replayed(objective.evaluator)
    assert bool(faster.forward.filters) == tiled
    assert faster.measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-5)


@with_tiles
def test_a_result_that_nobody_reads():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.linear = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

        def forward(self, x):
            y = self.first(x)
            self.second(y)
            for _ in range(2):
                y = self.second(y)
            return self.linear(y.mean((2, 3)))

    torch.manual_seed(0)
    objective = lnb.Objective(Dead(), images_of(12, 10))
    assert replayed(objective.evaluator).measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-5)


@with_tiles
def test_called_by_keyword_and_added_in_other_formats():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

        def forward(self, x):
            y = F.conv2d(padding=[1, 1], weight=self.conv.weight, input=x, bias=self.conv.bias)
            return self.linear((y + (x > 0)).mean((2, 3)))

    torch.manual_seed(0)
    objective = lnb.Objective(Odd(), (torch.randn(12, 8, 6, 6), torch.arange(12) % 4))
    faster = replayed(objective.evaluator)
    assert faster.forward.filters
    assert faster.measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-5)
