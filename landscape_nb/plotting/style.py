"""Empty figures, and what all figures share: colours, strokes, labels."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from landscape_nb._common.checks import check_kind, check_positive, check_whole
from landscape_nb._common.schema import ALPHA, BETA

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STROKES = ("-", "--", "-.", ":")
LABELS = {
    ALPHA: "α (first direction)",
    BETA: "β (second direction)",
    "loss": "loss",
    "accuracy": "accuracy",
}
_STYLE = {"lines.linewidth": 2.5, "axes.grid": False}


def lettering(size: float) -> float:
    """A font size in proportion to the reader's setting `font.size`, at which matplotlib has 10 points.

    Example:
        >>> with plt.rc_context({"font.size": 20}):
        ...     lettering(13)
        26.0
    """
    return size * plt.rcParams["font.size"] / matplotlib.rcParamsDefault["font.size"]


def panels(
    columns: int, rows: int = 1, size: tuple[float, float] = (6.4, 4.6), **axes: str
) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure with lettering that is legible at lecture distance.

    Sizes follow matplotlib's settings: twice the `font.size` makes all lettering twice as large, and twice the
    `figure.figsize` all panels.

    Args:
        columns: Panels in a row.
        rows: Rows of panels.
        size: Width and height of a panel in inches, at matplotlib's own `figure.figsize`.
        **axes: Further arguments of `Figure.add_subplot`, such as `projection='3d'`.

    Returns:
        The figure and its panels, row by row.

    Raises:
        ValueError: Columns or rows that are not whole numbers from 1 up, or a size that is not two positive numbers.

    Example:
        >>> len(panels(2, 2)[1])
        4
    """
    check_whole("columns", columns, 1)
    check_whole("rows", rows, 1)
    check_pair("size", size)
    for length in size:
        check_positive("size", length)
    across, down = np.divide(plt.rcParams["figure.figsize"], matplotlib.rcParamsDefault["figure.figsize"]).tolist()
    inches = (size[0] * columns * across, size[1] * rows * down)
    shape = {"figsize": inches, "layout": "constrained", "squeeze": False}
    with plt.rc_context(_STYLE | {"font.size": lettering(13), "axes.titlesize": lettering(14)}):
        figure, grid = plt.subplots(rows, columns, subplot_kw=axes, **shape)
    return figure, grid.ravel()


def check_pair(name: str, value: object, kinds: type | tuple[type, ...] = Real) -> None:
    """Raise unless the argument is two numbers.

    Example:
        >>> check_pair("ylim", 3)
        Traceback (most recent call last):
        TypeError: ylim: got 3, wants two numbers
    """
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(isinstance(x, kinds) for x in value):
        raise TypeError(f"{name}: got {value!r}, wants two numbers")


def check_panel(panel: Any) -> None:
    """Raise unless the argument is a flat panel.

    Example:
        >>> check_panel(panels(1)[0])
        Traceback (most recent call last):
        TypeError: panel: got Figure, wants one matplotlib Axes, as plotting.panels makes
    """
    check_kind("panel", panel, Axes, "one matplotlib Axes, as plotting.panels makes")
    if panel.name != "rectilinear":
        raise ValueError(f"panel: got one with projection {panel.name!r}, wants a flat one")


def colormap(cmap: str | Colormap) -> Colormap:
    """A colour map, or the one of that name.

    Raises:
        TypeError: The argument is neither a colour map nor a name.
        ValueError: matplotlib does not have a colour map of this name.

    Example:
        >>> colormap("cividis").name
        'cividis'
    """
    check_kind("cmap", cmap, (str, Colormap), "a matplotlib Colormap or its name")
    if isinstance(cmap, str) and cmap not in matplotlib.colormaps:
        raise ValueError(f"cmap: got {cmap!r}, wants one of matplotlib.colormaps, such as 'viridis' or 'cividis'")
    return matplotlib.colormaps[cmap] if isinstance(cmap, str) else cmap


def say_nothing_finite(panel: Axes, variable: str) -> None:
    """Write into an empty panel why it is empty.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> say_nothing_finite(panel, "loss")
        >>> panel.texts[0].get_text()
        'no finite loss'
    """
    write = getattr(panel, "text2D", panel.text)  # in three dimensions, text() wants a height
    box = {"facecolor": "white", "edgecolor": "0.4", "boxstyle": "round"}
    centred = {"ha": "center", "va": "center", "transform": panel.transAxes, "zorder": 9}
    write(0.5, 0.5, f"no finite {variable}", fontsize=lettering(14), bbox=box, **centred)
