"""Folded batch norm and sums in place give what the model gives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, agrees_with_the_plain_way, images, stirred
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.replay import replayed


class Net(nn.Module):
    """A small net whose forward pass is given."""

    def __init__(self, forward):
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.spare = nn.BatchNorm2d(4, affine=False)
        self.linear = nn.Linear(4, 4)
        self.pass_through = forward

    def forward(self, x):
        return self.linear(self.pass_through(self, x).mean((2, 3)))


def changed_in_between(net, x):
    y = net.conv(x)
    y.relu_()
    return net.norm(y)


def used_twice(net, x):
    y = net.conv(x)
    return net.norm(y) + y


def relu_and_more(net, x):
    y = net.norm(net.conv(x))
    return F.relu(y) + y


def functional(net, x):
    return F.batch_norm(F.conv2d(x, net.conv.weight), net.norm.running_mean, net.norm.running_var)


def another_bias(net, x):
    biases = net.conv.bias, net.norm.bias
    return net.norm(F.conv2d(x, net.conv.weight, biases[0])) * net.norm(F.conv2d(x, net.conv.weight, biases[1]))


FORWARDS = {
    "folded": (lambda net, x: F.relu(net.norm(net.conv(x))), 1),
    "two norms": (lambda net, x: net.other(net.norm(net.conv(x))), 2),
    "one layer, two norms": (lambda net, x: net.norm(net.conv(x)) + net.other(net.conv(x)), 2),
    "one norm, twice": (lambda net, x: net.norm(net.norm(net.conv(x))), 2),
    "without γ and β": (lambda net, x: net.spare(net.conv(x)), 1),
    "changed in between": (changed_in_between, 0),
    "used twice": (used_twice, 0),
    "ReLU, and its input again": (relu_and_more, 1),
    "functional": (functional, 1),
    "another bias": (another_bias, 2),
    "by keyword": (lambda net, x: torch.add(input=net.norm(net.conv(x)), other=net.conv(input=x)), 1),
    "a view": (lambda net, x: net.conv(x).transpose(2, 3).relu(), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", FORWARDS)
def test_whatever_surrounds_batch_norm_the_values_stay(name):
    forward, folds = FORWARDS[name]
    model = stirred(Net(forward))
    objective = lnb.Objective(model, images(), batch_size=4)
    faster = replayed(objective.evaluator)
    assert len(faster.forward.folds) <= folds
    assert bool(faster.forward.folds) == bool(folds)
    for seed in range(3):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.7])
        for value, wanted in zip(faster.measure(moved).values(), objective.measure(moved).values(), strict=True):
            assert value == pytest.approx(wanted, rel=1e-5)


def test_sums_are_in_place_where_nobody_reads_a_summand_again():
    objective = lnb.Objective(stirred(lnb.models.resnet(20, channels=1, image_size=8)), images(10))
    program = replayed(objective.evaluator, tiles=False).forward.programs[objective.evaluator.data.batches[0][0].shape]
    names = [call.function.__name__ for call in program.calls]
    assert names.count("add_") == 9
    assert names.count("relu_") == 19


def test_a_variance_that_is_a_parameter_moves():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(576, 4)).eval()
    del model[1].running_var
    model[1].running_var = nn.Parameter(torch.ones(16))
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    direction = {name: torch.zeros_like(p) for name, p in objective.origin.items()} | {"1.running_var": torch.ones(16)}
    agrees_with_the_plain_way(objective, direction, (0, 5))


class OfSequences(nn.Module):
    """Batch norm over positions of a sequence, of which there are as many as features."""

    def __init__(self):
        super().__init__()
        self.convolution, self.layer, self.norm = nn.Conv2d(1, 6, 3), nn.Linear(6, 6), nn.BatchNorm1d(6)
        self.last = nn.Linear(36, 4)

    def forward(self, x):
        positions = self.convolution(x).flatten(2)[:, :, :6].transpose(1, 2)
        return self.last(self.norm(self.layer(positions)).flatten(1))


def test_batch_norm_over_places_is_not_folded_into_features():
    torch.manual_seed(0)
    objective = lnb.Objective(OfSequences(), (torch.randn(40, 1, 8, 8), LABELS))
    lnb.evaluate_line(objective, lnb.random_directions(objective.origin, 1)[0], resolution=3, progress=False)
    (direction,) = lnb.random_directions(objective.origin, 1, normalize="none", ignore=None)
    line = lnb.evaluate_line(objective, direction, (-2, 2), 5, progress=False)
    assert "other values" not in line.engine  # else they would be measured plainly, and be right
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in line.alpha.values]
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-4)
