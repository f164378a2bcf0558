"""Checks of the exercises on lines between two points."""

import numpy as np
import pytest
import torch
import xarray as xr

import landscape_nb as lnb
from landscape_nb import exercises


def test_exercise_barrier():
    a = np.linspace(-0.5, 1.5, 9)
    line = xr.Dataset({"loss": ("alpha", [9.0, 3.0, 1.0, 4.0, 6.0, 5.0, 2.0, 4.0, 12.0])}, {"alpha": a})

    def check(answer):
        return exercises.check_barrier(answer, line)

    assert check(4.0).right
    assert "above the higher end" in check(6.0).text
    assert "between" in check(10.0).text
    assert "higher end" in check(5.0).text
    assert "higher end" in check(4.5).text
    assert "sel(" in check(1.0).text
    assert "Replace" in check(...).text


@pytest.fixture
def run():
    net = torch.nn.Linear(2, 1, bias=False)
    states = [{"weight": torch.tensor([point])} for point in ([0.0, 0.0], [1.0, 1.0], [3.0, 0.5], [4.0, 0.0])]
    return lnb.Trajectory(net, [0, 1, 2, 3], states, [], {})


def test_exercise_detour(run):
    def check(answer):
        return exercises.check_detour(answer, run)

    assert check(0.25).right
    assert "divide" in check(1.0).text
    assert "percentage" in check(25.0).text
    assert "at most" in check(1.5 / 4 / 4).text
    assert "project" in check(0.7).text
    assert "Replace" in check(...).text
