"""Numbers that are read off results: what a statement of the paper is decided on."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from landscape_nb._common.schema import REPEAT
from landscape_nb.diagnosis import local_minima
from landscape_nb.gallery.shown import MAPS, Shown

Measure = Callable[[Shown], "list[float | None]"]
"""Our numbers for a statement; None for one that is not computed."""


def per_role(product: str, number: Callable[[xr.Dataset], float | Sequence[float]], *roles: str) -> Measure:
    """A number, or several, of one product of several networks."""

    def measure(results: Shown) -> list[float | None]:
        results.compare(roles, product)
        found = [results(role, product) for role in roles]
        # Networks trained otherwise are not compared, but each may be with those that the authors released.
        if len(results.scales_in(roles) - {"authors"}) > 1:
            found = [None for _ in roles]
        values = [[None] if each is None else np.ravel(number(each)).tolist() for each in found]
        return [value for row in values for value in row]

    return measure


def error_in_percent(trained: xr.Dataset) -> float:
    """In percent."""
    return 100 * (1 - trained.attrs["final_test_accuracy"])


def minima(plane: xr.Dataset) -> float:
    """Local minima; NaN where nothing is finite."""
    return float(local_minima(plane)) if np.isfinite(plane.loss).any() else np.nan


def final_norm(trained: xr.Dataset) -> float:
    """The norm of the weights at the end."""
    return float(trained.weight_norm[-1])


def rises(line: xr.Dataset) -> list[float]:
    """How much the loss rises on the first twentieth of the way from either end to the other."""
    loss = [float(line.loss.sel(alpha=alpha, method="nearest")) for alpha in (0, 0.05, 0.95, 1)]
    return [loss[1] - loss[0], loss[2] - loss[3]]


def rise_at_half(lines: xr.Dataset) -> float:
    """How much the loss rises at half the range, the mean over both sides and all directions."""
    sides = lines.loss.sel(alpha=[-0.5, 0.5], method="nearest")
    return float(sides.mean() - lines.loss.sel(alpha=0, method="nearest").mean())


def spread(lines: xr.Dataset) -> float:
    """How far lines in several directions are apart: the standard deviation of log₁₀ loss, its mean over the line."""
    return float(np.log10(lines.loss).std(REPEAT).mean())


def border(plane: xr.Dataset) -> float:
    """The median loss on the border of a plane."""
    z = plane.loss.values
    return float(np.median(np.concatenate([z[0], z[-1], z[1:-1, 0], z[1:-1, -1]])))


def largest_coordinate(paths: xr.Dataset) -> float:
    """How far a path reaches in two random directions, in lengths of the weights."""
    return float(max(np.abs(paths.random_alpha).max(), np.abs(paths.random_beta).max()))


def shares(path: xr.Dataset) -> list[float]:
    """Of the variance, in percent, that the first two components hold."""
    return [100 * share for share in path.attrs["shares"]]


def is_coarse(results: Shown) -> bool:
    """Whether a curvature map that was read has fewer than 15 × 15 points."""
    return any(found.sizes["alpha"] < 15 for (_, product), found in results.drawn.items() if product in MAPS)


def change_with_the_sample(*roles: str) -> Measure:
    """How far the ratios of a curvature map lie from those on as many other images (root mean square)."""

    def change(one: xr.Dataset | None, other: xr.Dataset | None) -> float | None:
        return None if one is None or other is None else float(((one.ratio - other.ratio) ** 2).mean() ** 0.5)

    def measure(results: Shown) -> list[float | None]:
        return [change(results(role, "map-5-100"), results(role, "map-5-100-1")) for role in roles]

    return measure


def on_maps(*roles: str, number: Callable[[xr.Dataset], float]) -> Measure:
    """A number of the finest curvature map of each of several networks."""

    def measure(results: Shown) -> list[float | None]:
        found = [results(role, *MAPS) for role in roles]
        return [None if each is None else number(each) for each in found]

    return measure
