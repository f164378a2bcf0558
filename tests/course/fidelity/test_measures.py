"""Numbers that are read off curves and planes whose answers are known."""

import numpy as np
import pytest
import xarray as xr

from landscape_nb.course.fidelity.measures import (
    border,
    change_with_the_sample,
    minima,
    rise_at_half,
    rises,
    spread,
)


def test_measures_of_known_curves():
    alpha = np.linspace(-0.5, 1.5, 41)
    line = xr.Dataset({"loss": ("alpha", 3 * alpha)}, {"alpha": alpha})
    assert rises(line) == pytest.approx([0.15, -0.15])
    alpha = np.linspace(-1, 1, 5)
    lines = xr.Dataset({"loss": (("repeat", "alpha"), np.array([[1.0], [3.0]]) * alpha**2 + 1)}, {"alpha": alpha})
    assert rise_at_half(lines) == pytest.approx(0.5)
    flat = xr.Dataset({"loss": (("repeat", "alpha"), [[1.0, 1.0], [100.0, 100.0]])})
    assert spread(flat) == pytest.approx(1.0)
    plane = xr.Dataset({"loss": (("alpha", "beta"), np.pad(np.zeros((3, 3)), 1, constant_values=7.0))})
    assert border(plane) == 7


def test_minima_of_nothing_are_not_a_number():
    nothing = xr.Dataset({"loss": (("alpha", "beta"), np.full((5, 5), np.nan))})
    assert np.isnan(minima(nothing))


def test_the_change_with_the_sample_is_that_of_two_maps():
    maps = {"map-5-100": [[0.1, 0.5], [0.2, 0.4]], "map-5-100-1": [[0.1, 0.3], [0.6, 0.4]]}

    def results(role, product):
        return xr.Dataset({"ratio": (("alpha", "beta"), maps[product])}) if role == "there" else None

    assert change_with_the_sample("there", "absent")(results) == [pytest.approx((0.2 / 4) ** 0.5), None]
