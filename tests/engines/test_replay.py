"""Replayed calls give what the model gives."""

import gc
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, NETS, agrees_with_the_plain_way, images, seeded, stirred, with_tiles
from helpers import measured_line as line
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.points import OneByOne
from landscape_nb.engines.replay import _LAST, Replayed, replayed
from landscape_nb.weights.params import Affine, flatten, unflatten


@pytest.mark.parametrize("name", NETS)
def test_networks_are_replayed_as_they_are(name):
    torch.manual_seed(0)
    model = stirred(NETS[name]())
    channels, side = (1, 8) if name[0] != "t" else (3, 33)
    objective = lnb.Objective(model, images(7, side, channels), batch_size=5)
    directions = lnb.random_directions(model, 2, ignore=None)
    affine = Affine(objective.origin, directions)
    engine = choose_engine(objective, affine)
    assert isinstance(engine.evaluator.forward, Replayed)
    coords = np.random.default_rng(0).uniform(-0.3, 0.3, (3, 2))
    wanted = OneByOne(objective.evaluator)(affine, coords)
    np.testing.assert_allclose(engine(affine, coords)["loss"], wanted["loss"], rtol=1e-4)


def test_large_images_are_laid_out_and_batched_anew():
    model = stirred(lnb.models.vgg9(0.125, channels=1, image_size=16))
    metrics = {"accuracy": lnb.accuracy}
    objective = lnb.Objective(model, images(40, 16), metrics=metrics, batch_size=7, extra_data={"test": images(9, 16)})
    faster = replayed(objective.evaluator)
    assert faster.data.counts == [40]
    assert faster.data.batches[0][0].is_contiguous(memory_format=torch.channels_last)
    assert objective.evaluator.data.counts[0] == 7
    for name, value in faster.measure().items():
        assert value == pytest.approx(objective.measure()[name], rel=1e-4)


def test_a_metric_of_batches_keeps_its_batches():
    metrics = {"largest": lambda outputs, targets: outputs.max()}
    objective = lnb.Objective(stirred(NETS["VGG"]()), images(10), metrics=metrics, batch_size=3)
    faster = replayed(objective.evaluator)
    assert faster.data.counts == objective.evaluator.data.counts
    assert faster.measure()["largest"] == pytest.approx(objective()["largest"], rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"padding": "same"}, {"dilation": 2}, {"groups": 4}])
@pytest.mark.parametrize("channels", [1, 3, 16, 20])
def test_convolutions_of_small_images_are_replayed(channels, settings):
    torch.manual_seed(0)
    first, last = nn.Conv2d(channels, 20, 3, padding=1), nn.Conv2d(20, 16, 3, **settings)
    model = nn.Sequential(first, nn.ReLU(), last, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(4))
    model(torch.ones(1, channels, 8, 8))
    objective = lnb.Objective(model, images(10, 8, channels))
    faster = replayed(objective.evaluator, tiles=False)
    program = faster.forward.programs[objective.evaluator.data.batches[0][0].shape]
    assert [call.function.__name__ for call in program.calls][:2] == ["conv2d", "relu_"]
    for seed in range(3):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.7])
        assert faster.measure(moved)["loss"] == pytest.approx(objective(moved)["loss"], rel=1e-5)


@pytest.mark.parametrize("number", [torch.float64, torch.bfloat16])
def test_other_number_formats_are_replayed(number):
    model = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Flatten(), nn.Linear(64, 4)).to(number)
    inputs, targets = images(100, 2, 16)
    objective = lnb.Objective(model, (inputs.to(number), targets))
    (direction,) = lnb.random_directions(model, 1)
    ends = [model, nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Flatten(), nn.Linear(64, 4)).to(number)]
    assert replayed(objective.evaluator).measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-12)
    lnb.interpolate(objective, *ends, resolution=3, progress=False)
    line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
    assert "calls replayed" in line.attrs["engine"]


class Wide(nn.Module):
    """Two convolutions with channels that fill blocks, and what is given between and after them."""

    def __init__(self, forward):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.linear, self.pass_through = nn.Linear(16, 4), forward

    def forward(self, x):
        return self.linear(self.pass_through(self, x).mean((2, 3)))


def written_through_a_view(net, x):
    y = net.first(x)
    y.view(len(x), -1).relu_()
    return y + net.second(y)


def written_after_it_was_read(net, x):
    y = net.first(x)
    z = net.second(y)
    y.add_(z)
    return y * net.second(y)


def written_after_pooling_it(net, x):
    y = F.max_pool2d(net.first(x), 2)
    z = net.second(y)
    return z * net.second(y.relu_())


def sum_of_one(net, x):
    y = net.first(x)
    return net.second(y + y)


def sum_of_other_shapes(net, x):
    y = net.first(x)
    return net.second(y + y.mean((2, 3), keepdim=True)) + net.first(x[:1])


def sum_with_a_factor(net, x):
    return torch.add(net.first(x), net.first(x.flip(2)), alpha=-3)


def sum_with_a_number(net, x):
    return net.second(net.first(x) + 1.5) + net.second.bias[:, None, None]


def sum_used_again(net, x):
    left, right = net.first(x), net.first(x.flip(2))
    total = left + right
    return net.second(total).relu() + left * total


def relu_of_a_sum(net, x):
    return F.relu(net.second(F.relu(net.first(x), inplace=True)) + net.first(x), inplace=True)


def in_place_by_itself(net, x):
    y = net.first(x)
    y += net.second(y)
    return net.second(y.relu_())


BETWEEN = [
    written_through_a_view, written_after_it_was_read, written_after_pooling_it, sum_of_one,
    sum_of_other_shapes, sum_with_a_factor, sum_with_a_number, sum_used_again, relu_of_a_sum, in_place_by_itself,
]  # fmt: skip


@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize("forward", BETWEEN)
def test_whatever_is_between_convolutions_the_values_stay(forward, tiles):
    torch.manual_seed(0)
    model = Wide(forward)
    objective = lnb.Objective(model, images(12))
    faster = replayed(objective.evaluator, tiles=tiles)
    for seed in range(3):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.7])
        assert faster.measure(moved)["loss"] == pytest.approx(objective(moved)["loss"], rel=1e-5)
    assert engine_of(objective).evaluator.forward.plain is objective.evaluator.forward


def engine_of(objective):
    return choose_engine(objective, Affine(objective.origin, lnb.random_directions(objective.origin, 1)))


def test_hessians_use_nothing_in_tiles():
    objective = lnb.Objective(stirred(lnb.models.resnet(20, channels=1, image_size=8)), images(10))
    differentiable = replayed(objective.evaluator, differentiable=True)
    (program,) = differentiable.forward.programs.values()
    assert {"conv2d"} == {call.function.__name__ for call in program.calls if "conv" in call.function.__name__.lower()}
    weights = flatten(objective.origin).requires_grad_()
    ((_, loss),) = differentiable.batch_losses(unflatten(weights, objective.origin))
    (gradient,) = torch.autograd.grad(loss, weights, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), weights)[0].norm() > 0


def test_a_convolutional_net_that_keeps_its_features_is_replayed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            self.features = torch.relu(self.conv(x))
            return self.out(self.features.mean((2, 3)))

    images, labels = torch.randn(12, 1, 8, 8), torch.arange(12) % 3
    model = seeded(Net)
    model(images)
    found, _ = line(lnb.Objective(model, (images, labels)))
    assert "calls replayed" in found.attrs["engine"]
    assert float(found.loss[2]) == pytest.approx(float(F.cross_entropy(model(images), labels).detach()), rel=1e-5)


def test_an_overflow_is_seen_though_the_first_image_is_blank():
    def convolution(channels):
        return [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.ReLU()]

    torch.manual_seed(0)
    deep = [layer for _ in range(15) for layer in convolution(16)]
    model = nn.Sequential(*convolution(1), *deep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    images = torch.randn(40, 1, 8, 8)
    images[0] = 0
    objective = lnb.Objective(model, (images, LABELS))
    (direction,) = lnb.random_directions(model, 1)
    found = lnb.evaluate_line(objective, direction, (-1e4, 1e4), 5, progress=False).loss
    plain = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in found.alpha.values]
    assert np.isnan(plain).sum() == 4
    np.testing.assert_allclose(found, plain, rtol=1e-4)


class Peaked(nn.Module):
    """Divides images by their largest entry."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 20, 3, padding=1), nn.Conv2d(20, 20, 3, padding=1)
        self.head = nn.Linear(20, 4)
        nn.init.constant_(self.first.bias, 0.1)

    def forward(self, x):
        y = F.relu(self.first(x))
        y = y / y.amax((1, 2, 3), keepdim=True)
        return self.head(F.relu(self.second(y)).mean((2, 3)))


def test_an_image_that_is_divided_by_zero_is_not_a_number():
    torch.manual_seed(0)
    model, images = Peaked(), torch.randn(40, 1, 8, 8)
    images[5] = 0
    direction = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    direction["first.bias"] -= 1
    direction["first.weight"] += 0.01
    line = agrees_with_the_plain_way(lnb.Objective(model, (images, LABELS)), direction, (0, 0.3))
    assert np.isfinite(line.loss[:2]).all()
    assert np.isnan(line.loss[2:]).all()


def test_the_number_format_that_torch_makes_by_default_decides_nothing():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1))
    objective = lnb.Objective(model, (torch.randn(40, 3, 8, 8), torch.randint(8, (40, 8, 8))))
    (direction,) = lnb.random_directions(model, 1)
    before = agrees_with_the_plain_way(objective, direction)
    torch.set_default_dtype(torch.float64)
    try:
        during = agrees_with_the_plain_way(objective, direction)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(before.loss, during.loss)


@with_tiles
@pytest.mark.parametrize("factor", [1e30, 1e36, 3e36, 1e37, 1e39])
def test_sums_that_overflow_in_tiles_alone_are_computed_otherwise(factor):
    """At points that are asked for one by one, too, as those of an interpolation are."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    objective = lnb.Objective(model, images(40, 8))
    faster = replayed(objective.evaluator)
    assert faster.forward.filters
    point = objective.origin | {"0.weight": factor * objective.origin["0.weight"]}
    assert faster.measure(point)["loss"] == pytest.approx(objective(point)["loss"], rel=1e-4, nan_ok=True)


def test_what_is_prepared_for_a_line_goes_with_it():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 3)).eval()
    objective = lnb.Objective(net, (torch.randn(6, 1, 8, 8), torch.arange(6) % 3))
    forward = replayed(objective.evaluator).forward
    affine = Affine(objective.origin, lnb.random_directions(net, 1))
    forward.states_along(affine)
    prepared = weakref.ref(_LAST.prepared(forward, affine))
    assert prepared() is _LAST.prepared(forward, affine), "kept from piece to piece"
    del affine
    gc.collect()
    assert prepared() is None
