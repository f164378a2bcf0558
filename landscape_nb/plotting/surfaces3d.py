"""Planes as surfaces in three dimensions; no loss is computed here."""

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from landscape_nb._common.checks import check_kind, check_whole
from landscape_nb._common.drawable import Plot, Plots, by_name, check_plot
from landscape_nb._common.levels import check_span, is_below_zero, limits
from landscape_nb._common.schema import DIMS
from landscape_nb.plotting.smooth import smooth
from landscape_nb.plotting.style import LABELS, colormap, panels, say_nothing_finite

if TYPE_CHECKING:
    import plotly.graph_objects
    from mpl_toolkits.mplot3d import Axes3D

_BOX = (1, 1, 0.75)
"""How long, wide and high surfaces are drawn."""
_LEAST = 1e-12
"""A zero has no logarithm: it is drawn at this height."""
_FARTHEST = {"bottom": "smallest", "top": "largest"}
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
    check_kind("log", log, (bool, np.bool_), "True or False")
    shown = {name: plane[variable] for name, plane in planes.items()}
    log = log and not is_below_zero(values.values for values in shown.values())
    _check_ends(bottom, top, shown.values(), log)
    heights = {name: _height(values, log, bottom, top) for name, values in shown.items()}
    low, high = _range(heights.values(), *_ends(bottom, top, log))
    colours, columns = colormap(cmap), min(check_whole("columns", columns, 1), len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (5.6, 4.4), projection="3d")
    label = LABELS.get(variable, variable) + (", log scale" if log else "")
    spatial = cast("Sequence[Axes3D]", axes)
    for panel, (name, values) in zip(spatial, shown.items(), strict=False):
        _surface(panel, values, heights[name], colours, Normalize(low, high))
        panel.set(zlim=(low, high))
        panel.set_zticks(*_height_ticks(low, high, log))  # pyrefly: ignore[not-callable]  (matplotlib wraps it so)
        panel.set_zlabel(label, labelpad=6)
        panel.set_title(name, fontsize=15)
    for panel in axes[len(planes) :]:
        panel.remove()
    figure.suptitle(title, fontsize=16)
    return figure


def _surface(
    panel: "Axes3D", values: xr.DataArray, heights: Float[np.ndarray, "a b"], cmap: Colormap, norm: Normalize
) -> None:
    """One surface; a text instead of it where nothing is finite."""
    (alpha, beta), heights = smooth((values.alpha.values, values.beta.values), heights, _CELLS)
    x, y = np.meshgrid(alpha, beta, indexing="ij")
    if np.isfinite(heights).any():
        colours = _lit(heights, cmap, norm)
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


def _lit(heights: Float[np.ndarray, "a b"], cmap: Colormap, norm: Normalize) -> Float[np.ndarray, "a b 4"]:
    """The colours of a surface in the light of a lamp: what turns away from it is darker.

    matplotlib's `shade=` takes the slopes in units of the data, in which a surface of small heights is flat, and its
    `LightSource` gives each surface all of the contrast, also one that is almost flat. Here slopes are those of the
    box that is drawn, and the same slope is as bright in every panel.
    """
    rise = _BOX[2] * norm(np.nan_to_num(heights)).data
    slopes = np.gradient(rise, *(length / (count - 1) for length, count in zip(_BOX, rise.shape, strict=False)))
    normals = np.stack([-slopes[0], -slopes[1], np.ones_like(rise)], -1)
    brightness = (normals @ _LAMP / np.linalg.norm(normals, axis=-1) / np.linalg.norm(_LAMP)).clip(0)
    colours = np.asarray(cmap(norm(heights)))
    colours[..., :3] *= (_DARKEST + (1 - _DARKEST) * brightness)[..., None]
    return colours


def plotly_surface(
    plane: Plot,
    variable: str = "loss",
    log: bool = True,
    top: float | None = None,
    title: str = "",
    bottom: float | None = None,
) -> "plotly.graph_objects.Figure":
    """An interactive surface in three dimensions, to turn and zoom with the mouse.

    Args:
        plane: What `evaluate_plane` returned, or one of its variables. Of several draws (`repeats=`) the
            first is drawn, and the title says so.
        variable: What the height shows.
        log: Whether the height is logarithmic; it is linear where a value is below zero.
        top: Heights above are cut off there; default the largest finite value.
        title: Title of the figure.
        bottom: Heights below are raised to it; default the smallest finite value.

    Returns:
        A plotly figure; the label under the mouse gives the value itself.

    Raises:
        TypeError: `plane` is not a Dataset, or another argument has the wrong type.
        ValueError: A Dataset that is not a plane, or has no such variable; ends as in `plot_surfaces`.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> plotly_surface(bowl, log=False).data[0].type
        'surface'
    """
    import plotly.graph_objects as go

    check_plot("plane", plane, "plane")
    draws, (variable,) = by_name("plane", plane, "plane", (variable,))
    check_kind("title", title, str, "a text")
    check_kind("log", log, (bool, np.bool_), "True or False")
    if len(draws) > 1:
        title = ", ".join(filter(None, (title, f"draw 1 of {len(draws)}")))
    values = next(iter(draws.values()))[variable]
    log = log and not is_below_zero([values.values])
    _check_ends(bottom, top, [values], log)
    height = _height(values, log, bottom, top)
    low, high = _range([height], *_ends(bottom, top, log))
    ticks, labels = _height_ticks(low, high, log)
    surface = go.Surface(
        x=values.alpha.values,
        y=values.beta.values,
        z=height.T,
        customdata=values.transpose(*DIMS).values.T,
        colorscale="Viridis",
        cmin=low,
        cmax=high,
        lighting={"ambient": 0.6, "diffuse": 0.7, "specular": 0.1},
        colorbar={"title": variable, "tickvals": ticks, "ticktext": labels},
        hovertemplate=f"α %{{x:.2f}}<br>β %{{y:.2f}}<br>{variable} %{{customdata:.3g}}<extra></extra>",
    )
    z_axis = {"title": variable, "tickvals": ticks, "ticktext": labels, "range": [low, high]}
    scene = {"xaxis_title": "α", "yaxis_title": "β", "zaxis": z_axis, "aspectratio": {"x": 1, "y": 1, "z": 0.8}}
    layout = {"scene": scene, "title": title, "height": 520, "margin": {"l": 0, "r": 0, "t": 40, "b": 0}}
    figure = go.Figure(surface, layout)
    if not np.isfinite(height).any():
        centre = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
        figure.add_annotation(text=f"no finite {variable}", showarrow=False, font_size=20, **centre)
    return figure


def _check_ends(bottom: Any, top: Any, values: Iterable[xr.DataArray], log: bool) -> None:
    for name, end in {"bottom": bottom, "top": top}.items():
        if end is not None and (isinstance(end, bool) or not isinstance(end, Real)):
            raise TypeError(f"{name}: got {end!r}, wants a number, or None for the {_FARTHEST[name]} value")
    low, high = limits(each.values for each in values)
    if bottom is not None and ((log and not float(bottom) > 0) or not np.isfinite(float(bottom))):
        raise ValueError(f"bottom: got {bottom:g}, wants a finite number{' above 0' * log}")
    low = low if bottom is None else float(bottom)
    least = max(low, 0) if log else low
    if top is not None and (low < high or log or bottom is not None) and not float(top) > least:
        raise ValueError(f"top: got {top:g}, wants more than {least:.3g}, or all heights are cut off")
    if top is None and bottom is not None and not high > low:
        raise ValueError(f"bottom: got {bottom:g}, wants less than {high:.3g}, or all heights are raised to it")


def _height(values: xr.DataArray, log: bool, bottom: float | None, top: float | None) -> Float[np.ndarray, "a b"]:
    height = values.transpose(*DIMS).astype(float)
    height = height.where(np.isfinite(height)).clip(bottom, top)
    return np.log10(height.clip(min=_LEAST).values) if log else height.values


def _ends(bottom: float | None, top: float | None, log: bool) -> tuple[float | None, float | None]:
    """The ends of the height, as they are drawn; None where the values decide."""
    low, high = (None if end is None else np.log10(max(end, _LEAST)) if log else float(end) for end in (bottom, top))
    return low, high if bottom is not None and top is not None else None


def _range(
    heights: Iterable[Float[np.ndarray, "..."]], bottom: float | None = None, top: float | None = None
) -> tuple[float, float]:
    """The lowest and the highest of all heights, or the ends that were asked for.

    If all are equal, there is some room above and below.
    """
    low, high = limits(heights)
    low, high = low if bottom is None else bottom, high if top is None else top
    check_span("values", low, high)
    margin = 0.0 if high - low > 1e-9 * max(abs(low), abs(high)) else max(0.5, 0.1 * abs(low))
    return low - margin, high + margin


def _height_ticks(low: float, high: float, log: bool) -> tuple[list[float], list[str]]:
    if not log:
        ticks = [tick for tick in plt.MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
        return ticks, [f"{tick:g}" for tick in ticks]
    step = max(1, round((high - low) / 5))
    powers = [float(power) for power in range(int(np.ceil(low)), int(np.floor(high)) + 1, step)]
    ticks = powers or [low, high]
    return ticks, [f"{10.0**tick:g}" for tick in ticks]
