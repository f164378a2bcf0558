"""Random directions: what is moved, what repeats, and the laws that randomness obeys."""

import math

import numpy as np
import pytest
import torch
from helpers import batch_norm_net, resnet20

import landscape_nb as lnb
from landscape_nb.weights.directions import redrawn


def test_what_is_ignored():
    model = resnet20()
    by_rule = lnb.random_directions(model, 1)[0]
    by_name = lnb.random_directions(model, 1, ignore=lambda name: name.startswith("layer1"))[0]
    nothing = lnb.random_directions(model, 1, ignore=None)[0]
    for name, weight in model.named_parameters():
        assert bool(by_rule[name].any()) == (weight.ndim > 1)
        assert bool(by_name[name].any()) == (not name.startswith("layer1") and weight.norm() > 0)
        assert bool(nothing[name].any()) == bool(weight.norm() > 0)


def test_default_is_the_papers_filter_normalization():
    made = lnb.random_directions(resnet20(), 1, seed=5)[0].made
    assert made == {"kind": "random", "seed": 5, "draw": 0, "normalization": "filter", "ignored": "one-dimensional"}


def test_seeds_differ_and_repeat():
    model = batch_norm_net()
    first, second = lnb.random_directions(model, 2, seed=1)
    again = lnb.random_directions(model, 5, seed=1)
    other = lnb.random_directions(model, 1, seed=2)[0]
    assert all(torch.equal(first[name], again[0][name]) for name in first)
    assert all(torch.equal(second[name], again[1][name]) for name in first)
    assert np.abs(lnb.cosines([first, second, other]) - np.eye(3)).max() < 0.4


def test_random_directions_are_the_same_on_every_machine():
    (direction,) = lnb.random_directions({"w": torch.ones(1, 3)}, 1, normalize="none", seed=0)
    expected = np.random.default_rng(np.random.SeedSequence(0).spawn(1)[0]).standard_normal((1, 3), np.float32)
    np.testing.assert_array_equal(direction["w"], expected)


def test_cosines_follow_the_law_of_the_dimension():
    sizes = [100, 10_000]
    found = []
    for size in sizes:
        directions = lnb.random_directions({"w": torch.ones(1, size)}, 40, normalize="none")
        matrix = lnb.cosines(directions)
        found.append(np.abs(matrix[np.triu_indices(40, 1)]).mean())
    np.testing.assert_allclose(found, [math.sqrt(2 / (math.pi * size)) for size in sizes], rtol=0.08)


def test_frozen_parameters_are_moved_and_the_model_is_not():
    model = batch_norm_net().requires_grad_(False)
    before = {name: p.clone() for name, p in model.named_parameters()}
    (direction,) = lnb.random_directions(model, 1)
    assert direction["hidden.1.weight"].norm() > 0
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_towards_ends_at_the_other_point():
    start, end = (lnb.parameters_of(batch_norm_net(seed)) for seed in (0, 1))
    reached = lnb.move(start, [lnb.towards(start, end)], [1.0])
    for name in end:
        torch.testing.assert_close(reached[name], end[name])


@pytest.mark.parametrize("method", ["none", "weight", "layer", "filter", "unit-layer", "unit-filter"])
def test_orthogonal_directions_are_orthogonal_and_still_normalized(method):
    model = resnet20()
    plain = lnb.random_directions(model, 3, method, seed=3)
    directions = lnb.random_directions(model, 3, method, seed=3, orthogonal=True)
    assert np.abs(lnb.cosines(directions) - np.eye(3)).max() < 1e-6
    assert np.abs(lnb.cosines(plain) - np.eye(3)).max() > 1e-5
    assert all(torch.equal(plain[0][name], directions[0][name]) for name in plain[0])
    reference = lnb.parameters_of(model)
    for direction in directions:
        assert direction.made["orthogonal"]
        if method not in ("none", "weight"):
            again = lnb.normalize_direction(direction, reference, method)
            for name, tensor in direction.items():
                torch.testing.assert_close(tensor, again[name], rtol=1e-5, atol=1e-8)


def test_more_directions_than_dimensions_cannot_be_orthogonal():
    with pytest.raises(ValueError, match="cannot be made orthogonal"):
        lnb.random_directions({"w": torch.ones(1, 2)}, 3, orthogonal=True)


def test_repeats_of_orthogonal_directions_are_orthogonal_pairs(monkeypatch):
    model = resnet20()
    directions = lnb.random_directions(model, 2, orthogonal=True)
    for group in redrawn(directions, lnb.parameters_of(model), 3):
        assert abs(lnb.cosines(group)[0, 1]) < 1e-6


def test_directions_that_could_not_move_are_refused():
    with pytest.raises(ValueError, match="ignore: it leaves no parameter to move"):
        lnb.random_directions({"w": torch.ones(3)}, 1)
    (direction,) = lnb.random_directions({"w": torch.ones(3)}, 1, ignore=None)
    assert direction["w"].any()
