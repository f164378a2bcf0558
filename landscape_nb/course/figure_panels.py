"""How each figure of the paper is drawn from results, in the paper's arrangement."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from landscape_nb._common.schema import ALPHA, DIMS, EPOCH, LR_DROPS, PAPER_LEVELS, POINT, RATIO, REPEAT
from landscape_nb.gallery.shown import MAPS, Shown
from landscape_nb.plotting import draw_contours, draw_path, panels, plot_surfaces
from landscape_nb.plotting.style import COLOURS, STROKES

PATH_LEVELS = (*PAPER_LEVELS, *(10.0**power for power in range(1, 9)))
"""The paper's levels for trajectories: 0.1, 0.6, …, 9.6, 10, 100, …, 10⁸."""
_SIDES, _DECAYS = ("small", "large"), ("no-decay", "decay")
_VGG = tuple(f"vgg9-sgd-{side}-{decay}" for decay in _DECAYS for side in _SIDES)
_BOTTOM, _TOP = 0.1, 40.0
_MOST_RATIO = 0.5
_STATISTICS = "between-interpolated"


def figure_1(results: Shown) -> Figure:
    """ResNet-56 in three dimensions, without and with shortcuts."""
    return _surfaces(results, ("resnet56-plain", "resnet56-shortcuts"))


def figure_2(results: Shown) -> Figure:
    """From small batches to large ones: loss and accuracy, norms, and weights, without and with weight decay."""
    results.compare(_VGG, "training")
    figure, axes = panels(3, 2, (5.6, 4.4))
    for row, decay in enumerate(_DECAYS):
        left, middle, right = axes[3 * row : 3 * row + 3]
        _draw_between(results, left, f"vgg9-between-{decay}")
        for number, side in enumerate(_SIDES):
            trained = results(f"vgg9-sgd-{side}-{decay}", "training")
            if trained is None:
                continue
            label = results.title(f"vgg9-sgd-{side}-{decay}").replace("\n", ": ")
            epochs = np.concatenate([[0], trained.epoch])
            norms = np.concatenate([[trained.attrs["initial_norm"]], trained.weight_norm])
            style = {"color": COLOURS[number], "linestyle": STROKES[number], "label": label}
            middle.plot(epochs, norms, **style)
            right.step(trained.bin, trained.weights / trained.weights.sum(), where="mid", **style)
        middle.set(xlabel="epoch", ylabel="norm of the weights", title="norm of the weights")
        middle.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.set(
            title="weights at the end",
            xlabel="weight",
            ylabel="share of the weights",
            yscale="log",
            ylim=(1e-6, 10),
            xlim=(-0.5, 0.5),
        )
        for panel in (middle, right):
            _legend(panel)
    highest = max(axes[k].get_ylim()[1] for k in (1, 4))
    for panel in (axes[1], axes[4]):
        panel.set_ylim(0, highest)
    return figure


def figure_3(results: Shown) -> Figure:
    """The same four networks around their minima, filter-normalized: lines above, planes below."""
    results.compare(_VGG, "lines", "plane")
    figure, axes = panels(4, 2, (4.6, 4.4))
    for panel, role in zip(axes[:4], _VGG, strict=True):
        lines = results(role, "lines")
        _draw_line(panel, None if lines is None else lines.isel(repeat=0))
        panel.set_title(results.title(role), fontsize=12)
    _contours(figure, axes[4:], {role: results(role, "plane") for role in _VGG}, dict.fromkeys(_VGG, ""))
    return figure


def figure_4(results: Shown) -> Figure:
    """ResNet-110 without shortcuts, or else ResNet-56, and a DenseNet, in three dimensions."""
    deep = results.stand_in("resnet110-plain", "resnet56-plain", "plane")
    return _surfaces(results, (deep, "densenet"))


def figure_5(results: Shown) -> Figure:
    """Depths 20, 56 and 110, with shortcuts above and without below."""
    roles = [f"resnet{depth}-{kind}" for kind in ("shortcuts", "plain") for depth in (20, 56, 110)]
    results.compare(roles, "plane")
    return _grid(results, roles, 3)


def figure_6(results: Shown) -> Figure:
    """Widths 1, 2, 4 and 8, with shortcuts above and without below."""
    roles = [f"resnet-k{k}-{kind}" for kind in ("shortcuts", "plain") for k in (1, 2, 4, 8)]
    results.compare(roles, "plane")
    return _grid(results, roles, 4)


def figure_7(results: Shown) -> Figure:
    """abs(λmin / λmax) over the planes of ResNet-56, with and without shortcuts, and of DenseNet-121."""
    figure, axes = panels(3, 1, (4.9, 4.5))
    shown: Any = None
    for panel, role in zip(axes, ("resnet56-shortcuts", "resnet56-plain", "densenet"), strict=True):
        found = results(role, *MAPS)
        panel.set(title=results.title(role), xlabel="α", ylabel="β")
        if found is None:
            _absent(panel)
            continue
        x, y = np.meshgrid(found.alpha, found.beta, indexing="ij")
        shown = panel.pcolormesh(x, y, found[RATIO], vmin=0, vmax=_MOST_RATIO, cmap="viridis", shading="nearest")
        panel.set_aspect("equal")
    if shown is not None:
        figure.colorbar(shown, ax=list(axes), label="abs(λmin / λmax)", extend="max")
    return figure


def figure_8(results: Shown) -> Figure:
    """Where trajectories do not show: in two random directions; and along the whole way, with a random direction."""
    figure, axes = panels(3, 1, (5.2, 4.6))
    found = results(_VGG[2], "random-paths")
    for panel, (first, title) in zip(axes, _RANDOM_PATHS, strict=True):
        panel.set(title=title, xlabel=_AXES[first][0], ylabel=_AXES[first][1])
        if found is None:
            _absent(panel)
            continue
        values = {name: (POINT, found[f"{first}_{name}"].values) for name in DIMS}
        if first == "mixed":
            values[ALPHA] = (POINT, values[ALPHA][1] + 1)
        attrs = {LR_DROPS: found.attrs["drops"]}
        draw_path(panel, xr.Dataset(values, {EPOCH: (POINT, found[EPOCH].values)}, attrs))
        panel.xaxis.set_major_locator(MaxNLocator(4))
    axes[1].set(xlim=(-0.5, 1.5), ylim=(-1, 1))
    for panel in axes[:2]:
        panel.axhline(0, color="0.8", zorder=0)
    return figure


def figure_9(results: Shown) -> Figure:
    """Trajectories in the planes of their principal components: SGD above, Adam below."""
    figure, axes = panels(4, 2, (4.7, 4.3))
    filled: Any = None
    roles = [f"vgg9-{name}-{side}-{decay}" for name in ("sgd", "adam") for decay in _DECAYS[::-1] for side in _SIDES]
    for panel, role in zip(axes, roles, strict=True):
        path, plane = results(role, "path"), results(role, "path-plane")
        panel.set_title(results.title(role), fontsize=12)
        if path is None or plane is None:
            _absent(panel)
            continue
        filled = draw_contours(panel, plane, levels=PATH_LEVELS)
        draw_path(panel, path)
        panel.set_aspect("auto")
        first, second = (100 * share for share in path.attrs["shares"])
        panel.set(xlabel=f"PC1: {first:.1f} %", ylabel=f"PC2: {second:.1f} %")
    _loss_bar(figure, axes, filled, (0.1, 1.1, 3.1, *PATH_LEVELS[20:]))
    return figure


def ten_directions(results: Shown) -> Figure:
    """Lines in several random directions: nearly the same curve."""
    figure, axes = panels(4, 1, (4.8, 4.4))
    for panel, role in zip(axes, _VGG, strict=True):
        lines = results(role, "lines")
        panel.set_title(results.title(role), fontsize=12)
        if lines is None:
            _absent(panel)
            continue
        for number in range(lines.sizes[REPEAT]):
            panel.plot(lines.alpha, lines.loss.isel({REPEAT: number}), linewidth=1.3, color=COLOURS[number % 7])
        panel.set(xlabel="α", ylabel="training loss", ylim=(0, 10))
        panel.xaxis.set_major_locator(MaxNLocator(5))
    return figure


def repeated_planes(results: Shown) -> Figure:
    """Planes of ResNet-56 in other random directions, with shortcuts above and without below."""
    return _grid(results, [f"resnet56-{kind}" for kind in ("shortcuts", "plain")], 4, _REPEATED)


def layer_normalized(results: Shown) -> Figure:
    """Lines in directions normalized by layer: here the flatter one may generalize worse."""
    figure, axes = panels(4, 1, (4.8, 4.4))
    for panel, role in zip(axes, _VGG, strict=True):
        lines = results(role, "lines-layer")
        _draw_line(panel, None if lines is None else lines.isel(repeat=0))
        panel.set_title(results.title(role), fontsize=12)
    return figure


def large_batch(results: Shown) -> Figure:
    """ResNet-56 trained with batches of 128 and of 4096."""
    return _grid(results, ["resnet56-shortcuts", "resnet56-large-batch"], 2)


FIGURE_DRAWERS: Mapping[str, Callable[[Shown], Figure]] = {
    "1": figure_1,
    "2": figure_2,
    "3": figure_3,
    "4": figure_4,
    "5": figure_5,
    "6": figure_6,
    "7": figure_7,
    "8": figure_8,
    "9": figure_9,
    "ten-directions": ten_directions,
    "repeated-planes": repeated_planes,
    "layer-normalized": layer_normalized,
    "large-batch": large_batch,
}
"""By number, and by name those of the appendix, the functions that draw the paper's figures."""

_RANDOM_PATHS = (
    ("random", "two random directions"),
    ("mixed", "from start to end × random"),
    ("mixed", "the same, magnified"),
)
_AXES = {
    "random": ("first random direction", "second random direction"),
    "mixed": ("from the start (0) to the end (1)", "random direction"),
}
_REPEATED = ("plane", "plane-1", "plane-2", "plane-3")


def _surfaces(results: Shown, roles: Sequence[str]) -> Figure:
    """Planes in three dimensions, all with the same heights; a figure of text where none is computed."""
    planes = {role: results(role, "plane") for role in roles}
    known = [plane for plane in planes.values() if plane is not None]
    if not known:
        figure, axes = panels(len(roles))
        for panel, role in zip(axes, roles, strict=True):
            panel.set_title(results.title(role))
            _absent(panel)
        return figure
    nothing = known[0].assign(loss=known[0].loss * np.nan)
    drawn = {results.title(role): nothing if plane is None else plane for role, plane in planes.items()}
    lowest = max(float(plane.loss.min()) for plane in known)
    top = max(_TOP, 10 * lowest) if np.isfinite(lowest) else None
    figure = plot_surfaces(drawn, top=top, bottom=_BOTTOM if top else None)
    for panel, plane in zip(figure.axes, planes.values(), strict=False):
        for text in panel.texts if plane is None else ():
            text.set_text("not computed yet")
    return figure


def _grid(results: Shown, roles: Sequence[str], columns: int, products: Sequence[str] = ("plane",)) -> Figure:
    """Contours of planes, row by row, all on the paper's levels."""
    cells = [(role, product) for role in roles for product in products]
    figure, axes = panels(columns, -(-len(cells) // columns), (4.6, 4.5))
    planes = {cell: results(*cell) for cell in cells}
    seeds = {"plane": "", **{name: f"\ndirections {name[-1]}" for name in products[1:]}}
    _contours(figure, axes, planes, {cell: results.title(cell[0]) + seeds[cell[1]] for cell in cells})
    return figure


def _contours(
    figure: Figure, axes: Sequence[Axes], planes: Mapping[Any, xr.Dataset | None], titles: Mapping[Any, str]
) -> None:
    filled: Any = None
    for panel, (key, plane) in zip(axes, planes.items(), strict=True):
        panel.set_title(titles[key], fontsize=13)
        if plane is None:
            _absent(panel)
        else:
            filled = draw_contours(panel, plane, levels=PAPER_LEVELS)
    _loss_bar(figure, axes, filled, PAPER_LEVELS[::2])


def _loss_bar(figure: Figure, axes: Sequence[Axes], filled: Any, levels: Sequence[float]) -> None:
    if filled is None:
        return
    bar = figure.colorbar(filled, ax=list(axes), ticks=np.log10(levels), label="training loss", shrink=0.9)
    bar.set_ticklabels([f"{level:g}" if level < 100 else f"$10^{{{round(np.log10(level))}}}$" for level in levels])


def _draw_line(panel: Axes, line: xr.Dataset | None) -> None:
    """Loss and, on an axis of its own, accuracy; training solid, test dashed."""
    if line is None:
        return _absent(panel)
    right = panel.twinx()
    for axis, quantity, colour, top in ((panel, "loss", COLOURS[0], 5), (right, "accuracy", COLOURS[1], 1)):
        for part, stroke in (("", "-"), ("test_", "--")):
            if f"{part}{quantity}" in line:
                axis.plot(line.alpha, line[f"{part}{quantity}"], stroke, color=colour)
        axis.set_ylim(0, top)
        axis.set_ylabel(f"{quantity} (training solid, test dashed)", color=colour, fontsize=11)
    panel.set_xlabel("α")
    panel.xaxis.set_major_locator(MaxNLocator(5))
    return None


def _draw_between(results: Shown, panel: Axes, role: str) -> None:
    line = results(role, _STATISTICS)
    panel.set_title(results.title(role), fontsize=12)
    _draw_line(panel, line)
    if line is not None and not np.isfinite(line.loss).all():
        gap = line.alpha.values[~np.isfinite(line.loss.values)]
        for part in (gap[gap < 0], gap[gap > 1]):
            if len(part):
                panel.axvspan(part.min(), part.max(), color="0.9", zorder=0)
                panel.text(part.mean(), 2.5, "a running variance\nis below 0", ha="center", rotation=90, fontsize=9)
    panel.set(xlabel="α   (0: small batches,  1: large batches)", xlim=(-0.5, 1.5))
    for end in (0, 1):
        panel.axvline(end, color="0.5", linewidth=1)


def _legend(panel: Axes) -> None:
    if panel.get_legend_handles_labels()[0]:
        panel.legend()
    else:
        _absent(panel)


def _absent(panel: Axes) -> None:
    panel.set(xticks=[], yticks=[], box_aspect=1)
    panel.text(0.5, 0.5, "not computed yet", ha="center", va="center", transform=panel.transAxes, color="0.4")


def with_caption(figure: Figure, text: str) -> Figure:
    """Write a caption below a figure."""
    characters = int(11 * figure.get_figwidth())
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):
        layout.set(h_pad=0.15, w_pad=0.15)
    figure.supxlabel(fill(text, characters), fontsize=11, x=0.02, ha="left")
    return figure
