"""Coordinates are the numbers that a person would type, and losses are measured there."""

import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb
from landscape_nb.surfaces.grid import make_axes


def axis(extent, points):
    (found,) = make_axes(extent, points, 1)
    return found


@given(st.integers(-500, 500), st.integers(1, 40), st.integers(2, 120), st.integers(0, 6))
def test_where_the_step_is_a_short_decimal_so_is_every_coordinate(first, step, points, digits):
    """The oracle is decimal arithmetic, as on paper."""
    typed = [Decimal(first + step * i).scaleb(-digits) for i in range(points)]
    found = axis((float(typed[0]), float(typed[-1])), points)
    assert found.tolist() == [float(number) for number in typed]


@pytest.mark.parametrize(
    "extent",
    [(-1, 1), (-0.5, 1.5), (-math.pi / 3, math.pi / 3), (-1 / 3, 1), (-3 * 0.1, 3 * 0.1), (0, 1e-20), (-1e9, 7)],
)
@pytest.mark.parametrize("points", [2, 3, 7, 41, 51, 1001])
def test_axes_run_evenly_from_end_to_end(extent, points):
    found = axis(extent, points)
    low, high = extent
    assert (found[0], found[-1]) == (low, high)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(found, np.linspace(low, high, points), rtol=0, atol=1e-12 * (high - low))
    if low == -high:
        np.testing.assert_array_equal(found, -found[::-1])


@pytest.mark.parametrize(
    ("extent", "points", "at"), [((-1 / 3, 1), 5, 1), ((-0.1, 3 * 0.1), 5, 1), ((-0.7, 0.7), 15, 7)]
)
def test_zero_is_zero(extent, points, at):
    assert axis(extent, points)[at] == 0


def test_ends_with_a_rounding_error_have_round_numbers_between_them():
    assert axis((-3 * 0.1, 3 * 0.1), 7).tolist() == [-3 * 0.1, -0.2, -0.1, 0, 0.1, 0.2, 3 * 0.1]


def test_an_extent_too_short_for_its_points_is_named():
    with pytest.raises(ValueError, match="extent: got .* too short for 51 different numbers"):
        axis((1, 1 + 1e-15), 51)


def measured(objective, directions, how):
    if how == "plane":
        return lnb.evaluate_plane(objective, directions, (-1, 1), 21, progress=False)
    if how == "progressive":
        return list(lnb.progressive_plane(objective, directions, (-1, 1), 21, seconds=0.01, progress=False))[-1]
    if how == "map":
        return lnb.curvature_map(objective, directions, (-1, 1), (21, 2), progress=False)
    if how == "line":
        return lnb.evaluate_line(objective, directions[0], (-1, 1), 21, progress=False)
    return lnb.interpolate(objective, objective.origin, directions[0], (-1, 1), 21, progress=False)


@pytest.mark.parametrize("how", ["plane", "progressive", "map", "line", "interpolation"])
def test_a_typed_coordinate_is_found_and_measured_there(how):
    """0.1, 0.3 and 0.7 are what np.linspace(-1, 1, 21) misses."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False).double()
    objective = lnb.Objective(model, (torch.eye(3).double(), torch.zeros(3, 1).double()), nn.functional.mse_loss)
    directions = lnb.random_directions(model, 2)
    found = measured(objective, directions, how)
    for typed in (0.1, 0.3, 0.7, -0.4):
        found.sel(alpha=typed)
    if how in ("plane", "line"):
        coords = {"alpha": 0.3} | ({"beta": 0.7} if how == "plane" else {})
        there = lnb.move(objective.origin, directions[: len(coords)], tuple(coords.values()))
        assert found.loss.sel(**coords).item() == pytest.approx(objective(there)["loss"], rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extent": (1, -1)}, r"extent: got \(1, -1\), wants finite low < high"),
        ({"extent": (0, float("inf"))}, "extent"),
        ({"extent": 3}, "extent: got 3"),
        ({"extent": [(0, 1)] * 3}, "extent: got 3 of them for 2 axes"),
        ({"extent": ("a", "b")}, "extent"),
        ({"resolution": 0}, "resolution: got 0, wants a whole number from 2 up"),
        ({"resolution": 2.5}, "resolution: got 2.5"),
        ({"resolution": True}, "resolution: got True"),
        ({"resolution": (3, 3, 3)}, "resolution: got 3 of them for 2 axes"),
    ],
)
def test_bad_grids_are_named_before_anything_is_measured(objective, monkeypatch, settings, message):
    directions = lnb.random_directions(objective.origin, 2)
    monkeypatch.setattr(lnb.Objective, "__call__", lambda *_: pytest.fail("measured"))
    with pytest.raises(ValueError, match=message):
        lnb.evaluate_plane(objective, directions, progress=False, **settings)
