"""Figures of what the library measures; no loss is computed here."""

from collections.abc import Container, Mapping, Sequence
from numbers import Real
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from landscape_nb._common.checks import check_kind, check_whole
from landscape_nb._common.drawable import Plot, Plots, by_name, check_path, single
from landscape_nb._common.levels import Levels, check_span, choose_levels, is_below_zero, limits
from landscape_nb.plotting.style import (
    COLOURS,
    LABELS,
    STROKES,
    check_pair,
    check_panel,
    colormap,
    panels,
    say_nothing_finite,
)

_INNER, _NEAR, _FAR = 0.84, 0.08, 0.3
"""The part of a panel where contours are labelled; how near labels may be; from where on farther is no better."""
_BRIGHT = 0.18
"""From this luminance on, black is easier to read than white: both contrasts are equal there."""
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_LONGEST = 4
"""A plane this many times as long as it is wide is no longer drawn to scale: it would be a sliver."""


def plot_lines(
    lines: Plots,
    variables: str | Sequence[str] = ("loss",),
    log: bool = False,
    ylim: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw values along one or several lines, a panel for each variable.

    Points that are not finite leave a gap, which is shaded. Of several draws (`repeats=`) each is a line.

    Args:
        lines: What `evaluate_line` or `interpolate` returned, a row of a plane, or one of their variables;
            or several, in a list or by name.
        variables: What to draw: `'loss'` or a metric's name, or several.
        log: Whether the loss has a logarithmic axis; it has an even one where a loss is below zero.
        ylim: Range of the vertical axes.
        title: Title of the figure.

    Returns:
        A figure with one panel a variable.

    Raises:
        TypeError: Something else than Datasets, or an argument of another kind.
        ValueError: A Dataset that is not a line, or has no such variable.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> line = xr.Dataset({"loss": ("alpha", a**2)}, {"alpha": a})
        >>> plot_lines({"a parabola": line}).axes[0].get_xlabel()
        'α (first direction)'
    """
    lines, variables = by_name("lines", lines, "line", variables)
    check_kind("title", title, str, "a text")
    check_kind("log", log, (bool, np.bool_), "True or False")
    if ylim is not None:
        _check_ylim(ylim)
    figure, axes = panels(len(variables))
    for panel, variable in zip(axes, variables, strict=True):
        values = [line[variable].values for line in lines.values()]
        powers = log and variable == "loss" and limits(values)[1] > 0 and not is_below_zero(values)
        if not powers:
            check_span(variable, *limits(values))
        for number, (name, line) in enumerate(lines.items()):
            draw_line(panel, line, variable, name, number)
        panel.set(ylim=ylim)
        if powers:
            panel.set_yscale("log")
        if not any(np.isfinite(each).any() for each in values):
            panel.set_yticks([])
            say_nothing_finite(panel, variable)
    if len(lines) > 1:
        names = axes[0].get_legend_handles_labels()
        figure.legend(*names, loc="outside lower center", ncols=min(len(lines), 2 * len(variables)), fontsize=12)
    figure.suptitle(title, fontsize=16)
    return figure


def _check_ylim(ylim: Any) -> None:
    check_pair("ylim", ylim, (Real, type(None)))
    ends = [end for end in ylim if end is not None]
    if not np.isfinite(ends).all():
        raise ValueError(f"ylim: got {ylim!r}, wants finite numbers, or None for an end that the values decide")
    if ends:
        check_span("ylim", min(ends), max(ends))


def draw_line(panel: Axes, line: Plot, variable: str = "loss", label: str = "", number: int = 0) -> None:
    """Draw values along a line into a panel; where they are not finite there is a shaded gap.

    Args:
        panel: Where to draw.
        line: What `evaluate_line` or `interpolate` returned.
        variable: What to draw.
        label: Its name in the legend.
        number: Which of the colours and strokes, from 0 up.

    Raises:
        TypeError: A panel, line or name of another kind.
        ValueError: A Dataset that is not a line, has several draws or no such variable, or a negative number.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> draw_line(panel, xr.Dataset({"loss": ("alpha", [1.0, 0.0])}, {"alpha": [0.0, 1.0]}), label="down")
    """
    check_panel(panel)
    check_kind("label", label, str, "a text")
    number = check_whole("number", number, 0)
    values = single("line", line, "line", variable)
    (dim,) = values.dims
    stroke = {"color": COLOURS[number % len(COLOURS)], "linestyle": STROKES[number % len(STROKES)]}
    panel.plot(values[dim], values.where(np.isfinite(values)), label=label, linewidth=2.5, **stroke)
    _shade_gaps(panel, values[dim].values, ~np.isfinite(values.values))
    panel.xaxis.set_major_locator(plt.MaxNLocator(5))
    panel.set(xlabel=LABELS[str(dim)], ylabel=LABELS.get(str(values.name), values.name))
    panel.grid(alpha=0.3)


def draw_contours(
    panel: Axes, plane: Plot, variable: str = "loss", levels: Levels = None, cmap: str | Colormap = "viridis"
) -> QuadContourSet:
    """Draw a plane from above into a panel, as `plot_contours` does; for figures that mix kinds of panels.

    Args:
        panel: Where to draw.
        plane: What `evaluate_plane` returned, or one of its variables.
        variable: What to draw: `'loss'` or a metric's name.
        levels: Values at which the colour changes, as in `plot_contours`.
        cmap: A matplotlib colour map, or its name.

    Returns:
        The filled contours, for a colour bar.

    Raises:
        TypeError: An argument of another kind.
        ValueError: A Dataset that is not a plane, has several draws or no such variable, or bad levels.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> figure, (panel,) = panels(1)
        >>> draw_contours(panel, bowl, levels=(0.5, 1.0)).levels.round(2)
        array([-0.3,  0. ])
    """
    check_panel(panel)
    values = single("plane", plane, "plane", variable)
    return _contour(panel, values, choose_levels(levels, [values.values]), colormap(cmap))


def draw_path(panel: Axes, path: xr.Dataset, until: float | None = None) -> None:
    """Draw the projection of a training run into a panel, over its contours.

    The first point is a square, the last a star; where the learning rate was divided by ten there is a
    red dot.

    Args:
        panel: Where to draw.
        path: What `project` or `plane_gap` returned for two directions.
        until: The last epoch to draw; default all. What comes later is a faint line.

    Raises:
        TypeError: A panel or path of another kind, or an epoch that is not a number.
        ValueError: A Dataset without `alpha` and `beta` over the dimension `point`.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> corner = {"alpha": ("point", [0.0, 1.0, 1.0]), "beta": ("point", [0.0, 0.0, 1.0])}
        >>> draw_path(panel, xr.Dataset(corner, {"epoch": ("point", [0, 1, 2])}, {"lr_drops": [1]}))

    Source: Li et al. (2018), Figure 9.
    """
    check_panel(panel)
    check_path("path", path, ("alpha", "beta"))
    if until is not None:
        check_kind("until", until, (int, float, np.number), "an epoch, or None for all")
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
    planes: Plots,
    variable: str = "loss",
    levels: Levels = None,
    columns: int = 2,
    title: str = "",
    cmap: str | Colormap = "viridis",
) -> Figure:
    """Draw planes from above, all on the same levels, colours and ranges.

    Values above the last level have one colour; where the value is not finite, the plane is hatched.
    α and β have the same scale, unless one is more than four times as long as the other.

    Args:
        planes: What `evaluate_plane` returned, or one of its variables; or several, in a list or by name.
            Of several draws (`repeats=`) each has a panel.
        variable: What to draw: `'loss'` or a metric's name.
        levels: Values at which the colour changes, each above the one before; every second one is labelled.
            Or how many of them, spread between the lowest and the highest value: in even steps of the
            logarithm where all values are positive, otherwise in even steps in the lowest quarter and
            growing ones beyond (asinh). Default the paper's, 0.1, 0.6, …, 9.6; where a value is below zero
            these do not apply, and there are as many between the lowest and the highest.
        columns: Panels in a row.
        title: Title of the figure.
        cmap: A matplotlib colour map, or its name.

    Returns:
        A figure with one panel a plane and a common colour bar.

    Raises:
        TypeError: Something else than Datasets, or an argument of another kind.
        ValueError: A Dataset that is not a plane, or has no such variable; bad levels or columns; an unknown name of
            a colour map.

    Example:
        >>> a, b = np.linspace(-1, 1, 5), np.linspace(-2, 2, 7)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + b**2)}, {"alpha": a, "beta": b})
        >>> [round(float(end), 1) for end in plot_contours(bowl).axes[0].get_ylim()]
        [-2.0, 2.0]

    Source: Li et al. (2018), Figure 5.
    """
    planes, (variable,) = by_name("planes", planes, "plane", (variable,))
    chosen = choose_levels(levels, [plane[variable].values for plane in planes.values()])
    check_kind("title", title, str, "a text")
    colours = colormap(cmap)
    columns = min(check_whole("columns", columns, 1), len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (4.9, 4.5))
    filled: Any = None
    for panel, (name, plane) in zip(axes, planes.items(), strict=False):
        filled = _contour(panel, plane[variable], chosen, colours)
        panel.set_title(name, fontsize=15)
    for panel in axes[len(planes) :]:
        panel.remove()
    bar = figure.colorbar(
        filled, ax=list(axes[: len(planes)]), shrink=0.9, ticks=list(filled.levels)[::2], spacing="uniform"
    )
    bar.set_ticklabels(_texts(chosen)[::2])
    bar.set_label(LABELS.get(variable, variable))
    figure.suptitle(title, fontsize=16)
    return figure


def _contour(panel: Axes, values: xr.DataArray, levels: np.ndarray, cmap: Colormap) -> QuadContourSet:
    """Filled contours; positive levels are found by interpolating the logarithm, which bends less."""
    scale = np.log10 if levels[0] > 0 else np.positive
    if levels[0] <= 0:
        check_span(str(values.name), *limits([values.values]))
    grid = np.ma.masked_invalid(values.transpose("beta", "alpha").astype(float))
    heights = scale(grid.clip(levels[0] / 10) if levels[0] > 0 else grid)
    bins = max(256, len(levels) + 1)
    norm, cmap = BoundaryNorm(scale(levels), bins, extend="both"), cmap.resampled(bins)
    axes = values.alpha, values.beta
    filled = panel.contourf(*axes, heights, scale(levels), norm=norm, cmap=cmap, extend="both")
    white = _luminance(cmap, np.linspace(0, 1, 16)).mean() < 2 * _BRIGHT
    drawn = {"colors": "white" if white else "0.25", "linewidths": 0.7, "linestyles": "solid"}
    lines = panel.contour(*axes, heights, scale(levels), **drawn)
    _frame(panel, *axes)
    if grid.mask.any():
        _hatch(panel)
    if grid.mask.all():
        say_nothing_finite(panel, str(values.name))
    else:
        texts = dict(zip(scale(levels), _texts(levels), strict=True))
        _label(panel, lines, dict(list(texts.items())[:: max(1, len(levels) // 6)]), norm, cmap)
    return filled


def _label(panel: Axes, lines: QuadContourSet, names: Mapping[float, str], norm: BoundaryNorm, cmap: Colormap) -> None:
    """Write some levels on their contours, in the ink that stands out."""
    inks = ["black" if _luminance(cmap, norm(level)) > _BRIGHT else "white" for level in names]
    panel.clabel(lines, list(names), fontsize=11, colors=inks, fmt=dict(names), manual=_label_places(lines, names))


def _frame(panel: Axes, alpha: xr.DataArray, beta: xr.DataArray) -> None:
    """The centre, the axes' names and ranges, and one scale for both unless that leaves a sliver."""
    if alpha.min() <= 0 <= alpha.max() and beta.min() <= 0 <= beta.max():
        panel.plot(0, 0, marker="+", color="black", markersize=16, markeredgewidth=4.5, alpha=0.5)
        panel.plot(0, 0, marker="+", color="white", markersize=14, markeredgewidth=2.5)
    panel.xaxis.set_major_locator(plt.MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    width, height = np.ptp(alpha.values), np.ptp(beta.values)
    aspect = "equal" if 1 / _LONGEST <= width / height <= _LONGEST else "auto"
    panel.set(xlabel=LABELS["alpha"], ylabel=LABELS["beta"], aspect=aspect)


def _hatch(panel: Axes) -> None:
    panel.set_facecolor("0.8")
    panel.patch.set_hatch("///")
    panel.legend(handles=[Patch(facecolor="0.8", hatch="///", label="not finite")], loc="upper right")


def _luminance(cmap: Colormap, places: int | float | Float[np.ndarray, "..."]) -> Any:
    """Relative luminance of colours as the WCAG define it."""
    channels = np.asarray(cmap(places))[..., :3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ np.array(_LUMINANCE)


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


def _texts(levels: Float[np.ndarray, "levels"]) -> list[str]:
    """Levels to three digits, or as many as tell them apart; in powers of ten only from a million."""
    texts: list[str] = []
    for digits in range(3, 17):
        texts = [f"{float(f'{level:.{digits}g}'):.{max(6, digits)}g}" for level in levels]
        if len(set(texts)) == len(texts):
            break
    return texts


def _shade_gaps(panel: Axes, places: np.ndarray, gaps: np.ndarray) -> None:
    """Shade the stretches of an axis on which the value is not finite."""
    half = (places[1] - places[0]) / 2
    for start in places[gaps]:
        panel.axvspan(start - half, start + half, color="0.85", linewidth=0)
