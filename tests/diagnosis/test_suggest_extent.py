"""Suggested extents are right: where a bowl is too wide or too narrow, and where there is no number to interpolate."""

import numpy as np
import pytest
from helpers import bowl
from helpers import judged_line as line
from helpers import judged_plane as plane
from helpers import only_finding as only
from helpers import suggested_extents as numbers

from landscape_nb.diagnosis.diagnose import diagnose


@pytest.mark.parametrize("scale", [1, 1e-2])
@pytest.mark.parametrize("points", [11, 12, 51])
def test_too_wide_a_bowl_is_cut_where_it_crosses_the_last_level(scale, points):
    """0.01 + 6α² + 5β² = 9.6 at α = 1.26 and β = 1.38."""
    found = diagnose(plane(lambda a, b: bowl(a / scale, b / scale), (-20 * scale, 20 * scale), points))
    assert found.codes == ["too-wide"]
    better = np.broadcast_to(numbers(found[0].suggestion), (2, 2))
    np.testing.assert_allclose(better, scale * np.array([[-1.264, 1.264], [-1.385, 1.385]]), rtol=0.2)
    assert diagnose(plane(lambda a, b: bowl(a / scale, b / scale), better)).codes == []


def test_too_wide_for_other_levels_and_for_a_steep_rim():
    assert diagnose(plane()).codes == []
    found = diagnose(plane(), levels=(0.1, 0.2, 0.3, 0.4))
    assert found.codes == ["too-wide"]
    np.testing.assert_allclose(numbers(found[0].suggestion), [(-0.255, 0.255), (-0.279, 0.279)], rtol=0.2)
    steep = plane(lambda a, b: 0.01 + (np.maximum(np.abs(a), np.abs(b)) / 0.85) ** 60)
    assert diagnose(steep).codes == ["too-wide"]
    assert float((steep.loss > 9.6).mean()) < 2 / 3


def test_an_off_centre_extent_is_cut_on_either_side():
    found = diagnose(plane(lambda a, b: a**2 + 4 * b**2, [(-5, 50), (-30, 30)], 111), levels=(0.1, 1, 4))
    np.testing.assert_allclose(numbers(found[0].suggestion), [(-2, 2), (-1, 1)], rtol=0.2)


def test_low_axes_between_high_corners_are_halved():
    found = diagnose(plane(lambda a, b: 1000 * np.abs(a * b), (-4, 4)))
    assert found.codes == ["too-wide"]
    assert numbers(found[0].suggestion) == [(-2, 2)]


def test_beyond_a_wall_there_is_no_number_to_interpolate():
    found = diagnose(plane(lambda a, b: np.where(a**2 + b**2 < 2.05**2, a**2 + b**2, np.inf), (-10, 10)))
    finding = only(found, "too-wide")
    assert "not finite" in finding.text
    assert numbers(finding.suggestion) == [(-2.5, 2.5)]


@pytest.mark.parametrize("extent", [(-0.1, 0.1), (-0.03, 0.03)])
def test_too_narrow_a_bowl_is_widened_to_where_it_would_cross(extent):
    found = diagnose(plane(lambda a, b: 1 + 2 * a**2 + 3 * b**2, extent))
    assert found.codes == ["too-narrow"]
    np.testing.assert_allclose(numbers(found[0].suggestion), [(-2.07, 2.07), (-1.69, 1.69)], rtol=0.05)
    assert diagnose(plane(lambda a, b: 1 + 2 * a**2 + 3 * b**2, numbers(found[0].suggestion))).codes == []


def test_a_line_is_widened_and_cut_too():
    found = diagnose(line(lambda a: a**2, (-0.2, 0.2)))
    assert found.codes == ["too-narrow"]
    assert "the line looks flat" in found[0].text
    np.testing.assert_allclose(numbers(found[0].suggestion), [(-3.1, 3.1)], rtol=0.05)
    found = diagnose(line(lambda a: a**2, (0, 0.2)))
    np.testing.assert_allclose(numbers(found[0].suggestion), [(0, 3.1)], rtol=0.05)
    found = diagnose(line(lambda a: a**2, (-50, 50)))
    np.testing.assert_allclose(numbers(found[0].suggestion), [(-3.1, 3.1)], rtol=0.2)


@pytest.mark.parametrize("function", [lambda a, b: 1 + 0 * a, lambda a, b: 1 + 1e-9 * (a**2 + b**2)])
def test_without_growth_the_extent_is_made_ten_times_as_wide(function):
    found = diagnose(plane(function))
    assert found.codes == ["too-narrow"]
    assert numbers(found[0].suggestion) == [(-10, 10)]
    assert "look again" in found[0].suggestion
