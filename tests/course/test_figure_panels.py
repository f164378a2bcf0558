"""What the paper's figures show, read off their panels, against the results that they are drawn from."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from landscape_nb.course.figure_panels import FIGURE_DRAWERS, with_caption
from landscape_nb.gallery.results import SHIPPED
from landscape_nb.gallery.shown import PAPER, QUICK, Shown


@pytest.fixture
def quick():
    yield Shown(QUICK, SHIPPED)
    plt.close("all")


@pytest.mark.parametrize("key", FIGURE_DRAWERS)
def test_a_figure_of_nothing_says_so(key, tmp_path):
    results = Shown(PAPER, tmp_path)
    figure = FIGURE_DRAWERS[key](results)
    assert any(text.get_text() == "not computed yet" for axes in figure.axes for text in axes.texts)
    assert not results.drawn
    assert results.absent
    plt.close(figure)


def test_figure_2_shows_norms_from_the_first_weights_on(quick):
    axes = FIGURE_DRAWERS["2"](quick).axes
    panel = next(panel for panel in axes if panel.get_ylabel() == "norm of the weights")
    trained = quick("vgg9-sgd-small-no-decay", "training")
    line = panel.lines[0]
    assert line.get_ydata()[0] == pytest.approx(trained.attrs["initial_norm"])
    np.testing.assert_allclose(line.get_ydata()[1:], trained.weight_norm)
    assert line.get_xdata().tolist() == list(range(15))


def test_figure_3_has_a_line_above_a_plane_for_each_network(quick):
    figure = FIGURE_DRAWERS["3"](quick)
    titles = [panel.get_title() for panel in figure.axes[:4]]
    assert [title.split(",")[1:] != [] for title in titles] == [True] * 4
    assert [("no weight decay" in title) for title in titles] == [True, True, False, False]
    lines = quick("vgg9-sgd-small-no-decay", "lines")
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), lines.loss.isel(repeat=0))


def test_figure_8_magnifies_the_same_path(quick):
    _, whole, close = FIGURE_DRAWERS["8"](quick).axes
    np.testing.assert_array_equal(whole.lines[0].get_xydata(), close.lines[0].get_xydata())
    assert np.ptp(whole.get_ylim()) > 50 * np.ptp(close.get_ylim())


def test_figure_9_names_the_shares_and_marks_the_drops(quick):
    panel = FIGURE_DRAWERS["9"](quick).axes[0]
    path = quick("vgg9-sgd-small-decay", "path")
    assert panel.get_xlabel() == f"PC1: {100 * path.attrs['shares'][0]:.1f} %"
    rings = [line for line in panel.lines if line.get_markerfacecolor() == "none"]
    assert [len(ring.get_xdata()) for ring in rings] == [len(path.attrs["lr_drops"])] * 2  # each on a white rim


def test_a_caption_is_broken_into_lines(quick):
    figure = with_caption(plt.figure(figsize=(3, 2)), "word " * 40)
    assert all(len(line) <= 36 for line in figure.get_supxlabel().splitlines())
