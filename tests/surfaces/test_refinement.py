"""What a plane's refinement measures next, and how it counts errors; as part of a plane it is in test_progressive."""

import numpy as np
import pytest

from landscape_nb.surfaces.refinement import Refinement
from landscape_nb.surfaces.subsample import Estimate

AXES = {"alpha": np.linspace(-1, 1, 25), "beta": np.linspace(0, 1, 13)}


def refined(values, unit=None, error=0.01, most=20):
    plane = Refinement(AXES, ["height"], error, 0, unit)
    for _ in range(most):
        for number in plane.next_points():
            value = float(values(*plane.coords(number)))
            plane.add(number, Estimate({"height": value}, {"height": 0.0}, 0.0, 1))
        plane.interpolate()
        if plane.finished():
            break
    return plane


def errors_of(plane, values):
    a, b = np.meshgrid(*AXES.values(), indexing="ij")
    return plane.value_at(plane.heights), values(a, b).ravel()


def test_a_coarse_grid_with_its_corners_comes_first():
    plane = Refinement(AXES, ["height"], 0.01, 0)
    points = plane.next_points()
    assert {0, 12, 24 * 13, 24 * 13 + 12} <= set(points)
    assert len(points) == len(set(points)) == 7 * 7


def test_no_point_is_asked_for_twice():
    plane = refined(lambda a, b: np.exp(3 * np.sin(5 * a) * b), error=1e-9)
    assert plane.finished() == "complete"
    assert len(plane.estimates) == plane.size == 25 * 13


@pytest.mark.parametrize("unit", [None, 0.5])
def test_errors_are_of_the_logarithm_or_of_the_value_in_a_unit(unit):
    values = lambda a, b: 1 + 0.3 * np.sin(4 * a) * b  # noqa: E731
    plane = refined(values, unit, 0.02)
    found, wanted = errors_of(plane, values)
    apart = (found - wanted) / unit if unit else np.log10(found) - np.log10(wanted)
    assert np.sqrt((apart**2).mean()) < 0.02
    assert plane.estimated_error < 0.02


def test_a_unit_takes_values_of_either_sign():
    values = lambda a, b: a + b - 0.5  # noqa: E731
    found, wanted = errors_of(refined(values, 1.0), values)
    np.testing.assert_allclose(found, wanted, atol=0.05)
