"""Lines show the values where they are, in strokes of their own, with gaps shaded."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from landscape_nb import plotting
from landscape_nb.plotting.lines import draw_line
from landscape_nb.plotting.style import COLOURS, STROKES


def line_of(values, coords=None):
    coords = np.arange(len(values), dtype=float) if coords is None else coords
    return xr.Dataset({"loss": ("alpha", np.asarray(values))}, {"alpha": coords})


def test_a_line_lies_where_its_values_are():
    panel = plotting.plot_lines(line_of([3.0, 1.0, 2.0], [-1.0, 0.0, 2.0]), title="A line").axes[0]
    (drawn,) = panel.lines
    np.testing.assert_array_equal(drawn.get_xydata(), [[-1, 3], [0, 1], [2, 2]])
    assert panel.figure.get_suptitle() == "A line"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("α (first direction)", "loss")
    assert not panel.patches
    assert not panel.figure.legends


def test_gaps_are_as_wide_as_the_points_they_stand_for():
    panel = plotting.plot_lines(line_of([1.0, np.nan, 2.0, np.inf], [0.0, 0.5, 1.0, 1.5])).axes[0]
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in panel.patches]
    np.testing.assert_allclose(spans, [(0.25, 0.75), (1.25, 1.75)])
    assert np.isnan(panel.lines[0].get_ydata()).tolist() == [False, True, False, True]


def test_further_lines_take_the_next_colour_and_stroke_and_then_begin_again():
    panel = plt.figure().add_subplot()
    for number in (0, 1, len(COLOURS), len(STROKES)):
        draw_line(panel, line_of([1.0, 2.0]), label=str(number), number=number)
    drawn = [(each.get_color(), each.get_linestyle()) for each in panel.lines]
    seven, four = len(COLOURS), len(STROKES)
    assert (seven, four) == (7, 4)
    assert drawn == [
        (COLOURS[0], STROKES[0]),
        (COLOURS[1], STROKES[1]),
        (COLOURS[0], STROKES[3]),
        (COLOURS[4], STROKES[0]),
    ]
    assert [each.get_label() for each in panel.lines] == ["0", "1", "7", "4"]


def test_the_range_of_the_vertical_axes_may_be_given_in_part():
    assert plotting.plot_lines(line_of([1.0, 3.0]), ylim=(0, 10)).axes[0].get_ylim() == (0, 10)
    low, high = plotting.plot_lines(line_of([1.0, 3.0]), ylim=(None, 10)).axes[0].get_ylim()
    assert high == 10
    assert 0.5 < low < 1


@pytest.mark.parametrize(
    ("values", "scale"), [([1.0, 100.0], "log"), ([-1.0, 100.0], "linear"), ([0.0, 0.0], "linear")]
)
def test_a_logarithmic_axis_is_for_losses_above_zero(values, scale):
    assert plotting.plot_lines(line_of(values), log=True).axes[0].get_yscale() == scale


def test_lines_have_a_panel_a_variable_and_a_stroke_a_name():
    line = xr.Dataset({"loss": ("alpha", [1.0, 2.0]), "accuracy": ("alpha", [0.0, 1.0])}, {"alpha": [0.0, 1.0]})
    figure = plotting.plot_lines({"one": line, "two": line}, ("loss", "accuracy"), log=True)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear"]
    strokes = {(drawn.get_color(), drawn.get_linestyle()) for drawn in figure.axes[0].lines}
    assert len(strokes) == 2


def test_a_legend_of_lines_lies_on_no_panel():
    line = xr.Dataset(
        {"loss": ("alpha", [3.0, 1.0, 2.0]), "accuracy": ("alpha", [0.1, 0.9, 0.5])}, {"alpha": [-1, 0, 1]}
    )
    figure = plotting.plot_lines({f"network {name}": line for name in "ABCDE"}, ("loss", "accuracy"), title="Five")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert not any(legend.get_window_extent().overlaps(panel.get_tightbbox()) for panel in figure.axes)
