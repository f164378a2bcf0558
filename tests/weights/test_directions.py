"""Normalization against a filter-by-filter loop in NumPy; randomness against the laws it obeys."""

import math

import numpy as np
import pytest
import torch
from conftest import batch_norm_net
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb
from landscape_nb.weights.directions import redrawn
from landscape_nb.weights.normalization import METHODS


def convolutional() -> nn.Module:
    return lnb.models.resnet(20, channels=1, seed=2)


def by_hand(d: np.ndarray, w: np.ndarray, method: str) -> np.ndarray:
    """Filter by filter, in plain loops."""
    if d.ndim <= 1:
        return np.zeros_like(d)
    norm = lambda x: math.sqrt(sum(float(v) ** 2 for v in x.ravel()))  # noqa: E731
    if method == "none":
        return d
    if method == "weight":
        return d * w
    if method in ("layer", "unit-layer"):
        return d / norm(d) * (norm(w) if method == "layer" else 1)
    rows = [d[i] / norm(d[i]) * (norm(w[i]) if method == "filter" else 1) for i in range(len(d))]
    return np.stack(rows)


@pytest.mark.parametrize("method", METHODS)
def test_normalization_is_the_papers_loop(method):
    model = convolutional()
    raw = lnb.random_directions(model, 1, normalize="none", ignore=None)[0]
    normalized = lnb.normalize_direction(raw, lnb.parameters_of(model), method)
    for name, weight in model.named_parameters():
        expected = by_hand(raw[name].numpy(), weight.detach().numpy(), method)
        np.testing.assert_allclose(normalized[name], expected, rtol=2e-5, atol=1e-7)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), shape=st.tuples(*[st.integers(1, 6)] * 4))
def test_each_filter_gets_the_norm_of_its_weights(seed, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    (direction,) = lnb.random_directions({"w": weight}, 1, seed=seed)
    np.testing.assert_allclose(direction["w"].flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1), rtol=1e-4)


def test_a_dead_filter_is_not_moved():
    weight = torch.ones(3, 2)
    weight[1] = 0
    (direction,) = lnb.random_directions({"w": weight}, 1)
    assert direction["w"].norm(dim=1).tolist() == pytest.approx([math.sqrt(2), 0, math.sqrt(2)])


def test_what_is_ignored():
    model = convolutional()
    by_rule = lnb.random_directions(model, 1)[0]
    by_name = lnb.random_directions(model, 1, ignore=lambda name: name.startswith("layer1"))[0]
    nothing = lnb.random_directions(model, 1, ignore=None)[0]
    for name, weight in model.named_parameters():
        assert bool(by_rule[name].any()) == (weight.ndim > 1)
        assert bool(by_name[name].any()) == (not name.startswith("layer1") and weight.norm() > 0)
        assert bool(nothing[name].any()) == bool(weight.norm() > 0)


def test_default_is_the_papers_filter_normalization():
    made = lnb.random_directions(convolutional(), 1, seed=5)[0].made
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


def test_bad_input_is_named():
    model = batch_norm_net()
    reference = lnb.parameters_of(model)
    good = lnb.random_directions(model, 1)[0]
    with pytest.raises(ValueError, match=r"method: got 'filtre', wants one of 'none'"):
        lnb.normalize_direction(good, reference, "filtre")
    with pytest.raises(ValueError, match=r"direction: has no tensor for 'linear.bias'"):
        lnb.normalize_direction({k: v for k, v in good.items() if k != "linear.bias"}, reference)
    with pytest.raises(ValueError, match=r"direction: 'linear.bias' has shape \(7,\), wants \(4,\)"):
        lnb.normalize_direction(good | {"linear.bias": torch.zeros(7)}, reference)
    with pytest.raises(ValueError, match=r"direction: has a tensor for 'extra'"):
        lnb.normalize_direction(good | {"extra": torch.zeros(7)}, reference)
    with pytest.raises(ValueError, match=r"direction: 'linear.bias' has NaN"):
        lnb.normalize_direction(good | {"linear.bias": torch.full((4,), torch.nan)}, reference)
    with pytest.raises(TypeError, match="direction: got list"):
        lnb.normalize_direction([good], reference)
    with pytest.raises(ValueError, match="ignore: got 'biasbn'"):
        lnb.normalize_direction(good, reference, ignore="biasbn")
    for bad in ({"count": 0}, {"seed": -1}, {"seed": 0.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            lnb.random_directions(model, **bad)


def test_bad_rescalings_are_named():
    model = batch_norm_net()
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="factor: got"):
            lnb.rescale_relu(model, "hidden.1", "hidden.4", bad)
    with pytest.raises(ValueError, match=r"first: got 'hidden.0', the model has 'hidden.1', 'hidden.4', 'linear'"):
        lnb.rescale_relu(model, "hidden.0", "hidden.4", 2.0)
    with pytest.raises(ValueError, match=r"norm: got 'hidden.1', the model has 'hidden.2', 'hidden.5'"):
        lnb.rescale_batch_norm(model, "hidden.1", "hidden.1", 2.0)


@pytest.mark.parametrize("method", ["none", "weight", "layer", "filter", "unit-layer", "unit-filter"])
def test_orthogonal_directions_are_orthogonal_and_still_normalized(method):
    model = convolutional()
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
    model = convolutional()
    directions = lnb.random_directions(model, 2, orthogonal=True)
    for group in redrawn(directions, lnb.parameters_of(model), 3):
        assert abs(lnb.cosines(group)[0, 1]) < 1e-6


def test_dead_filters_are_reported():
    model = convolutional()
    name = next(name for name, weight in model.named_parameters() if weight.ndim > 1)
    with torch.no_grad():
        model.get_parameter(name)[[1, 2]] = 0.0
    found = lnb.dead_filters(lnb.parameters_of(model))
    assert set(found[name]) >= {1, 2}
    (direction,) = lnb.random_directions(model, 1)
    assert not direction[name][[1, 2]].any()
    wide = {n: numbers for n, numbers in found.items() if model.get_parameter(n).ndim > 1}
    assert direction.made["dead_filters"] == sum(map(len, wide.values()))
    (none,) = lnb.random_directions(model, 1, normalize="none")
    assert "dead_filters" not in none.made


def test_relative_steps_are_those_of_each_filter_and_of_each_layer():
    reference = {"conv": torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]]), "bias": torch.tensor([2.0])}
    direction = {"conv": torch.tensor([[0.0, 5.0], [7.0, 0.0], [1.0, 0.0]]), "bias": torch.tensor([0.0])}
    assert lnb.relative_steps(direction, reference) == (0.5, 1.0)
    (both,) = set(lnb.relative_steps(direction, reference, "layer"))
    assert both == pytest.approx((75 / 29) ** 0.5)
    assert all(map(math.isnan, lnb.relative_steps({name: 0 * d for name, d in direction.items()}, reference)))
    with pytest.raises(ValueError, match="method: got 'none', wants one of 'filter', 'layer'"):
        lnb.relative_steps(direction, reference, "none")


@pytest.mark.parametrize("format", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_a_zero_filter_of_a_direction_stays_zero_in_every_number_format(method, format):
    generator = torch.Generator().manual_seed(0)
    d, w = (torch.randn(4, 6, generator=generator).to(format) for _ in range(2))
    d[1] = 0
    zero = torch.zeros(3, 2, dtype=format)
    normalized = lnb.normalize_direction({"d": d, "zero": zero}, {"d": w, "zero": zero + 1}, method)
    assert {tensor.dtype for tensor in normalized.values()} == {format}
    assert not normalized["d"][1].any()
    assert not normalized["zero"].any()
    kept = [0, 2, 3]
    expected = (
        by_hand(d.double().numpy(), w.double().numpy(), method)
        if method in ("layer", "unit-layer")
        else by_hand(d[kept].double().numpy(), w[kept].double().numpy(), method)
    )
    found = normalized["d"].double().numpy()
    rtol = 2 * torch.finfo(format).eps + 1e-9
    np.testing.assert_allclose(found if len(expected) == 4 else found[kept], expected, rtol=rtol)


@pytest.mark.parametrize("size", [1e-25, 1e25])
@pytest.mark.parametrize("method", ["filter", "layer"])
def test_weights_whose_squares_leave_the_number_format_have_norms(method, size):
    w = {"w": torch.full((2, 4), size)}
    d = lnb.normalize_direction({"w": torch.ones(2, 4)}, w, method)
    np.testing.assert_allclose(d["w"] / size, 1.0, rtol=1e-5)
    assert lnb.relative_steps(d, w, method) == pytest.approx((1, 1))
    assert lnb.dead_filters(w) == {}


def test_a_half_precision_direction_takes_the_scale_of_wider_weights():
    d = lnb.normalize_direction({"w": torch.ones(2, 4).half()}, {"w": torch.full((2, 4), 1e6)})
    np.testing.assert_allclose(d["w"], 1e6, rtol=1e-6)


def test_a_direction_of_whole_numbers_is_normalized():
    d, w = {"w": torch.tensor([[3, 4]])}, {"w": torch.tensor([[1.0, 0.0]])}
    np.testing.assert_allclose(lnb.normalize_direction(d, w)["w"], [[0.6, 0.8]], rtol=1e-6)
    assert lnb.relative_steps(d, w) == lnb.relative_steps(d, w, "layer") == pytest.approx((5, 5))
