"""Surfaces share their height, and hold the values where they are."""

import numpy as np
import pytest
from helpers import plane_over

from landscape_nb import plotting


def test_surfaces_share_their_height_and_are_cut_at_the_top():
    planes = {"low": plane_over(lambda a, b: 0.01 + a**2), "high": plane_over(lambda a, b: 1e6 * (1 + a**2))}
    figure = plotting.plot_surfaces(planes, top=100)
    assert len({axes.get_zlim() for axes in figure.axes}) == 1
    np.testing.assert_allclose(figure.axes[0].get_zlim(), (-2, 2), atol=1e-6)


def test_plotly_surface_holds_the_values_where_they_are():
    data = plane_over(lambda a, b: 1 + a + 10 * (b + 2))
    surface = plotting.plotly_surface(data, log=False).data[0]
    assert np.shape(surface.z) == (13, 9)
    assert surface.z[12][0] == pytest.approx(data.loss.sel(alpha=-1, beta=2).item())
    assert surface.x[0] == -1
    assert surface.y[12] == 2
