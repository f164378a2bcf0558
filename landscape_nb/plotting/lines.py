"""Figures of values along lines."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape_nb._common.checks import check_kind, check_whole
from landscape_nb._common.drawable import Plot, Plots, by_name, single
from landscape_nb._common.levels import check_span, is_below_zero, limits
from landscape_nb.plotting.style import (
    COLOURS,
    LABELS,
    STROKES,
    check_pair,
    check_panel,
    lettering,
    panels,
    say_nothing_finite,
)


def plot_lines(
    lines: Plots,
    variables: str | Sequence[str] = ("loss",),
    log: bool = False,
    ylim: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw values along one or several lines, a panel for each variable.

    Where a value is not finite there is a shaded gap. Of several draws (`repeats=`) each is a line.

    Args:
        lines: What `evaluate_line` or `interpolate` returned, a row of a plane, or one of their variables;
            or several, in a list or by name.
        variables: What to draw: `'loss'` or a metric's name, or several.
        log: Whether the loss has a logarithmic axis; where a loss is below zero, its axis is linear all the same.
        ylim: Range of the vertical axes.
        title: Title of the figure.

    Returns:
        A figure with one panel a variable.

    Raises:
        TypeError: `lines` is not made of Datasets, or another argument has the wrong type.
        ValueError: A Dataset that is not a line, or has no such variable.

    Example:
        >>> import xarray as xr
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
        log_axis = log and variable == "loss" and limits(values)[1] > 0 and not is_below_zero(values)
        if not log_axis:
            check_span(variable, *limits(values))
        for number, (name, line) in enumerate(lines.items()):
            draw_line(panel, line, variable, name, number)
        panel.set(ylim=ylim)
        if log_axis:
            panel.set_yscale("log")
        if not any(np.isfinite(each).any() for each in values):
            panel.set_yticks([])
            say_nothing_finite(panel, variable)
    if len(lines) > 1:
        names = axes[0].get_legend_handles_labels()
        columns = min(len(lines), 2 * len(variables))
        figure.legend(*names, loc="outside lower center", ncols=columns, fontsize=lettering(12))
    figure.suptitle(title, fontsize=lettering(16))
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
        TypeError: The panel, line or name has the wrong type.
        ValueError: A Dataset that is not a line, has several draws or no such variable, or a negative number.

    Example:
        >>> import xarray as xr
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


def _shade_gaps(panel: Axes, coords: np.ndarray, gaps: np.ndarray) -> None:
    """Shade the parts of an axis on which the value is not finite."""
    half = (coords[1] - coords[0]) / 2
    for coord in coords[gaps]:
        panel.axvspan(coord - half, coord + half, color="0.85", linewidth=0)
