"""Between measured points a spline is nearer to the surface than straight lines, and invents nothing."""

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

import landscape_nb as lnb
from landscape_nb.plotting.smooth import smooth

AXIS = np.linspace(-1, 1, 9)


SMALL = np.array([-128, -90, -50, -20, 0, 30, 60, 90, 127], "int8")


@pytest.mark.parametrize(
    "axis",
    [AXIS, AXIS[::-1], np.sinh(AXIS), np.arange(9, dtype="uint8")[::-1], SMALL],
    ids=["up", "down", "uneven", "unsigned", "small"],
)
def test_measured_points_keep_their_heights(axis):
    heights = np.random.default_rng(0).normal(size=(9, 9))
    (rows, columns), found = smooth((axis, axis), heights, cells=30)
    np.testing.assert_allclose(rows[::4], axis)
    np.testing.assert_allclose(columns[::4], axis)
    np.testing.assert_allclose(found[::4, ::4], heights)


def test_every_second_point_of_a_shipped_plane_gives_back_the_others():
    plane = lnb.shipped_planes("05")["ResNet-56"]
    axis, wanted = plane.alpha.values, np.log10(plane.loss.transpose("alpha", "beta").values)
    coarse = axis[::2], axis[::2]
    (rows, columns), found = smooth(coarse, wanted[::2, ::2], cells=50)
    np.testing.assert_allclose(rows, axis)
    lines = RegularGridInterpolator(coarse, wanted[::2, ::2])(np.stack(np.meshgrid(rows, columns, indexing="ij"), -1))
    by_spline, by_lines = (np.sqrt(np.mean((each - wanted) ** 2)) for each in (found, lines))
    assert by_spline < by_lines / 2


def test_nothing_is_higher_or_lower_than_what_was_measured():
    cliff = np.where(AXIS[:, None] + AXIS > 0.1, 9.0, 0.0) + np.random.default_rng(0).normal(size=(9, 9))
    found = smooth((AXIS, AXIS), cliff, cells=100)[1]
    assert found.min() == cliff.min()
    assert found.max() == cliff.max()


def test_a_cell_with_a_missing_corner_is_missing_and_its_neighbours_are_not():
    heights = np.zeros((9, 9))
    heights[4, 4] = np.inf
    found = smooth((AXIS, AXIS), heights, cells=32)[1]
    missing = np.zeros((33, 33), bool)
    missing[13:20, 13:20] = True
    np.testing.assert_array_equal(np.isnan(found), missing)


def test_nothing_finite_stays_so():
    nothing = np.full((9, 9), np.nan)
    assert smooth((AXIS, AXIS), nothing, cells=32)[1] is nothing
