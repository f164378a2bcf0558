"""The drawing of a training run over its plane."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from landscape_nb import plotting

PATH = xr.Dataset(
    {"alpha": ("point", [3.0, 2.0, 1.0, 0.0]), "beta": ("point", [0.0, 1.0, 1.0, 0.0])},
    {"epoch": ("point", [0, 5, 10, 15])},
    {"lr_drops": [5, 12]},
)


@pytest.fixture
def panel():
    figure, (panel,) = plotting.panels(1)
    yield panel
    plt.close(figure)


def line(panel, colour, marker):
    (found,) = [x for x in panel.lines if x.get_color() == colour and x.get_marker() == marker]
    return np.column_stack(found.get_data()).tolist()


def test_start_end_and_the_drops_that_were_recorded_are_marked(panel):
    plotting.draw_path(panel, PATH)
    assert line(panel, "black", "o") == [[3, 0], [2, 1], [1, 1], [0, 0]]
    assert line(panel, "black", "s") == [[3, 0]]
    assert line(panel, "red", "o") == [[2, 1]]
    assert line(panel, "black", "*") == [[0, 0]]


def test_only_what_came_until_an_epoch_is_drawn_dark(panel):
    plotting.draw_path(panel, PATH, until=4)
    assert line(panel, "black", "o") == [[3, 0]]
    assert line(panel, "red", "o") == []
    assert line(panel, "black", "*") == [[3, 0]]


def test_points_without_epochs_are_counted(panel):
    plotting.draw_path(panel, PATH.drop_vars("epoch").drop_attrs(), until=1)
    assert line(panel, "black", "o") == [[3, 0], [2, 1]]


def test_contours_go_into_a_panel_that_is_there(panel):
    a = np.linspace(-1, 1, 5)
    bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
    filled = plotting.draw_contours(panel, bowl, levels=(0.1, 1.0))
    assert filled.axes is panel
    assert filled.levels.tolist() == [-1.0, 0.0]
    with pytest.raises(ValueError, match="wants 'loss'"):
        plotting.draw_contours(panel, bowl.isel(beta=0))
