"""Figures of planes from above, and of training runs in them."""

from collections.abc import Container, Mapping
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
from landscape_nb._common.levels import Levels, check_span, choose_levels, limits
from landscape_nb._common.schema import ALPHA, BETA, DIMS, EPOCH, LR_DROPS, MEASURED, POINT
from landscape_nb.plotting.smooth import smooth
from landscape_nb.plotting.style import (
    LABELS,
    check_panel,
    colormap,
    lettering,
    panels,
    say_nothing_finite,
)

_INNER, _NEAR, _FAR = 0.84, 0.08, 0.3
"""Parts of a panel: the middle in which contours are labelled, how close labels may be, how far apart is enough."""
_BRIGHT = 0.18
"""At this luminance black and white have the same contrast; on brighter colours black is easier to read."""
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_DROP = "#D55E00"
"""Of rings at drops of the learning rate: a colour that viridis does not have, for the colour-blind too."""
_CELLS = 160
"""So many cells a side are drawn at least: no corner of a contour is seen then."""
_LONGEST = 4
"""A plane that is more times as long as it is wide is not drawn to scale: it would be a sliver."""


def draw_contours(
    panel: Axes,
    plane: Plot,
    variable: str = "loss",
    levels: Levels = None,
    cmap: str | Colormap = "viridis",
    points: bool = False,
) -> QuadContourSet:
    """Draw a plane from above into a panel, as `plot_contours` does; for figures that mix kinds of panels.

    Args:
        panel: Where to draw.
        plane: What `evaluate_plane` returned, or one of its variables.
        variable: What to draw: `'loss'` or a metric's name.
        levels: Values at which the colour changes, as in `plot_contours`.
        cmap: A matplotlib colour map, or its name.
        points: Whether the measured points are drawn, as small dots.

    Returns:
        The filled contours, for a colour bar.

    Raises:
        TypeError: An argument has the wrong type.
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
    check_kind("points", points, bool, "True or False")
    filled = _contour(panel, values, choose_levels(levels, [values.values]), colormap(cmap))
    if points:
        _draw_points(panel, values, plane)
    return filled


def draw_path(panel: Axes, path: xr.Dataset, until: float | None = None) -> None:
    """Draw the projection of a training run into a panel, over its contours.

    The first point is a square, the last a star; where the learning rate fell there is a
    ring, above all else and wider than the star.

    Args:
        panel: Where to draw.
        path: What `project` or `plane_gap` returned for two directions.
        until: The last epoch to draw; default all. Later epochs are a faint line.

    Raises:
        TypeError: The panel or path has the wrong type, or the epoch is not a number.
        ValueError: A Dataset without `alpha` and `beta` over the dimension `point`.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> corner = {"alpha": ("point", [0.0, 1.0, 1.0]), "beta": ("point", [0.0, 0.0, 1.0])}
        >>> draw_path(panel, xr.Dataset(corner, {"epoch": ("point", [0, 1, 2])}, {"lr_drops": [1]}))

    Source: Li et al. (2018), Figure 9.
    """
    check_panel(panel)
    check_path("path", path, DIMS)
    if until is not None:
        check_kind("until", until, (int, float, np.number), "an epoch, or None for all")
    epochs = path[EPOCH].values if EPOCH in path.coords else np.arange(path.sizes[POINT])
    shown = epochs <= (epochs[-1] if until is None else until)
    x, y = path.alpha.values, path.beta.values
    panel.plot(x, y, color="white", linewidth=1, alpha=0.6)
    panel.plot(x[shown], y[shown], color="black", linewidth=2, marker="o", markersize=4, markeredgewidth=0)
    edge = {"linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 1, "zorder": 5}
    panel.plot(x[0], y[0], marker="s", markersize=9, color="black", **edge)
    drops = shown & np.isin(epochs, path.attrs.get(LR_DROPS, []))
    panel.plot(x[shown][-1:], y[shown][-1:], marker="*", markersize=17, color="black", **edge)
    ring = {"marker": "o", "markersize": 21, "markerfacecolor": "none", "linestyle": "none", "zorder": 6}
    for colour, width in {"white": 4.5, _DROP: 2.5}.items():
        panel.plot(x[drops], y[drops], color=colour, markeredgecolor=colour, markeredgewidth=width, **ring)


def plot_contours(
    planes: Plots,
    variable: str = "loss",
    levels: Levels = None,
    columns: int = 2,
    title: str = "",
    cmap: str | Colormap = "viridis",
    points: bool = False,
    log: bool = True,
) -> Figure:
    """Draw planes from above, all on the same levels, colours and ranges.

    Between measured points the logarithm of a positive value follows a spline. Values above the last level have one
    colour; where the value is not finite, the plane is hatched.
    α and β have the same scale, unless one is more than four times as long as the other.

    Args:
        planes: What `evaluate_plane` returned, or one of its variables; or several, in a list or by name.
            Of several draws (`repeats=`) each has a panel.
        variable: What to draw: `'loss'` or a metric's name.
        levels: Values at which the colour changes, each above the one before; every second one is labelled.
            Or how many of them, spread between the lowest and the highest value: evenly in the logarithm
            where all values are positive, otherwise evenly among the lowest quarter of the values and in growing
            steps above (asinh). Default the paper's, 0.1, 0.6, …, 9.6; where a value is below zero, as many
            between the lowest and the highest value.
        columns: Panels in a row.
        title: Title of the figure.
        cmap: A matplotlib colour map, or its name.
        points: Whether the measured points are drawn, as small dots.
        log: Whether it is the logarithm of positive values that follows a spline and that `levels` of which only the
            number is given are spread in; else the values themselves.

    Returns:
        A figure with one panel a plane and a common colour bar.

    Raises:
        TypeError: `planes` is not made of Datasets, or another argument has the wrong type.
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
    check_kind("log", log, bool, "True or False")
    chosen = choose_levels(levels, [plane[variable].values for plane in planes.values()], log)
    check_kind("title", title, str, "a text")
    check_kind("points", points, bool, "True or False")
    colours = colormap(cmap)
    columns = min(check_whole("columns", columns, 1), len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (4.9, 4.5))
    filled: Any = None
    for panel, (name, plane) in zip(axes, planes.items(), strict=False):
        filled = _contour(panel, plane[variable], chosen, colours, log)
        if points:
            _draw_points(panel, plane[variable], plane)
        panel.set_title(name, fontsize=lettering(15))
    for panel in axes[len(planes) :]:
        panel.remove()
    bar = figure.colorbar(
        filled, ax=list(axes[: len(planes)]), shrink=0.9, ticks=list(filled.levels)[::2], spacing="uniform"
    )
    bar.set_ticklabels(_texts(chosen)[::2])
    bar.set_label(LABELS.get(variable, variable))
    figure.suptitle(title, fontsize=lettering(16))
    _lay_out(figure)
    return figure


def _lay_out(figure: Figure) -> None:
    """Lay out the panels once before they are drawn.

    Panels of equal aspect become smaller beside a colour bar, and the room above and below them is divided only at
    the next pass. A picture is drawn in one: without this one, its title would meet the panels', and labels be cut.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _contour(
    panel: Axes, values: xr.DataArray, levels: Float[np.ndarray, "levels"], cmap: Colormap, log: bool = True
) -> QuadContourSet:
    """Filled contours with lines on them.

    A loss grows by decades; its logarithm bends less, and is easier to follow between the measured points. Levels are
    therefore looked for in the logarithm if all are positive, unless `log` is False. Values far below the lowest level
    (or 0, which has no logarithm) are then raised to a thousandth of it: they have the same colour, but otherwise would
    pull the lowest contour out of its place.
    """
    log = log and levels[0] > 0
    scale = np.log10 if log else np.positive
    if not log:
        check_span(str(values.name), *limits([values.values]))
    grid = values.transpose(BETA, ALPHA).values.astype(float)
    finite = np.where(np.isfinite(grid), grid, np.nan)
    heights = scale(finite.clip(levels[0] / 1000) if log else finite)
    (beta, alpha), heights = smooth((values.beta.values, values.alpha.values), heights, _CELLS)
    fine = alpha, beta, np.ma.masked_invalid(heights)
    bins = max(256, len(levels) + 1)
    norm, cmap = BoundaryNorm(scale(levels), bins, extend="both"), cmap.resampled(bins)
    filled = panel.contourf(*fine, scale(levels), norm=norm, cmap=cmap, extend="both")
    white = _luminance(cmap, np.linspace(0, 1, 16)).mean() < 2 * _BRIGHT
    strokes = {"colors": "white" if white else "0.25", "linewidths": 0.7, "linestyles": "solid"}
    lines = panel.contour(*fine, scale(levels), **strokes)
    _frame(panel, values.alpha, values.beta)
    if np.isnan(finite).any():
        _hatch(panel)
    if np.isnan(finite).all():
        say_nothing_finite(panel, str(values.name))
    else:
        texts = dict(zip(scale(levels), _texts(levels), strict=True))
        _label(panel, lines, texts, list(texts)[:: max(1, len(levels) // 6)], norm, cmap)
    return filled


def _draw_points(panel: Axes, values: xr.DataArray, plane: Plot) -> None:
    """Dots where the plane was measured: everywhere, unless it is one that `progressive_plane` filled in between."""
    known = values.copy(data=np.ones(values.shape, bool))
    if isinstance(plane, xr.Dataset) and MEASURED in plane:
        known = plane[MEASURED].astype(bool)
    beta, alpha = np.nonzero(known.transpose(BETA, ALPHA).values)
    x, y = values.alpha.values[alpha], values.beta.values[beta]
    style = {"marker": ".", "markersize": 4, "color": "white", "markeredgecolor": "0.2", "markeredgewidth": 0.5}
    panel.plot(x, y, linestyle="none", **style)


def _label(
    panel: Axes,
    lines: QuadContourSet,
    texts: Mapping[float, str],
    labelled: Container[float],
    norm: BoundaryNorm,
    cmap: Colormap,
) -> None:
    """Write some levels on their contours, in black or white, whichever has the higher contrast."""
    # matplotlib 3.10.0 takes the text of a contour by its number among all levels: so it is given those of all, and
    # positions for some.
    inks = ["black" if _luminance(cmap, norm(level)) > _BRIGHT else "white" for level in texts]
    positions = _label_positions(lines, labelled)
    panel.clabel(lines, list(texts), fontsize=lettering(11), colors=inks, fmt=dict(texts), manual=positions)


def _frame(panel: Axes, alpha: xr.DataArray, beta: xr.DataArray) -> None:
    """The mark in the centre, the names of the axes, and one scale for both unless the plane would be a sliver."""
    if alpha.min() <= 0 <= alpha.max() and beta.min() <= 0 <= beta.max():
        panel.plot(0, 0, marker="+", color="black", markersize=16, markeredgewidth=4.5, alpha=0.5)
        panel.plot(0, 0, marker="+", color="white", markersize=14, markeredgewidth=2.5)
    panel.xaxis.set_major_locator(plt.MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    width, height = np.ptp(alpha.values), np.ptp(beta.values)
    aspect = "equal" if 1 / _LONGEST <= width / height <= _LONGEST else "auto"
    panel.set(xlabel=LABELS[ALPHA], ylabel=LABELS[BETA], aspect=aspect)


def _hatch(panel: Axes) -> None:
    panel.set_facecolor("0.8")
    panel.patch.set_hatch("///")
    panel.legend(handles=[Patch(facecolor="0.8", hatch="///", label="not finite")], loc="upper right")


def _luminance(cmap: Colormap, positions: int | float | Float[np.ndarray, "..."]) -> Any:
    """Relative luminance, as WCAG 2 defines it, of a colour map's colours."""
    channels = np.asarray(cmap(positions))[..., :3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ np.array(_LUMINANCE)


def _label_positions(lines: QuadContourSet, levels: Container[float]) -> list[Float[np.ndarray, "2"]]:
    """For each of these levels a point of its contour away from the border, the centre and other labels, if any.

    One after the other takes the point that is farthest from all labels so far. (matplotlib's own placement looks at
    the contour's bends, not at other labels.) All that are far enough are equally good: the middle one is taken.
    """
    low, high = np.reshape(lines.axes.dataLim, (2, 2))
    positions = -low[None] / (high - low)
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        shares = (path.vertices - low) / (high - low)
        shares = shares[np.abs(shares - 0.5).max(1, initial=0) < _INNER / 2]
        if level in levels and len(shares):
            distances = np.linalg.norm(shares[:, None] - positions, axis=-1).min(1).clip(max=_FAR)
            best = np.flatnonzero(distances == distances.max())
            if distances.max() > _NEAR:
                positions = np.vstack([positions, shares[best[len(best) // 2]]])
    return list(low + positions[1:] * (high - low))


def _texts(levels: Float[np.ndarray, "levels"]) -> list[str]:
    """Levels as text: with three digits, or as many as tell them apart; with an exponent only from a million on."""
    texts: list[str] = []
    for digits in range(3, 17):
        texts = [f"{float(f'{level:.{digits}g}'):.{max(6, digits)}g}" for level in levels]
        if len(set(texts)) == len(texts):
            break
    return texts
