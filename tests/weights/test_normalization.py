"""Normalization against a filter-by-filter loop in NumPy."""

import math

import numpy as np
import pytest
import torch
from helpers import batch_norm_net, resnet20
from hypothesis import given, settings
from hypothesis import strategies as st

import landscape_nb as lnb
from landscape_nb.weights.normalization import METHODS


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
    model = resnet20()
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


def test_dead_filters_are_reported():
    model = resnet20()
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
