"""Programs with convolutions in tiles give what the model gives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, agrees_with_the_plain_way, drawn, with_tiles
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.faults import WrongValuesError
from landscape_nb.engines.replay import replayed
from landscape_nb.engines.winograd.convolution import Convolution, mapped_filters
from landscape_nb.weights.params import Affine


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
    assert {function.buffer for function in tiled} == {0, 1}
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
    assert (faster.forward.made_along(affine) is None) == (ignore is None)
    states = [at(0.3, -0.7, scratch=0), at(0.1, 0.2, scratch=1)]
    for coords, found in zip([(0.3, -0.7), (0.1, 0.2)], states, strict=True):
        wanted = faster.state(affine(*coords))
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
    with pytest.raises(WrongValuesError, match="in tiles"):
        choose_engine(objective, affine)
    monkeypatch.setenv("LANDSCAPE_NB_STRICT", "0")
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


class Cropped(nn.Module):
    """Adds a part of larger images to a convolution's results."""

    def __init__(self, halves=False):
        super().__init__()
        self.halves = halves
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.convolution = nn.Conv2d(8, 8, 3, padding=1) if halves else nn.Conv2d(16, 16, 3)
        self.head = nn.Linear(8 if halves else 16, 4)

    def forward(self, x):
        y = self.stem(x)
        images, added = y.chunk(2, 1)[::-1] if self.halves else (y, y[:, :, 1:-1, 1:-1])
        return self.head(F.relu(self.convolution(images) + added).mean((2, 3)))


@pytest.mark.parametrize("halves", [False, True])
def test_parts_of_images_are_added_in_tiles(halves):
    torch.manual_seed(0)
    model = Cropped(halves)
    objective = lnb.Objective(model, (torch.randn(40, 3, 8, 8), LABELS))
    line = agrees_with_the_plain_way(objective, lnb.random_directions(model, 1)[0])
    assert "1 convolution in tiles" in line.engine


@pytest.mark.parametrize(("width", "how"), [(20, "calls replayed"), (16, "in tiles")])
def test_an_overflow_stays_one(width, how):
    torch.manual_seed(0)
    layers = [layer for _ in range(15) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
    ends = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()], [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4)]
    model = nn.Sequential(*ends[0], *layers, *ends[1])
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    (direction,) = lnb.random_directions(model, 1)
    line = lnb.evaluate_line(objective, direction, (-1e4, 1e4), 21, progress=False)
    assert how in line.attrs["engine"]
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in line.alpha.values]
    assert np.isnan(wanted).any()
    assert np.isfinite(wanted).any()
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-3)
