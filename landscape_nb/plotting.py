"""Figures of lines, planes and surfaces, from the Datasets that `surface` returns; no loss is computed here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

if TYPE_CHECKING:
    import plotly.graph_objects

PAPER_LEVELS = tuple(round(0.1 + 0.5 * i, 1) for i in range(20))
"""Contour levels of the paper's figures: 0.1, 0.6, …, 9.6."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STROKES = ("-", "--", "-.", ":")
_LABELS = {
    "alpha": "α (first direction)",
    "beta": "β (second direction)",
    "loss": "loss",
    "accuracy": "accuracy",
}
_STYLE = {"font.size": 13, "axes.titlesize": 14, "lines.linewidth": 2.5, "axes.grid": False}

Datasets = xr.Dataset | Mapping[str, xr.Dataset]


def panels(
    columns: int, rows: int = 1, size: tuple[float, float] = (6.4, 4.6), **axes: str
) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure with lettering that is legible at lecture distance.

    Args:
        columns: Panels in a row.
        rows: Rows of panels.
        size: Width and height of a panel in inches.
        **axes: What else `Figure.add_subplot` takes, such as `projection='3d'`.

    Returns:
        The figure and its panels, row by row.

    Example:
        >>> len(panels(2, 2)[1])
        4
    """
    shape = {"figsize": (size[0] * columns, size[1] * rows), "layout": "constrained", "squeeze": False}
    with plt.rc_context(_STYLE):
        figure, grid = plt.subplots(rows, columns, subplot_kw=axes, **shape)
    return figure, grid.ravel()


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
    lines = _by_name(lines, ("alpha",), variables)
    figure, axes = panels(len(variables))
    for panel, variable in zip(axes, variables, strict=True):
        for number, (name, line) in enumerate(lines.items()):
            draw_line(panel, line, variable, name, number)
        panel.set(ylim=ylim)
        if log and variable == "loss":
            panel.set_yscale("log")
    if len(lines) > 1:
        axes[0].legend(fontsize=12)
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
    stroke = {"color": _COLOURS[number % len(_COLOURS)], "linestyle": _STROKES[number % len(_STROKES)]}
    panel.plot(line.alpha, values.where(np.isfinite(values)), label=label, linewidth=2.5, **stroke)
    _shade_gaps(panel, values)
    panel.xaxis.set_major_locator(plt.MaxNLocator(5))
    panel.set(xlabel=_LABELS["alpha"], ylabel=_LABELS.get(variable, variable))
    panel.grid(alpha=0.3)


def draw_answers(
    panel: Axes,
    images: Shaped[np.ndarray, "n h w *c"],
    labels: Sequence[int],
    probabilities: Float[np.ndarray, "n classes"],
    names: Sequence[str] | None = None,
    columns: int = 4,
) -> None:
    """Draw images into a panel as a sheet, each with a network's answer and how sure it is.

    Right answers have a tick and a solid frame, wrong ones a cross, a dashed frame and the truth
    below them; where the probabilities are not finite there is no answer.

    Args:
        panel: Where to draw.
        images: Pixels in [0, 1], with a last dimension of channels or without.
        labels: The true class of each image.
        probabilities: The network's, one row an image.
        names: Names of the classes; default their numbers.
        columns: Images in a row.

    Raises:
        ValueError: There are not as many images, labels and rows of probabilities.

    Example:
        >>> figure, (panel,) = panels(1)
        >>> draw_answers(panel, np.zeros((2, 8, 8)), [0, 1], np.array([[0.9, 0.1], [0.7, 0.3]]))
        >>> [text.get_text() for text in panel.texts]
        ['✓ 0 (90 %)', '✗ 0 (70 %)\\nis 1']
    """
    images, probabilities = np.asarray(images), np.asarray(probabilities)
    if not len(images) == len(labels) == len(probabilities):
        raise ValueError(f"got {len(images)} images, {len(labels)} labels, {len(probabilities)} rows of probabilities")
    names = [str(number) for number in range(probabilities.shape[1])] if names is None else names
    for number, (image, label, row) in enumerate(zip(images, map(int, labels), probabilities, strict=True)):
        left, bottom = number % columns, -1.45 * (number // columns)
        place = left + 0.08, left + 0.92, bottom + 0.08, bottom + 0.92
        panel.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, extent=place)
        text, right = _answer(row, label, names)
        colour, stroke = (_COLOURS[0], "-") if right else (_COLOURS[1], "--")
        size = place[1] - place[0], place[3] - place[2]
        panel.add_patch(Rectangle((place[0], place[2]), *size, fill=False, color=colour, ls=stroke, lw=3))
        panel.text(left + 0.5, bottom + 0.02, text, ha="center", va="top", color=colour, fontsize=12)
    rows = -(-len(images) // columns)
    panel.set(xlim=(0, columns), ylim=(1.45 * (1 - rows) - 0.4, 1), aspect="equal")
    panel.axis("off")


def _answer(row: np.ndarray, label: int, names: Sequence[str]) -> tuple[str, bool]:
    """What the network says of an image, in words, and whether it is right."""
    if not np.isfinite(row).all():
        return f"no answer\nis {names[label]}", False
    said = int(row.argmax())
    text = f"{names[said]} ({row[said]:.0%})".replace("%", " %")
    return (f"✓ {text}", True) if said == label else (f"✗ {text}\nis {names[label]}", False)


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
    (plane,) = _by_name(plane, ("alpha", "beta"), (variable,)).values()
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
    panel.plot(x[drops], y[drops], marker="o", markersize=10, color="red", **edge)
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
    planes = _by_name(planes, ("alpha", "beta"), (variable,))
    columns = min(columns, len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (4.9, 4.5))
    for panel, (name, plane) in zip(axes, planes.items(), strict=False):
        filled = _contour(panel, plane[variable], np.asarray(levels, dtype=float))
        panel.set_title(name, fontsize=15)
    for panel in axes[len(planes) :]:
        panel.remove()
    bar = figure.colorbar(filled, ax=list(axes[: len(planes)]), shrink=0.9, ticks=filled.levels[::2], spacing="uniform")
    bar.set_ticklabels([f"{level:.3g}" for level in levels[::2]])
    bar.set_label(_LABELS.get(variable, variable))
    figure.suptitle(title, fontsize=16)
    return figure


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
    planes = _by_name(planes, ("alpha", "beta"), (variable,))
    heights = {name: _height(plane[variable], log, top) for name, plane in planes.items()}
    low, high = (float(f([f(height) for height in heights.values()])) for f in (np.nanmin, np.nanmax))
    columns = min(columns, len(planes))
    figure, axes = panels(columns, -(-len(planes) // columns), (5.6, 4.4), projection="3d")
    for panel, (name, plane) in zip(axes, planes.items(), strict=False):
        x, y = np.meshgrid(plane.alpha, plane.beta, indexing="ij")
        shading = {"cmap": "viridis", "vmin": low, "vmax": high, "rstride": 1, "cstride": 1}
        panel.plot_surface(x, y, heights[name], linewidth=0.1, edgecolor="0.25", antialiased=True, **shading)
        panel.set(zlim=(low, high), xlabel="α", ylabel="β")
        panel.set_title(name, fontsize=15)
        panel.set_zticks(*_height_ticks(low, high, log))
        panel.set_box_aspect((1, 1, 0.75), zoom=0.95)
        panel.set_zlabel(_LABELS.get(variable, variable) + (", log scale" if log else ""), labelpad=6)
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

    (plane,) = _by_name(plane, ("alpha", "beta"), (variable,)).values()
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


def _by_name(datasets: Datasets, dims: Sequence[str], variables: Sequence[str]) -> dict[str, xr.Dataset]:
    """Check the Datasets and put a single one under an empty name."""
    named = {"": datasets} if isinstance(datasets, xr.Dataset) else dict(datasets)
    if not named:
        raise ValueError("got no Dataset to draw")
    for name, dataset in named.items():
        for variable in variables:
            if variable not in dataset or dataset[variable].dims != tuple(dims):
                has = {key: value.dims for key, value in dataset.items()}
                raise ValueError(f"Dataset {name!r}: wants {variable!r} over {tuple(dims)}, has {has}")
    return named


def _contour(panel: Axes, values: xr.DataArray, levels: np.ndarray) -> QuadContourSet:
    """Filled contours; positive levels are found by interpolating the logarithm, which bends less."""
    scale = np.log10 if levels[0] > 0 else np.asarray
    grid = np.ma.masked_invalid(values.transpose("beta", "alpha"))
    heights = scale(grid.clip(levels[0] / 10 if levels[0] > 0 else None))
    norm = BoundaryNorm(scale(levels), 256, extend="both")
    axes = values.alpha, values.beta
    filled = panel.contourf(*axes, heights, scale(levels), norm=norm, cmap="viridis", extend="both")
    lines = panel.contour(*axes, heights, scale(levels), colors="white", linewidths=0.7, linestyles="solid")
    names = {scale(level): f"{level:.3g}" for level in levels[:: max(1, len(levels) // 6)]}
    panel.clabel(lines, list(names), fontsize=11, fmt=names)
    if grid.mask.any():
        panel.set_facecolor("0.8")
        panel.patch.set_hatch("///")
        panel.legend(handles=[Patch(facecolor="0.8", hatch="///", label="not finite")], loc="upper right")
    panel.plot(0, 0, marker="+", color="white", markersize=14, markeredgewidth=2.5)
    panel.set(xlabel=_LABELS["alpha"], ylabel=_LABELS["beta"], aspect="auto")
    return filled


def _shade_gaps(panel: Axes, values: xr.DataArray) -> None:
    """Shade the stretches of α on which the value is not finite."""
    alpha, gaps = values.alpha.values, ~np.isfinite(values.values)
    half = (alpha[1] - alpha[0]) / 2
    for start in alpha[gaps]:
        panel.axvspan(start - half, start + half, color="0.85", linewidth=0)


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
