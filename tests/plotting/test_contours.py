"""Figures show what the Dataset holds, where it is, and say where there is nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from helpers import plane_over
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

import landscape_nb as lnb
from landscape_nb import plotting


def test_contours_put_alpha_across_and_beta_up():
    """A valley along β at α = 0.5: its lowest contour is narrow in x and as high as the panel in y."""
    figure = plotting.plot_contours(plane_over(lambda a, b: (a - 0.5) ** 2 + 0 * b), levels=[0.05, 0.3, 1])
    panel = figure.axes[0]
    assert panel.get_xlabel().startswith("α")
    assert panel.get_ylabel().startswith("β")
    lowest = panel.collections[1].get_paths()[0].vertices
    assert np.abs(np.abs(lowest[:, 0] - 0.5).max() - np.sqrt(0.05)) < 0.05
    assert np.ptp(lowest[:, 1]) == pytest.approx(4)


def test_contours_lie_where_the_logarithm_crosses():
    steep = plane_over(lambda a, b: 10.0 ** (4 * a) + 0 * b, a=np.linspace(-1, 1, 5))
    panel = plotting.plot_contours(steep, levels=[0.1, 1, 10]).axes[0]
    found = sorted({round(float(x), 6) for path in panel.collections[1].get_paths() for x in path.vertices[:, 0]})
    np.testing.assert_allclose(found, [-0.25, 0, 0.25], atol=1e-6)


def test_without_the_logarithm_contours_lie_where_the_values_cross():
    """A slope of 3 + 2 α, whose values are straight lines between five points and whose logarithms are not."""
    slope = plane_over(lambda a, b: 3 + 2 * a + 0 * b, a=np.linspace(-1, 1, 5))
    figure = plotting.plot_contours(slope, levels=3, log=False)
    drawn = figure.axes[0].collections[1]
    np.testing.assert_allclose(drawn.levels, [2, 3, 4])
    found = sorted({round(float(x), 6) for path in drawn.get_paths() for x in path.vertices[:, 0]})
    np.testing.assert_allclose(found, [-0.5, 0, 0.5], atol=1e-6)


def test_panels_share_levels_and_colours():
    planes = {"low": plane_over(lambda a, b: a**2 + b**2), "high": plane_over(lambda a, b: 5 + a**2 + b**2)}
    figure = plotting.plot_contours(planes)
    first, second = (axes.collections[0] for axes in figure.axes[:2])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["low", "high"]
    np.testing.assert_array_equal(first.levels, second.levels)
    assert (first.norm.vmin, first.norm.vmax) == (second.norm.vmin, second.norm.vmax)
    assert len(figure.axes) == 3


def test_the_papers_levels_are_the_default():
    assert plotting.PAPER_LEVELS[:3] == (0.1, 0.6, 1.1)
    assert plotting.PAPER_LEVELS[-1] == 9.6
    levels = plotting.plot_contours(plane_over(lambda a, b: a**2 + b**2)).axes[0].collections[0].levels
    np.testing.assert_allclose(10**levels, plotting.PAPER_LEVELS)


def test_what_is_not_finite_is_marked():
    broken = plane_over(lambda a, b: np.where(a > 0.5, np.nan, np.where(b > 1, np.inf, a**2 + b**2)))
    panel = plotting.plot_contours(broken).axes[0]
    assert panel.patch.get_hatch()
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["not finite"]
    whole = plotting.plot_contours(plane_over(lambda a, b: a**2 + b**2)).axes[0]
    assert whole.get_legend() is None
    line = xr.Dataset({"loss": ("alpha", [1.0, np.nan, 2.0])}, {"alpha": [0.0, 1.0, 2.0]})
    assert len(plotting.plot_lines(line).axes[0].patches) == 1
    assert np.isfinite(plotting.plot_surfaces(broken).axes[0].get_zlim()).all()


def test_nothing_to_draw_is_named():
    with pytest.raises(ValueError, match="got no Dataset"):
        plotting.plot_lines({})
    with pytest.raises(ValueError, match="alt: got an empty text"):
        lnb.show(plt.figure(), alt=" ")


def test_labels_of_contours_stand_on_them_and_in_nobodys_way():
    panel = plotting.plot_contours(plane_over(lambda a, b: np.exp(3 * a + b))).axes[0]
    places = np.array([label.get_position() for label in panel.texts])
    assert len(places) > 3
    for label, (x, y) in zip(panel.texts, places, strict=True):
        assert np.exp(3 * x + y) == pytest.approx(float(label.get_text()), rel=0.3)
    shares = (places - [-1, -2]) / [2, 4]
    assert np.abs(shares - 0.5).max() < 0.45
    apart = np.linalg.norm(shares[:, None] - shares, axis=-1) + np.eye(len(shares))
    assert apart.min() > 0.05


@pytest.mark.parametrize("levels", [(0, 0.5, 1), np.linspace(-1, 1, 11)])
def test_levels_from_zero_or_below_are_drawn_as_they_are(levels):
    figure = plotting.plot_contours(plane_over(lambda a, b: a + b / 2), levels=levels)
    assert figure.axes[0].texts
    for label in figure.axes[0].texts:
        x, y = label.get_position()
        assert x + y / 2 == pytest.approx(float(label.get_text()), abs=0.05)


def luminance(colour):
    """Relative luminance as the WCAG define it."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_labels_of_contours_stand_out_from_the_colours_beside_them():
    levels = np.linspace(0.1, 9.6, 20)
    figure = plotting.plot_contours(plane_over(lambda a, b: np.exp(3 * a + b)), levels=levels)
    colours = plt.get_cmap("viridis")(np.linspace(0, 1, len(levels) + 1))[:, :3]
    for label in figure.axes[0].texts:
        above = np.abs(levels - float(label.get_text())).argmin() + 1
        light, dark = sorted((luminance(label.get_color()), luminance(colours[above - 1 : above + 1].mean(0))))[::-1]
        assert (light + 0.05) / (dark + 0.05) > 3


def test_contours_of_a_spike_that_leave_no_room_have_no_labels():
    panel = plotting.plot_contours(plane_over(lambda a, b: 1e4 * (a**2 + b**2), np.linspace(-1, 1, 201))).axes[0]
    assert not panel.texts


def test_levels_are_written_out_up_to_a_million():
    figure = plotting.plot_contours(plane_over(lambda a, b: 1e6 * (a**2 + b**2)), levels=[0.1, 1000, 100000])
    assert [text.get_text() for text in figure.axes[-1].get_yticklabels()] == ["0.1", "100000"]


def test_measured_points_are_drawn_on_request():
    bowl = plane_over(lambda a, b: 0.01 + a**2 + b**2)
    dots = [line for line in plotting.plot_contours(bowl, points=True).axes[0].lines if line.get_marker() == "."]
    assert len(dots) == 1
    found = set(zip(*dots[0].get_data(), strict=True))
    assert found == {(a, b) for a in bowl.alpha.values for b in bowl.beta.values}
    assert not [line for line in plotting.plot_contours(bowl).axes[0].lines if line.get_marker() == "."]


def test_what_was_filled_in_is_not_drawn_as_measured():
    bowl = plane_over(lambda a, b: 0.01 + a**2 + b**2)
    bowl["measured"] = bowl.loss.copy(data=np.zeros(bowl.loss.shape, bool))
    bowl.measured[2, 5] = True
    panel = plotting.panels(1)[1][0]
    plotting.draw_contours(panel, bowl, points=True)
    for drawn in (panel, plotting.plot_contours(bowl, points=True).axes[0]):
        (dots,) = (line for line in drawn.lines if line.get_marker() == ".")
        assert dots.get_xydata().tolist() == [[bowl.alpha.values[2], bowl.beta.values[5]]]


def test_a_round_bowl_has_round_contours_though_few_points_are_measured():
    bowl = plane_over(lambda a, b: np.exp(4 * (a**2 + b**2)), a=np.linspace(-1, 1, 9), b=np.linspace(-1, 1, 9))
    path = plotting.plot_contours(bowl, levels=[np.exp(1.0), 50]).axes[0].collections[1].get_paths()[0]
    radii = np.linalg.norm(path.vertices, axis=1)
    np.testing.assert_allclose(radii, 0.5, atol=0.008)  # straight lines are off by 0.016


@pytest.mark.parametrize("count", [2, 3])
def test_one_draw_leaves_labels_whole_and_the_title_above_the_panels(count):
    """A picture is drawn once (`png`); at a first pass panels of equal aspect are not yet where they end."""
    bowl = plane_over(
        lambda a, b: 20 * (a**2 + b**2) + 0.05, a=np.linspace(-0.5, 0.5, 17), b=np.linspace(-0.5, 0.5, 17)
    )
    figure = plotting.plot_contours({f"panel {n}": bowl for n in range(count)}, columns=count, title="A title")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, (title,) = canvas.get_renderer(), figure.texts
    for panel in figure.axes[:count]:
        assert panel.xaxis.label.get_window_extent(renderer).y0 >= 0
        assert panel.title.get_window_extent(renderer).y1 < title.get_window_extent(renderer).y0
