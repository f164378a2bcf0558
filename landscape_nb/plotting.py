"""Figures of what the library measures; no loss is computed here."""

from collections.abc import Container, Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from landscape_nb.answers import draw_answers
from landscape_nb.heights import plot_surfaces, plotly_surface
from landscape_nb.panels import COLOURS, LABELS, STROKES, Datasets, by_name, panels

__all__ = [
    "PAPER_LEVELS",
    "draw_answers",
    "draw_contours",
    "draw_line",
    "draw_path",
    "panels",
    "plot_contours",
    "plot_lines",
    "plot_surfaces",
    "plotly_surface",
]

_INNER, _NEAR, _FAR = 0.84, 0.08, 0.3
"""The part of a panel where contours are labelled; how near labels may be; from where on farther is no better."""
_BRIGHT = 140
"""From this one of viridis's 256 colours on, black is easier to read than white."""
PAPER_LEVELS = tuple(round(0.1 + 0.5 * i, 1) for i in range(20))
"""Contour levels of the paper's figures: 0.1, 0.6, …, 9.6."""


def plot_lines(
    lines: Datasets,
    variables: Sequence[str] = ("loss",),
    log: bool = False,
    ylim: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw values along one or several lines, a panel for each variable.

    Points that are not finite leave a gap, which is shaded.

    Args:
        lines: What `evaluate_line` or `interpolate` returned, or several by name.
        variables: What to draw: `'loss'` or a metric's name.
        log: Whether the loss has a logarithmic axis.
        ylim: Range of the vertical axes.
        title: Title of the figure.

    Returns:
        A figure with one panel a variable.

    Raises:
        ValueError: A Dataset that is no line, or has no such variable.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> line = xr.Dataset({"loss": ("alpha", a**2)}, {"alpha": a})
        >>> plot_lines({"a parabola": line}).axes[0].get_xlabel()
        'α (first direction)'
    """
    lines = by_name(lines, ("alpha",), variables)
    figure, axes = panels(len(variables))
    for panel, variable in zip(axes, variables, strict=True):
        for number, (name, line) in enumerate(lines.items()):
            draw_line(panel, line, variable, name, number)
        panel.set(ylim=ylim)
        if log and variable == "loss":
            panel.set_yscale("log")
    if len(lines) > 1:
        names = axes[0].get_legend_handles_labels()
        figure.legend(*names, loc="outside lower center", ncols=min(len(lines), 2 * len(variables)), fontsize=12)
    figure.suptitle(title, fontsize=16)
    return figure


def draw_line(panel: Axes, line: xr.Dataset, variable: str = "loss", label: str = "", number: int = 0) -> None:
    """Draw values along a line into a panel; where they are not finite there is a shaded gap.

    Args:
        panel: Where to draw.
        line: What `evaluate_line` or `interpolate` returned.
        variable: What to draw.
        label: Its name in the legend.
        number: Which of the colours and strokes, from 0 up.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> draw_line(panel, xr.Dataset({"loss": ("alpha", [1.0, 0.0])}, {"alpha": [0.0, 1.0]}), label="down")
    """
    values = line[variable]
    stroke = {"color": COLOURS[number % len(COLOURS)], "linestyle": STROKES[number % len(STROKES)]}
    panel.plot(line.alpha, values.where(np.isfinite(values)), label=label, linewidth=2.5, **stroke)
    _shade_gaps(panel, values)
    panel.xaxis.set_major_locator(plt.MaxNLocator(5))
    panel.set(xlabel=LABELS["alpha"], ylabel=LABELS.get(variable, variable))
    panel.grid(alpha=0.3)


def draw_contours(
    panel: Axes, plane: xr.Dataset, variable: str = "loss", levels: Sequence[float] = PAPER_LEVELS
) -> QuadContourSet:
    """Draw a plane from above into a panel, as `plot_contours` does; for figures that mix kinds of panels.

    Args:
        panel: Where to draw.
        plane: What `evaluate_plane` returned.
        variable: What to draw: `'loss'` or a metric's name.
        levels: Values at which the colour changes; some are labelled.

    Returns:
        The filled contours, for a colour bar.

    Raises:
        ValueError: A Dataset that is no plane, or has no such variable.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> figure, (panel,) = panels(1)
        >>> draw_contours(panel, bowl, levels=(0.5, 1.0)).levels.round(2)
        array([-0.3,  0. ])
    """
    (plane,) = by_name(plane, ("alpha", "beta"), (variable,)).values()
    return _contour(panel, plane[variable], np.asarray(levels, dtype=float))


def draw_path(panel: Axes, path: xr.Dataset, until: float | None = None) -> None:
    """Draw the projection of a training run into a panel, over its contours.

    The first point is a square, the last a star; where the learning rate was divided by ten there is a
    red dot.

    Args:
        panel: Where to draw.
        path: What `project` or `plane_gap` returned for two directions.
        until: The last epoch to draw; default all. What comes later is a faint line.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> corner = {"alpha": ("point", [0.0, 1.0, 1.0]), "beta": ("point", [0.0, 0.0, 1.0])}
        >>> draw_path(panel, xr.Dataset(corner, {"epoch": ("point", [0, 1, 2])}, {"lr_drops": [1]}))

    Source: Li et al. (2018), Figure 9.
    """
    epochs = path.epoch.values if "epoch" in path.coords else np.arange(path.sizes["point"])
    shown = epochs <= (epochs[-1] if until is None else until)
    x, y = path.alpha.values, path.beta.values
    panel.plot(x, y, color="white", linewidth=1, alpha=0.6)
    panel.plot(x[shown], y[shown], color="black", linewidth=2, marker="o", markersize=4, markeredgewidth=0)
    edge = {"linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 1, "zorder": 5}
    panel.plot(x[0], y[0], marker="s", markersize=9, color="black", **edge)
    drops = shown & np.isin(epochs, path.attrs.get("lr_drops", []))
    panel.plot(x[drops], y[drops], marker="o", markersize=8, color="red", **edge)
    panel.plot(x[shown][-1:], y[shown][-1:], marker="*", markersize=17, color="black", **edge)


def plot_contours(
    planes: Datasets,
    variable: str = "loss",
    levels: Sequence[float] = PAPER_LEVELS,
    columns: int = 2,
    title: str = "",
) -> Figure:
    """Draw planes from above, all on the same levels, colours and ranges.

    Values above the last level have one colour; where the value is not finite, the plane is hatched.

    Args:
        planes: What `evaluate_plane` returned, or several by name.
        variable: What to draw: `'loss'` or a metric's name.
        levels: Values at which the colour changes; every second one is labelled.
        columns: Panels in a row.
        title: Title of the figure.

    Returns:
        A figure with one panel a plane and a common colour bar.

    Raises:
        ValueError: A Dataset that is no plane, or has no such variable.

    Example:
        >>> a, b = np.linspace(-1, 1, 5), np.linspace(-2, 2, 7)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + b**2)}, {"alpha": a, "beta": b})
        >>> [round(float(end), 1) for end in plot_contours(bowl).axes[0].get_ylim()]
        [-2.0, 2.0]

    Source: Li et al. (2018), Figure 5.
    """
    planes = by_name(planes, ("alpha", "beta"), (variable,))
    columns = min(columns, len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (4.9, 4.5))
    for panel, (name, plane) in zip(axes, planes.items(), strict=False):
        filled = _contour(panel, plane[variable], np.asarray(levels, dtype=float))
        panel.set_title(name, fontsize=15)
    for panel in axes[len(planes) :]:
        panel.remove()
    bar = figure.colorbar(filled, ax=list(axes[: len(planes)]), shrink=0.9, ticks=filled.levels[::2], spacing="uniform")
    bar.set_ticklabels(list(map(_text, levels[::2])))
    bar.set_label(LABELS.get(variable, variable))
    figure.suptitle(title, fontsize=16)
    return figure


def _contour(panel: Axes, values: xr.DataArray, levels: np.ndarray) -> QuadContourSet:
    """Filled contours; positive levels are found by interpolating the logarithm, which bends less."""
    scale = np.log10 if levels[0] > 0 else np.positive
    grid = np.ma.masked_invalid(values.transpose("beta", "alpha"))
    heights = scale(grid.clip(levels[0] / 10 if levels[0] > 0 else None))
    norm = BoundaryNorm(scale(levels), 256, extend="both")
    axes = values.alpha, values.beta
    filled = panel.contourf(*axes, heights, scale(levels), norm=norm, cmap="viridis", extend="both")
    lines = panel.contour(*axes, heights, scale(levels), colors="white", linewidths=0.7, linestyles="solid")
    names = {scale(level): _text(level) for level in levels[:: max(1, len(levels) // 6)]}
    inks = ["black" if norm(level) > _BRIGHT else "white" for level in names]
    panel.clabel(lines, list(names), fontsize=11, colors=inks, fmt=names, manual=_label_places(lines, names))
    if grid.mask.any():
        panel.set_facecolor("0.8")
        panel.patch.set_hatch("///")
        panel.legend(handles=[Patch(facecolor="0.8", hatch="///", label="not finite")], loc="upper right")
    panel.plot(0, 0, marker="+", color="white", markersize=14, markeredgewidth=2.5)
    panel.xaxis.set_major_locator(plt.MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    panel.set(xlabel=LABELS["alpha"], ylabel=LABELS["beta"], aspect="auto")
    return filled


def _label_places(lines: QuadContourSet, levels: Container[float]) -> list[Float[np.ndarray, "2"]]:
    """A place on each of these contours that has one off the border, off the centre and off the other labels."""
    low, high = np.reshape(lines.axes.dataLim, (2, 2))
    places = -low[None] / (high - low)
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        shares = (path.vertices - low) / (high - low)
        shares = shares[np.abs(shares - 0.5).max(1, initial=0) < _INNER / 2]
        if level in levels and len(shares):
            distances = np.linalg.norm(shares[:, None] - places, axis=-1).min(1).clip(max=_FAR)
            best = np.flatnonzero(distances == distances.max())
            if distances.max() > _NEAR:
                places = np.vstack([places, shares[best[len(best) // 2]]])
    return list(low + places[1:] * (high - low))


def _text(level: float) -> str:
    """A level to three digits, in powers of ten only from a million."""
    return f"{float(f'{level:.3g}'):g}"


def _shade_gaps(panel: Axes, values: xr.DataArray) -> None:
    """Shade the stretches of α on which the value is not finite."""
    alpha, gaps = values.alpha.values, ~np.isfinite(values.values)
    half = (alpha[1] - alpha[0]) / 2
    for start in alpha[gaps]:
        panel.axvspan(start - half, start + half, color="0.85", linewidth=0)
