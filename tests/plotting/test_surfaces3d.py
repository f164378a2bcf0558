"""Surfaces share their height, and hold the values where they are."""

import numpy as np
import pytest
from helpers import plane_over
from matplotlib.colors import ListedColormap

from landscape_nb import plotting


def test_surfaces_share_their_height_and_are_cut_at_the_top():
    planes = {"low": plane_over(lambda a, b: 0.01 + a**2), "high": plane_over(lambda a, b: 1e6 * (1 + a**2))}
    figure = plotting.plot_surfaces(planes, top=100)
    assert len({axes.get_zlim() for axes in figure.axes}) == 1
    np.testing.assert_allclose(figure.axes[0].get_zlim(), (-2, 2), atol=1e-6)


def test_figures_of_other_planes_get_the_same_scale():
    low, high = plane_over(lambda a, b: 0.02 + a**2), plane_over(lambda a, b: 3 + 1e4 * a**2)
    for plane in (low, high):
        assert plotting.plot_surfaces(plane, bottom=0.1, top=40).axes[0].get_zlim() == pytest.approx(
            (-1, np.log10(40)), abs=1e-6
        )


def test_of_the_two_sides_of_a_roof_one_is_in_the_shade():
    roof = plane_over(lambda a, b: 10.0 ** -np.abs(a) + 0 * b, a=np.linspace(-1, 1, 9))
    grey = ListedColormap(["#808080"])
    red = plotting.plot_surfaces(roof, cmap=grey).axes[0].collections[0].get_facecolors()[:, 0]
    shade, light = np.quantile(red, (0.25, 0.75))
    assert shade < 0.8 * light
    flat = plane_over(lambda a, b: 1 + 0 * a + 0 * b)
    assert np.ptp(plotting.plot_surfaces(flat, cmap=grey).axes[0].collections[0].get_facecolors()[:, 0]) < 1e-6


def brightness(plane):
    return plotting.plot_surfaces(plane, cmap=ListedColormap(["#808080"])).axes[0].collections[0].get_facecolors()[:, 0]


def test_the_light_does_not_depend_on_the_order_of_the_points_or_on_holes():
    ramp = plane_over(lambda a, b: 10.0**a + 0 * b)
    bright = brightness(ramp)
    np.testing.assert_allclose(bright, bright[0])
    np.testing.assert_allclose(brightness(ramp.isel(alpha=slice(None, None, -1))), bright[0])
    ramp.loss[4, 5] = np.nan
    holed = brightness(ramp)
    np.testing.assert_allclose(holed[holed > 0], bright[0], rtol=0.1)
