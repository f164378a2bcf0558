"""The extent of the plane that shows a whole path."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from landscape_nb._common.checks import check_kind, check_positive
from landscape_nb._common.schema import ALPHA, DIMS, POINT

_NO_WIDTH = 1e-6


def extent_of(path: xr.Dataset | Sequence[xr.Dataset], margin: float = 0.1) -> tuple[tuple[float, float], ...]:
    """The extent that shows a path, or several in one plane, with a margin around.

    An axis along which nothing moves (by less than a millionth of the longest) gets the width of the longest axis; if
    there is just one point, every axis gets the width 2.

    Args:
        path: What `project` or `plane_gap` returned, or a list of such.
        margin: What is added on each side, as a part of the width.

    Returns:
        A pair (low, high) for each axis, as `evaluate_plane` and `evaluate_line` take it.

    Raises:
        ValueError: The paths have other axes or coordinates that are not finite, or `margin` is negative or not finite.
        TypeError: `path` is not a path, or a list of them.

    Example:
        >>> path = xr.Dataset({"alpha": ("point", [0.0, 10.0]), "beta": ("point", [3.0, 5.0])})
        >>> extent_of(path, margin=0.5)
        ((-5.0, 15.0), (2.0, 6.0))
    """
    check_positive("margin", margin, or_zero=True)
    coords = _coordinates(path)
    low, high = coords.min(axis=0), coords.max(axis=0)
    widths = high - low
    widest = widths.max() or 2.0
    around = np.where(widths > _NO_WIDTH * widest, margin * widths, (0.5 + margin) * widest)
    return tuple(zip((low - around).tolist(), (high + around).tolist(), strict=True))


def _coordinates(path: xr.Dataset | Sequence[xr.Dataset]) -> Float[np.ndarray, "points axes"]:
    """The coordinates of all points of the paths."""
    wants = "what project or plane_gap returned, or a list of such"
    paths = [path] if isinstance(path, xr.Dataset) else path
    check_kind("path", paths, (list, tuple), wants)
    if not paths:
        raise ValueError(f"path: got an empty list, wants {wants}")
    found = []
    for number, each in enumerate(paths):
        name = "path" if isinstance(path, xr.Dataset) else f"path[{number}]"
        check_kind(name, each, xr.Dataset, wants)
        found.append(_coordinates_of(name, each))
        if found[-1].shape[1] != found[0].shape[1]:
            raise ValueError(f"{name}: has {found[-1].shape[1]} axes, and the first path has {found[0].shape[1]}")
    return np.concatenate(found)


def _coordinates_of(name: str, path: xr.Dataset) -> Float[np.ndarray, "points axes"]:
    """The coordinates of the points of one path."""
    if "coordinate" in path:  # of more than two directions
        coords = path["coordinate"].transpose(POINT, ...).values
    elif ALPHA in path and path[ALPHA].dims == (POINT,):
        coords = np.stack([path[dim].values for dim in DIMS if dim in path], axis=1)
    else:
        raise ValueError(f"{name}: has no points, wants what project or plane_gap returned")
    if not np.isfinite(coords).all():
        raise ValueError(f"{name}: has coordinates that are NaN or infinite")
    return coords.astype(float)
