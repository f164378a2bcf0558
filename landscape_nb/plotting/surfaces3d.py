"""Planes as surfaces in three dimensions; no loss is computed here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from landscape_nb._common.checks import check_kind, check_whole
from landscape_nb._common.drawable import Plots, by_name
from landscape_nb.plotting.heights import heights_of
from landscape_nb.plotting.smooth import beside_missing, smooth
from landscape_nb.plotting.style import LABELS, colormap, lettering, panels, say_nothing_finite

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

_BOX = (1, 1, 0.75)
"""How long, wide and high surfaces are drawn."""
_LAMP, _DARKEST = np.array([-1.0, 0.4, 1.2]), 0.55
"""Where the light comes from, and how bright the side is that turns away from it."""
_CELLS = 96
"""So many cells a side are drawn at least: enough to look smooth, and each one costs time."""


def plot_surfaces(
    planes: Plots,
    variable: str = "loss",
    log: bool = True,
    top: float | None = None,
    columns: int = 2,
    title: str = "",
    cmap: str | Colormap = "viridis",
    bottom: float | None = None,
) -> Figure:
    """Draw planes as surfaces in three dimensions, all with the same height, in light and shade.

    Between measured points the logarithm of a positive value follows a spline.

    Args:
        planes: What `evaluate_plane` returned, or one of its variables; or several, in a list or by name.
            Of several draws (`repeats=`) each has a panel.
        variable: What the height shows.
        log: Whether the height is logarithmic, as in the paper's Figure 1. Where a value is below zero the
            height is linear, and the axis says so.
        top: Heights above are cut off there; default the largest finite value.
        columns: Panels in a row.
        title: Title of the figure.
        cmap: A matplotlib colour map, or its name.
        bottom: Heights below are raised to it; default the smallest finite value. With `top` it gives figures of
            other planes the same scale.

    Returns:
        A figure with one panel a plane.

    Raises:
        TypeError: `planes` is not made of Datasets, or another argument has the wrong type.
        ValueError: A Dataset that is not a plane, or has no such variable; a top at or below the lowest value (or
            the bottom), or one of them not above zero where the height is logarithmic; bad columns; an unknown name of
            a colour map.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2 + 1)}, {"alpha": a, "beta": a})
        >>> plot_surfaces(bowl).axes[0].name
        '3d'

    Source: Li et al. (2018), Figures 1 and 4.
    """
    planes, (variable,) = by_name("planes", planes, "plane", (variable,))
    check_kind("title", title, str, "a text")
    shown = {name: plane[variable] for name, plane in planes.items()}
    heights = heights_of(shown, log, bottom, top)
    colours, columns = colormap(cmap), min(check_whole("columns", columns, 1), len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (5.6, 4.4), projection="3d")
    label = LABELS.get(variable, variable) + (", log scale" if heights.log else "")
    spatial = cast("Sequence[Axes3D]", axes)
    for panel, (name, values) in zip(spatial, shown.items(), strict=False):
        _surface(panel, values, heights.of[name], colours, Normalize(heights.low, heights.high))
        panel.set(zlim=(heights.low, heights.high))
        panel.set_zticks(heights.ticks, heights.labels)  # pyrefly: ignore[not-callable]  (matplotlib wraps it so)
        panel.set_zlabel(label, labelpad=6)
        panel.set_title(name, fontsize=lettering(15))
    for panel in axes[len(planes) :]:
        panel.remove()
    figure.suptitle(title, fontsize=lettering(16))
    return figure


def _surface(
    panel: "Axes3D", values: xr.DataArray, heights: Float[np.ndarray, "a b"], cmap: Colormap, norm: Normalize
) -> None:
    """One surface; a text instead of it where nothing is finite."""
    (alpha, beta), heights = smooth((values.alpha.values, values.beta.values), heights, _CELLS)
    x, y = np.meshgrid(alpha, beta, indexing="ij")
    if np.isfinite(heights).any():
        colours = _lit(heights, cmap, norm, (alpha, beta))
        strokes = {"linewidth": 0, "antialiased": False, "rstride": 1, "cstride": 1}
        panel.plot_surface(x, y, heights, facecolors=colours, shade=False, **strokes)
    else:
        say_nothing_finite(panel, str(values.name))
        panel.auto_scale_xyz(x, y, np.zeros_like(x))
    panel.set_xlabel("α")
    panel.set_ylabel("β", labelpad=10)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(plt.MaxNLocator(4))
    panel.set_box_aspect(_BOX, zoom=0.95)


def _lit(
    heights: Float[np.ndarray, "a b"],
    cmap: Colormap,
    norm: Normalize,
    axes: tuple[Float[np.ndarray, "a"], Float[np.ndarray, "b"]],
) -> Float[np.ndarray, "a b 4"]:
    """The colours of a surface in the light of a lamp: what turns away from it is darker.

    matplotlib's `shade=` takes the slopes in units of the data, in which a surface of small heights is flat, and its
    `LightSource` gives each surface all of the contrast, also one that is almost flat. Here slopes are those of the
    box that is drawn, and the same slope is as bright in every panel.
    """
    rise = _BOX[2] * norm(beside_missing(heights)).data
    slopes = np.gradient(rise, *(side * axis / np.ptp(axis) for side, axis in zip(_BOX, axes, strict=False)))
    normals = np.stack([-slopes[0], -slopes[1], np.ones_like(rise)], -1)
    brightness = (normals @ _LAMP / np.linalg.norm(normals, axis=-1) / np.linalg.norm(_LAMP)).clip(0)
    colours = np.asarray(cmap(norm(heights)))
    colours[..., :3] *= (_DARKEST + (1 - _DARKEST) * brightness)[..., None]
    return colours
