"""Each usual wrong answer to the exercises about width gets its own hint."""

import pytest
import torch
from torch import nn

import landscape_nb as lnb
from landscape_nb import exercises


def linear(size):
    return nn.Linear(size, size, bias=False)


@pytest.mark.parametrize(
    ("answer", "right", "hint"),
    [
        (4.0, True, "the square of 2"),
        (0.25, False, "Turn it over"),
        (2, False, "the channels"),
        (12, False, "a factor is a quotient"),
        (7.0, False, "numel"),
        ("four", False, "numel"),
        (..., False, "Replace `...`"),
    ],
)
def test_growth_of_the_weights(answer, right, hint):
    feedback = exercises.check_weight_growth(answer, linear(2), linear(4))
    assert feedback.right is right
    assert hint in feedback.text


WEIGHTS = {
    "small": torch.tensor([[0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8]]),
    "large": 10 * torch.tensor([[0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8]]),
    "bias": torch.tensor([0.01, 5.0]),
}


def cut(keep, bias=lambda b: b):
    return {name: bias(w) if name == "bias" else w * keep(name, w) for name, w in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("answer", "right", "hint"),
    [
        (cut(lambda name, w: w.abs() > w.abs().quantile(0.75)), True, "the smallest 75%"),
        (cut(lambda name, w: w.abs() > w.abs().quantile(0.25)), False, "keeps 75%"),
        (cut(lambda name, w: w.abs() < w.abs().quantile(0.25)), False, "other way round"),
        (cut(lambda name, w: w.abs() > 4.5), False, "each layer has its own"),
        (cut(lambda name, w: w > w.quantile(0.75)), False, "not signs"),
        (cut(lambda name, w: w.abs() > 0.15), False, "what is smaller goes"),
        (cut(lambda name, w: torch.ones_like(w)), False, "No weight is zero yet"),
        (cut(lambda name, w: 0.5 * (w.abs() > w.abs().quantile(0.75))), False, "keeps its value"),
        (cut(lambda name, w: w.abs() > 0.5, bias=torch.zeros_like), False, "one dimension"),
        ({name: w[..., :1] for name, w in WEIGHTS.items()}, False, "keeps its shape"),
        ({"small": WEIGHTS["small"]}, False, "a dict with the keys"),
        (0.75, False, "a dict with the keys"),
        (..., False, "Replace `...`"),
    ],
)
def test_pruned_weights(answer, right, hint):
    feedback = exercises.check_pruned(answer, WEIGHTS, 0.75)
    assert hint in feedback.text
    assert feedback.right is right


@pytest.mark.parametrize(
    ("answer", "right", "hint"),
    [
        (1.8, True, "by 36 at most"),
        (20 / 36, False, "Turn it over"),
        (36.0, False, "one of the two"),
        (20.0, False, "one of the two"),
        (36 / 1000, False, "of norm 1"),
        (5.0, False, "extreme_eigenvalues"),
        (..., False, "Replace `...`"),
    ],
)
def test_curvature_gap(answer, right, hint):
    model = nn.Linear(2, 1, bias=False)
    data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
    objective = lnb.Objective(model, data, torch.nn.functional.mse_loss)
    feedback = exercises.check_curvature_gap(answer, objective, {"weight": torch.tensor([[5.0, 5.0]])})
    assert hint in feedback.text
    assert feedback.right is right
