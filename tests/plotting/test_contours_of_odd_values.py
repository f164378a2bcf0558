"""Planes below zero, nowhere finite, constant, or given in other ways are drawn sensibly."""

import numpy as np
import pytest
import xarray as xr
from helpers import AXIS, BOWL, PLANES, plane_of

import landscape_nb as lnb
from landscape_nb import plotting
from landscape_nb._common.levels import choose_levels

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("name", PLANES)
def test_every_kind_of_plane_is_drawn_and_judged(name, tmp_path):
    odd = PLANES[name]
    figures = [plotting.plot_contours(odd), plotting.plot_contours(odd, levels=5), plotting.plot_surfaces(odd)]
    figures.append(plotting.plot_lines(odd.isel(alpha=0), log=True))
    for figure in figures:
        figure.draw_without_rendering()
    plotting.plotly_surface(odd).write_html(tmp_path / "figure.html", include_plotlyjs=False)
    assert str(lnb.diagnose(odd))
    assert str(lnb.diagnose(odd, levels=10))


@pytest.mark.parametrize("name", ["nowhere finite", "all infinite"])
def test_a_plane_without_a_finite_value_says_so(name):
    odd = PLANES[name]
    together = {"fine": PLANES["bowl"], "odd": odd}
    contours, surfaces = plotting.plot_contours(together).axes[1], plotting.plot_surfaces(together).axes[1]
    line = plotting.plot_lines(odd.isel(beta=0)).axes[0]
    for panel in (contours, surfaces, line):
        assert "no finite loss" in [text.get_text() for text in panel.texts]
    assert contours.patch.get_hatch()
    assert not plotting.plot_contours(together).axes[0].patch.get_hatch()
    assert "no finite loss" in plotting.plotly_surface(odd).layout.annotations[0].text
    (finding,) = lnb.diagnose(odd)
    assert (finding.code, finding.severity) == ("not-finite", "problem")
    assert "no finite loss" in finding.text


def test_contours_of_a_loss_below_zero_lie_where_it_has_their_values():
    """On the circle α² + β² = r² the loss is r² − 9.5."""
    fine = np.linspace(-1, 1, 101)
    bowl = xr.Dataset({"loss": (("alpha", "beta"), fine[:, None] ** 2 + fine**2 - 9.5)}, {"alpha": fine, "beta": fine})
    panel = plotting.plot_contours(bowl).axes[0]
    levels, paths = panel.collections[1].levels, panel.collections[1].get_paths()
    assert -9.5 < levels[0] < levels[-1] < -7.5
    for level, path in zip(levels, paths, strict=True):
        np.testing.assert_allclose((path.vertices**2).sum(1) - 9.5, level, atol=1e-3)


def test_a_loss_below_zero_has_linear_heights_and_an_axis_that_says_so():
    both = plotting.plot_surfaces({"one": PLANES["bowl"], "two": PLANES["below zero"]}).axes
    assert [panel.get_zlabel() for panel in both] == ["loss", "loss"]
    assert both[0].get_zlim() == pytest.approx((-9.5, 2.5))
    assert "log" in plotting.plot_surfaces(PLANES["bowl"]).axes[0].get_zlabel()
    np.testing.assert_allclose(plotting.plotly_surface(PLANES["below zero"]).data[0].z, BOWL.T - 10)
    assert plotting.plot_lines(PLANES["below zero"].isel(beta=0), log=True).axes[0].get_yscale() == "linear"


def test_levels_are_shared_by_all_planes():
    figure = plotting.plot_contours([plane_of(BOWL), plane_of(BOWL * 100)], levels=9)
    first, second = (panel.collections[0].levels for panel in figure.axes[:2])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(10**first, choose_levels(9, [BOWL, BOWL * 100]))


@pytest.mark.parametrize(("beta", "aspect"), [(1, 1), (3, 1), (0.3, 1), (10, "auto"), (0.01, "auto")])
def test_axes_are_to_scale_unless_that_leaves_a_sliver(beta, aspect):
    panel = plotting.plot_contours(plane_of(BOWL).assign_coords(beta=beta * AXIS)).axes[0]
    assert panel.get_aspect() == aspect
