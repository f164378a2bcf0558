"""The drawing of a training run over its plane."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from landscape_nb import plotting

DROP = "#D55E00"
PROTANOPIA = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
DEUTERANOPIA = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
"""Machado, Oliveira and Fernandes (2009), severity 1."""
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
    assert line(panel, DROP, "o") == [[2, 1]]
    assert line(panel, "black", "*") == [[0, 0]]


def test_a_drop_under_the_star_is_still_seen(panel):
    """Where the last point is a drop, half of the pixels of its ring at least have the ring's colour."""
    plotting.draw_path(panel, PATH.assign_attrs(lr_drops=[15]))
    panel.set(xlim=(-1, 4), ylim=(-1, 4))
    panel.figure.canvas.draw()
    pixels = np.asarray(panel.figure.canvas.buffer_rgba())[..., :3].astype(int)
    x, y = panel.transData.transform((0, 0))
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 21 / 2 * panel.figure.dpi / 72
    columns = np.round(x + radius * np.cos(angles)).astype(int)
    rows = len(pixels) - 1 - np.round(y + radius * np.sin(angles)).astype(int)
    off = np.abs(pixels[rows, columns] - 255 * np.array(to_rgb(DROP))).max(1)
    assert (off < 40).mean() > 0.5
    assert pixels[len(pixels) - 1 - round(y), round(x)].max() < 40, "the star is seen, too"


def test_rings_are_told_from_every_colour_of_viridis():
    """Vermilion is far from viridis, also as a reader sees it whose eyes have no red or no green cones."""
    viridis = colormaps["viridis"](np.linspace(0, 1, 64))[:, :3]
    for cones in (np.eye(3), PROTANOPIA, DEUTERANOPIA):
        assert np.linalg.norm((viridis - to_rgb(DROP)) @ cones.T, axis=1).min() > 0.1


def test_only_what_came_until_an_epoch_is_drawn_dark(panel):
    plotting.draw_path(panel, PATH, until=4)
    assert line(panel, "black", "o") == [[3, 0]]
    assert line(panel, DROP, "o") == []
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
