"""The checks of exercises about two minima and about directions scaled to the weights."""

import numpy as np
import pytest
import torch
import xarray as xr

from landscape_nb import exercises
from landscape_nb.weights.normalization import normalize_direction
from landscape_nb.weights.params import norm

ALPHA = np.linspace(-0.5, 1.5, 21)
LINE = xr.Dataset({"loss": ("alpha", np.where((ALPHA > 0.25) & (ALPHA < 0.85), 3.0, 0.1))}, {"alpha": ALPHA})


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in (("weight", (4, 3)), ("bias", (4,)))}


@pytest.fixture
def direction(weights):
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(w.shape, generator=generator) for name, w in weights.items()}


def test_an_open_answer_asks_for_one():
    open_checks = [
        exercises.check_updates(..., 1, 1, 1),
        exercises.check_reach(..., LINE, 1.0),
        exercises.check_relative_length(..., {}, {}),
        exercises.check_layer_normalized(..., {}, {}),
        exercises.check_relative_spread(..., []),
    ]
    assert all("Replace" in feedback.text and not feedback.right for feedback in open_checks)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(4, "one epoch"), (15, "round up"), (100 * 5 / 30, "round up"), (500, "counts images"), (7, "times epochs")],
)
def test_updates(answer, hint):
    assert exercises.check_updates(20, 100, 30, 5).right
    feedback = exercises.check_updates(answer, 100, 30, 5)
    assert not feedback.right
    assert hint in feedback.text


def test_reach_from_both_ends():
    assert exercises.check_reach(0.2, LINE, 1.0).right
    assert exercises.check_reach(0.3, LINE, 1.0).right, "the first point at the level is as good an answer"
    assert exercises.check_reach(0.1, LINE, 1.0, start=1.0, end=0.0).right
    assert exercises.check_reach(1.0, LINE, 5.0).right, "the level is never reached"


def test_reach_of_a_minimum_above_the_level_is_nothing():
    assert exercises.check_reach(0.0, LINE, 0.05).right


@pytest.mark.parametrize(
    ("answer", "start", "hint"),
    [(0.9, 1.0, "coordinate"), (2.0, 0.0, "number of points"), (0.6, 0.0, "Walk")],
)
def test_reach_hints(answer, start, hint):
    feedback = exercises.check_reach(answer, LINE, 1.0, start, 1 - start)
    assert not feedback.right
    assert hint in feedback.text


def test_reach_of_the_other_end():
    wide = LINE.assign(loss=("alpha", np.where(ALPHA < 0.65, 0.1, 3.0)))
    feedback = exercises.check_reach(0.0, wide, 1.0)
    assert "other end" in feedback.text


def test_relative_length(weights, direction):
    made = normalize_direction(direction, weights, "none")
    right = norm(made) / norm({"weight": weights["weight"]})
    assert exercises.check_relative_length(right, made, weights).right
    assert exercises.check_relative_length(1.0, normalize_direction(direction, weights), weights).right
    for answer, hint in [
        (norm(made) / norm(weights), "biases"),
        (1 / right, "relative to the direction's"),
        (norm(made), "own length"),
        (-1.0, "lnb.norm"),
    ]:
        feedback = exercises.check_relative_length(answer, made, weights)
        assert not feedback.right
        assert hint in feedback.text


def test_layer_normalized(weights, direction):
    assert exercises.check_layer_normalized(normalize_direction(direction, weights, "layer"), direction, weights).right
    for answer, hint in [
        (normalize_direction(direction, weights, "filter"), "filter by filter"),
        (normalize_direction(direction, weights, "layer", ignore=None), "one dimension"),
        (normalize_direction(direction, weights, "unit-layer"), "norm 1"),
        (direction, "One factor"),
        (3, "dict"),
    ]:
        feedback = exercises.check_layer_normalized(answer, direction, weights)
        assert not feedback.right
        assert hint in feedback.text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(100 * 7**0.5 / 3, "percentage"), (7**0.5, "Divide it"), (7 / 3, "root"), (5.0, "over the repeats")],
)
def test_relative_spread(answer, hint):
    values = [1.0, 2.0, 6.0]
    assert exercises.check_relative_spread(7**0.5 / 3, values).right
    assert exercises.check_relative_spread(float(np.std(values) / 3), values).right
    feedback = exercises.check_relative_spread(answer, values)
    assert not feedback.right
    assert hint in feedback.text
