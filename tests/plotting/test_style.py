"""What all figures share: panels of a size, letters that can be read, colours by name."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import BOWL, plane_of
from matplotlib.text import Text

import landscape_nb as lnb
from landscape_nb import plotting
from landscape_nb.plotting.style import (
    COLOURS,
    STROKES,
    check_pair,
    check_panel,
    colormap,
    panels,
    say_nothing_finite,
)


def test_panels_come_row_by_row_and_each_has_the_size():
    figure, axes = panels(3, 2, size=(2.0, 1.5))
    assert tuple(figure.get_size_inches()) == (6.0, 3.0)
    places = [(panel.get_subplotspec().rowspan.start, panel.get_subplotspec().colspan.start) for panel in axes]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert {panel.name for panel in panels(2, projection="3d")[1]} == {"3d"}


def test_letters_are_large_and_other_figures_stay_as_they_were():
    before = dict(plt.rcParams)
    _, (panel,) = panels(1)
    panel.set(xlabel="across", ylabel="up")
    lettering = [panel.xaxis.label, panel.yaxis.label, *panel.get_xticklabels(), *panel.get_yticklabels()]
    assert min(text.get_size() for text in lettering) >= 13
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": 0}, "columns: got 0, wants a whole number from 1 up"),
        ({"columns": 2, "rows": 1.5}, "rows: got 1.5"),
        ({"columns": 2, "size": 3}, "size: got 3, wants two numbers"),
        ({"columns": 2, "size": (3, 0)}, "size: got 0, wants a positive number"),
    ],
)
def test_sizes_that_no_panel_can_have_are_named(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        panels(**settings)


@pytest.mark.parametrize("pair", [(1, 2), [0.5, -2.0], (np.float64(1), np.int64(2))])
def test_two_numbers_are_a_pair(pair):
    check_pair("size", pair)


@pytest.mark.parametrize("other", [3, (1,), (1, 2, 3), ("a", "b"), "ab", {1: 2, 3: 4}, None, np.ones(2)])
def test_what_is_not_two_numbers_is_named(other):
    with pytest.raises(TypeError, match="ylim: got .* wants two numbers"):
        check_pair("ylim", other)


def test_colours_and_strokes_tell_lines_apart_in_print_and_to_the_colour_blind():
    """No two colours are alike, and as many strokes are: the first twelve and more lines differ in one of them."""
    assert len(set(COLOURS)) == len(COLOURS)
    assert len(set(STROKES)) == len(STROKES)
    pairs = {(COLOURS[n % len(COLOURS)], STROKES[n % len(STROKES)]) for n in range(28)}
    assert len(pairs) == 28


def test_a_panel_is_flat():
    check_panel(panels(1)[1][0])
    with pytest.raises(ValueError, match="panel: got one with projection '3d', wants a flat one"):
        check_panel(panels(1, projection="3d")[1][0])


def test_a_colour_map_is_known_by_itself_or_its_name():
    own = plt.get_cmap("magma")
    assert colormap(own) is own
    assert colormap("magma")(0.3) == own(0.3)
    with pytest.raises(ValueError, match="cmap: got 'sunset', wants one of matplotlib.colormaps"):
        colormap("sunset")
    with pytest.raises(TypeError, match="cmap: got int, wants a matplotlib Colormap or its name"):
        colormap(3)


@pytest.mark.parametrize("projection", ["rectilinear", "3d"])
def test_an_empty_panel_says_so_in_its_middle(projection):
    figure, (panel,) = panels(1, projection=projection)
    say_nothing_finite(panel, "accuracy")
    figure.draw_without_rendering()
    (text,) = panel.texts
    assert text.get_text() == "no finite accuracy"
    middle = panel.transAxes.inverted().transform(text.get_window_extent().get_points()).mean(0)
    np.testing.assert_allclose(middle, 0.5, atol=0.02)


@pytest.mark.parametrize("cmap", ["magma", "Greys", "tab10", plt.get_cmap("cividis")])
def test_colours_are_those_of_the_map(cmap):
    panel = plotting.plot_contours(plane_of(BOWL), levels=[0.6, 1, 2], cmap=cmap).axes[0]
    wanted = plt.get_cmap(cmap)
    faces = panel.collections[0].get_facecolor()
    np.testing.assert_allclose(faces[0], wanted(0.0), atol=0.02)
    np.testing.assert_allclose(faces[-1], wanted(1.0), atol=0.02)
    assert plotting.plot_surfaces(plane_of(BOWL), cmap=cmap).axes[0].collections


@pytest.mark.parametrize("plot", [plotting.plot_contours, plotting.plot_surfaces])
def test_sizes_follow_matplotlibs_settings(plot):
    plane = lnb.shipped_planes("05")["ResNet-56"]
    usual = plot(plane, title="a bowl")
    with plt.rc_context({"font.size": 20, "figure.figsize": (19.2, 4.8)}):
        larger = plot(plane, title="a bowl")
    assert larger.get_size_inches() == pytest.approx(usual.get_size_inches() * (3, 1))
    sizes = [[text.get_fontsize() for text in figure.findobj(Text)] for figure in (usual, larger)]
    assert max(sizes[1]) == 2 * max(sizes[0])
    assert min(sizes[1]) >= 2 * min(sizes[0])


def test_the_lettering_of_lines_follows_the_font_size():
    line = lnb.shipped_planes("05")["ResNet-56"].sel(beta=0)
    with plt.rc_context({"font.size": 20}):
        assert plotting.plot_lines(line, title="a line")._suptitle.get_fontsize() == 32
