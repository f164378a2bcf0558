"""Layers in stacks give what the layers give."""

import numpy as np
import torch
import torch.nn.functional as F
from helpers import small_data, stirred
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.batched_mlp import Perceptron
from landscape_nb.engines.points import OneByOne
from landscape_nb.weights.params import Affine

ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.GELU(),
    nn.LeakyReLU(0.3),
    nn.SiLU(),
    nn.ELU(),
]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    widths=st.lists(st.integers(1, 9), max_size=3),
    activation=st.sampled_from(ACTIVATIONS),
    bias=st.booleans(),
    norm=st.booleans(),
    points=st.integers(1, 70),
)
def test_layers_in_stacks_are_the_layers(widths, activation, bias, norm, points):
    torch.manual_seed(0)
    sizes = [64, *widths]
    hidden = [
        layer
        for i, width in enumerate(widths)
        for layer in (nn.Linear(sizes[i], width, bias), *[nn.BatchNorm1d(width)] * norm, activation)
    ]
    model = stirred(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], 4, bias)))
    objective = lnb.Objective(model, small_data(), metrics={"accuracy": lnb.accuracy}, batch_size=17)
    affine = Affine(objective.origin, lnb.random_directions(model, 2, ignore=None))
    coords = np.random.default_rng(0).uniform(-1, 1, (points, 2))
    wanted, found = OneByOne(objective.evaluator)(affine, coords), Perceptron(objective.evaluator)(affine, coords)
    for name in objective.names:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-6)


def test_criteria_of_every_kind_go_through_stacks():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    x = torch.randn(12, 3)
    for criterion, targets in (
        (F.mse_loss, torch.randn(12, 1)),
        (lambda outputs, targets: (outputs[:, 0] - targets).abs().mean(), torch.randn(12)),
        (lambda outputs, targets: outputs.logsumexp(0).sum(), torch.randn(12)),
    ):
        objective = lnb.Objective(model, (x, targets), criterion)
        affine = Affine(objective.origin, lnb.random_directions(model, 1))
        coords = np.linspace(-1, 1, 5)[:, None]
        wanted, found = OneByOne(objective.evaluator)(affine, coords), Perceptron(objective.evaluator)(affine, coords)
        np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-5)
        np.testing.assert_allclose(found["loss_stderr"], wanted["loss_stderr"], rtol=1e-4)


def share_right(outputs, targets, reduction="mean"):
    right = (outputs.argmax(-1) == targets).float()
    return right.mean() if reduction == "mean" else right


def test_metrics_of_batches_of_as_many_samples_as_classes():
    x, y = torch.randn(200, 20), torch.randint(0, 10, (200,))
    for seed in range(60):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))
        batches = list(zip(x.split(10), y.split(10), strict=True))
        objective = lnb.Objective(model, batches, metrics={"accuracy": share_right})
        (direction,) = lnb.random_directions(model, 1, seed=1)
        line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
        points = [lnb.move(objective.origin, [direction], [a]) for a in line.alpha.values]
        np.testing.assert_allclose(line.accuracy, [objective(point)["accuracy"] for point in points], atol=1e-6)
