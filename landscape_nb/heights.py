"""Planes as surfaces in three dimensions; no loss is computed here."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape_nb.panels import LABELS, Datasets, by_name, panels

if TYPE_CHECKING:
    import plotly.graph_objects


def plot_surfaces(
    planes: Datasets,
    variable: str = "loss",
    log: bool = True,
    top: float | None = None,
    columns: int = 2,
    title: str = "",
) -> Figure:
    """Draw planes as surfaces in three dimensions, all with the same height.

    Args:
        planes: What `evaluate_plane` returned, or several by name.
        variable: What the height shows.
        log: Whether the height is logarithmic, as in the paper's Figure 1.
        top: Heights above are cut off there; default the largest finite value.
        columns: Panels in a row.
        title: Title of the figure.

    Returns:
        A figure with one panel a plane.

    Raises:
        ValueError: A Dataset that is no plane, or has no such variable.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2 + 1)}, {"alpha": a, "beta": a})
        >>> plot_surfaces(bowl).axes[0].name
        '3d'

    Source: Li et al. (2018), Figures 1 and 4.
    """
    planes = by_name(planes, ("alpha", "beta"), (variable,))
    heights = {name: _height(plane[variable], log, top) for name, plane in planes.items()}
    low, high = (float(f([f(height) for height in heights.values()])) for f in (np.nanmin, np.nanmax))
    columns = min(columns, len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (5.6, 4.4), projection="3d")
    for panel, (name, plane) in zip(axes, planes.items(), strict=False):
        x, y = np.meshgrid(plane.alpha, plane.beta, indexing="ij")
        shading = {"cmap": "viridis", "vmin": low, "vmax": high, "rstride": 1, "cstride": 1}
        panel.plot_surface(x, y, heights[name], linewidth=0.1, edgecolor="0.25", antialiased=True, **shading)
        panel.set(zlim=(low, high), xlabel="α")
        panel.set_ylabel("β", labelpad=10)
        panel.set_title(name, fontsize=15)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(plt.MaxNLocator(4))
        panel.set_zticks(*_height_ticks(low, high, log))
        panel.set_box_aspect((1, 1, 0.75), zoom=0.95)
        panel.set_zlabel(LABELS.get(variable, variable) + (", log scale" if log else ""), labelpad=6)
    for panel in axes[len(planes) :]:
        panel.remove()
    figure.suptitle(title, fontsize=16)
    return figure


def plotly_surface(
    plane: xr.Dataset, variable: str = "loss", log: bool = True, top: float | None = None, title: str = ""
) -> "plotly.graph_objects.Figure":
    """An interactive surface in three dimensions, to turn and zoom with the mouse.

    Args:
        plane: What `evaluate_plane` returned.
        variable: What the height shows.
        log: Whether the height is logarithmic.
        top: Heights above are cut off there; default the largest finite value.
        title: Title of the figure.

    Returns:
        A plotly figure; the label under the mouse gives the value itself.

    Raises:
        ValueError: A Dataset that is no plane, or has no such variable.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> plotly_surface(bowl, log=False).data[0].type
        'surface'
    """
    import plotly.graph_objects as go

    (plane,) = by_name(plane, ("alpha", "beta"), (variable,)).values()
    height = _height(plane[variable], log, top)
    ticks, labels = _height_ticks(float(np.nanmin(height)), float(np.nanmax(height)), log)
    surface = go.Surface(
        x=plane.alpha.values,
        y=plane.beta.values,
        z=height.T,
        customdata=plane[variable].values.T,
        colorscale="Viridis",
        colorbar={"title": variable, "tickvals": ticks, "ticktext": labels},
        hovertemplate=f"α %{{x:.2f}}<br>β %{{y:.2f}}<br>{variable} %{{customdata:.3g}}<extra></extra>",
    )
    z_axis = {"title": variable, "tickvals": ticks, "ticktext": labels}
    scene = {"xaxis_title": "α", "yaxis_title": "β", "zaxis": z_axis, "aspectratio": {"x": 1, "y": 1, "z": 0.8}}
    layout = {"scene": scene, "title": title, "height": 520, "margin": {"l": 0, "r": 0, "t": 40, "b": 0}}
    return go.Figure(surface, layout)


def _height(values: xr.DataArray, log: bool, top: float | None) -> np.ndarray:
    height = values.transpose("alpha", "beta").where(np.isfinite(values)).clip(max=top)
    return np.log10(height.clip(min=1e-12)).values if log else height.values


def _height_ticks(low: float, high: float, log: bool) -> tuple[list[float], list[str]]:
    if not log:
        ticks = [tick for tick in plt.MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
        return ticks, [f"{tick:g}" for tick in ticks]
    step = max(1, round((high - low) / 5))
    ticks = list(range(int(np.ceil(low)), int(np.floor(high)) + 1, step)) or [low, high]
    return ticks, [f"{10.0**tick:g}" for tick in ticks]
