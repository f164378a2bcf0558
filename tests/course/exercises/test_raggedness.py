"""Exercises on raggedness: right answers are right, usual mistakes have hints of their own."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from landscape_nb import exercises


@pytest.fixture
def plane():
    axis = np.linspace(-1, 1, 15)
    loss = np.random.default_rng(0).lognormal(size=(15, 15))
    return xr.Dataset({"loss": (("alpha", "beta"), loss)}, {"alpha": axis, "beta": axis})


def minima(loss, footprint):
    lowest = ndimage.minimum_filter(loss, footprint=footprint, mode="nearest") == loss
    return int(lowest[1:-1, 1:-1].sum())


def test_exercise_local_minima(plane):
    check = exercises.check_local_minima
    eight, four = (minima(plane.loss.values, ndimage.generate_binary_structure(2, n)) for n in (2, 1))
    assert four > eight > 1
    assert f"{eight} pits" in check(eight, plane).text
    assert check(eight, plane).right
    assert "corners" in check(four, plane).text
    assert "eight shifted" in check(four + eight, plane).text
    assert not check("many", plane).right
    assert not check(..., plane).right


def test_exercise_neighbour_rms(plane):
    check = exercises.check_neighbour_rms
    mean_of_four = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4

    def rms(height):
        return float(np.sqrt(((height - ndimage.convolve(height, mean_of_four))[1:-1, 1:-1] ** 2).mean()))

    right = rms(np.log(plane.loss.values))
    assert check(right, plane).right
    assert "root" in check(right**2, plane).text
    assert "logarithm" in check(rms(plane.loss.values), plane).text
    assert "shifted copies" in check(2 * right, plane).text
    assert not check(..., plane).right
