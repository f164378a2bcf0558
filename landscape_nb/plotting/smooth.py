"""Heights between measured points, by splines: straight lines cut off the bends of a surface."""

import numpy as np
from jaxtyping import Bool, Float, Real
from scipy.interpolate import Akima1DInterpolator
from scipy.ndimage import distance_transform_edt


def smooth(
    axes: tuple[Real[np.ndarray, "rows"], Real[np.ndarray, "columns"]],
    heights: Float[np.ndarray, "rows columns"],
    cells: int,
) -> tuple[tuple[Float[np.ndarray, "fine_rows"], Float[np.ndarray, "fine_columns"]], Float[np.ndarray, "..."]]:
    """Heights on a finer grid: as measured at the measured points, along a spline between them.

    Nothing is drawn below the lowest measured height or above the highest one.

    Args:
        axes: The coordinates of rows and of columns, increasing or decreasing.
        heights: The measured heights: logarithms, where they are drawn so. NaN where there is none.
        cells: How many cells each axis of the finer grid has at least.

    Returns:
        The finer axes, which contain the measured coordinates, and the heights over them. A cell with a corner that
        is not finite has none, as in a figure of straight lines.

    Example:
        >>> axis = np.array([0.0, 1.0, 2.0, 3.0])
        >>> (rows, columns), heights = smooth((axis, axis), axis[:, None] + axis**2, cells=6)
        >>> rows[1].item(), heights.shape, heights[1, 0].item()
        (0.5, (7, 7), 0.5)
    """
    missing = ~np.isfinite(heights)
    if missing.all():
        return axes, heights
    axes = axes[0].astype(float), axes[1].astype(float)  # steps of small or unsigned integers would overflow
    fine = tuple(_refined(axis, cells) for axis in axes)
    filled = beside_missing(heights)
    # A cubic spline rings beside a cliff: it would draw valleys that nobody measured. Akima's slopes, as modified by
    # MathWorks, look at the two neighbours on each side only and lean to the flatter side.
    found = filled
    for dim, (axis, finer) in enumerate(zip(axes, fine, strict=True)):
        forwards = np.sign(axis[-1] - axis[0])
        found = Akima1DInterpolator(forwards * axis, found, axis=dim, method="makima")(forwards * finer)
    found = found.clip(filled.min(), filled.max())
    if missing.any():
        found[_touched(missing, found.shape)] = np.nan
    return (fine[0], fine[1]), found


def beside_missing(heights: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Heights with the nearest finite one in the place of each that is not finite.

    Example:
        >>> beside_missing(np.array([[1.0, np.nan, np.nan, 4.0]]))
        array([[1., 1., 4., 4.]])
    """
    missing = ~np.isfinite(heights)
    nearest = np.asarray(distance_transform_edt(missing, return_distances=False, return_indices=True))
    return heights[tuple(nearest)]


def _refined(axis: Float[np.ndarray, "points"], cells: int) -> Float[np.ndarray, "fine"]:
    parts = max(1, -(-cells // (len(axis) - 1)))
    return np.interp(np.arange(parts * (len(axis) - 1) + 1) / parts, np.arange(len(axis)), axis)


def _touched(missing: Bool[np.ndarray, "rows columns"], shape: tuple[int, ...]) -> Bool[np.ndarray, "..."]:
    """Which points of the finer grid lie inside a cell, or on the edge, with a missing end."""
    for dim, count in enumerate(shape):
        position = np.arange(count) * ((missing.shape[dim] - 1) / (count - 1))
        low, high = np.floor(position + 1e-9).astype(int), np.ceil(position - 1e-9).astype(int)
        missing = missing.take(low, dim) | missing.take(high, dim)
    return missing
