"""The shape of a measured plane: how it is curved, and how much of it bends down."""

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from landscape_nb._common.checks import check_kind
from landscape_nb._common.drawable import Plot, single
from landscape_nb._common.schema import DIMS

_NEARBY, _REACH = 1 / 12, 2.5
"""Standard deviation of the weights in `roughness`, of half a plane, and after how many of them they end. With fewer a
window on 25×25 points has too few to fit; with more it holds whole basins, which are not roughness."""
_LEAST = 17
"""So many points a side has a plane whose roughness is seen: on 13, noise leaves a tenth of what it does on 51."""
_UNEVEN = 1e-2
"""Steps that differ by less than this part are even: an axis in float32 is rounded."""


def plane_curvatures(plane: Plot, variable: str = "loss") -> Float[np.ndarray, "a b two"]:
    """Both principal curvatures of a plane at its inner points, from second differences.

    These are curvatures of the drawn surface: weighted means of the Hessian's eigenvalues, not the
    eigenvalues themselves.

    Args:
        plane: What `evaluate_plane` returned, at least 3×3, or one of its variables.
        variable: Which of its variables.

    Returns:
        The smaller and the larger curvature; NaN beside points that are not finite.

    Raises:
        TypeError: `plane` is not a Dataset.
        ValueError: It has fewer than three points along an axis, uneven steps, several draws, or no such variable.

    Example:
        >>> import xarray as xr
        >>> a = np.linspace(-1, 1, 5)
        >>> saddle = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 - 2 * a**2)}, {"alpha": a, "beta": a})
        >>> plane_curvatures(saddle)[0, 0].round(6)
        array([-4.,  2.])

    Source: Li et al. (2018), section 6, on what such curvatures say.
    """
    z = _heights(plane, variable)
    a, b = (_step(plane[dim]) for dim in DIMS)
    with np.errstate(invalid="ignore"):
        along_a = (z[2:, 1:-1] - 2 * z[1:-1, 1:-1] + z[:-2, 1:-1]) / a**2
        along_b = (z[1:-1, 2:] - 2 * z[1:-1, 1:-1] + z[1:-1, :-2]) / b**2
        mixed = (z[2:, 2:] - z[2:, :-2] - z[:-2, 2:] + z[:-2, :-2]) / (4 * a * b)
        mean, spread = (along_a + along_b) / 2, np.hypot((along_a - along_b) / 2, mixed)
        return np.stack([mean - spread, mean + spread], axis=-1)


def nonconvex_fraction(plane: Plot, tolerance: float = 0.05) -> float:
    """The fraction of a plane's inner points at which it bends down in some direction: its curvature is negative.

    Args:
        plane: What `evaluate_plane` returned, at least 3×3, or one of its variables.
        tolerance: A point counts when the smaller curvature is below −tolerance times the size of
            the larger one, so that noise on a straight slope does not count.

    Returns:
        A number between 0 and 1; points beside non-finite values do not count. NaN if none counts.

    Raises:
        TypeError: `plane` is not a Dataset.
        ValueError: It has fewer than three points along an axis, uneven steps, several draws, or no such variable; or
            a tolerance below 0.

    Example:
        >>> import xarray as xr
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> nonconvex_fraction(bowl)
        0.0
    """
    check_kind("tolerance", tolerance, (int, float, np.number), "a number")
    if not tolerance >= 0:
        raise ValueError(f"tolerance: got {tolerance!r}, wants a number from 0 up")
    low, high = np.moveaxis(plane_curvatures(plane), -1, 0)
    known = np.isfinite(low) & np.isfinite(high)
    return float((low < -tolerance * np.abs(high))[known].mean()) if known.any() else np.nan


def local_minima(plane: Plot) -> int:
    """How many inner points of a plane lie lower than all eight points around them.

    It is what tells a ragged surface from a bowl: of the planes of the paper's ResNet-56 at ±1, the one without
    shortcuts has eleven times as many. The fraction that bends down hardly differs there, for outside of any basin
    losses level off. The count depends on the grid: compare planes of the same extent and resolution.

    Args:
        plane: What `evaluate_plane` returned, at least 3×3, or one of its variables.

    Returns:
        Their number; points beside non-finite values do not count.

    Raises:
        TypeError: `plane` is not a Dataset.
        ValueError: It has fewer than three points along an axis, several draws, or no such variable.

    Example:
        >>> import xarray as xr
        >>> a = np.linspace(-1, 1, 5)
        >>> local_minima(xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a}))
        1
    """
    z = _heights(plane)
    around = [_shifted(z, i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    finite = np.isfinite([z[1:-1, 1:-1], *around]).all(0)
    return int((finite & (z[1:-1, 1:-1] < np.min(around, 0))).sum())


def roughness(plane: Plot) -> float:
    """What a smooth surface leaves over of the logarithm of the loss: the root mean square, in natural logarithms.

    Around every point a quadratic is fitted to the logarithms nearby, and what counts is how far the point itself is
    from it. Neighbours have weights that fall as a Gaussian does, with a standard deviation of a twelfth of half the
    plane: "nearby" belongs to the plane, not to the grid, so that the spacing hardly matters. With every point, and
    with every second one, the authors' ResNet-56 has 0.05 and 0.05, without shortcuts 0.20 and 0.19. On fewer than
    25×25 points the spacing is wider than the Gaussian, and roughness is not seen: compare such planes only with
    planes of the same grid.

    Args:
        plane: What `evaluate_plane` returned, at least 17×17, or one of its variables; losses above 0.

    Returns:
        The root mean square over points with a whole window; points near non-finite values do not count, and it is
        NaN if none counts.

    Raises:
        TypeError: `plane` is not a Dataset.
        ValueError: It has fewer than 17 points along an axis, uneven steps, several draws, no such variable, or a
            loss that is not above 0.

    Example:
        >>> import xarray as xr
        >>> a = np.linspace(-1, 1, 25)
        >>> loss = np.exp(a[:, None] + a**2)
        >>> roughness(xr.Dataset({"loss": (("alpha", "beta"), loss)}, {"alpha": a, "beta": a})) < 1e-9
        True
    """
    z = _heights(plane, least=_LEAST)
    if (z <= 0).any():
        raise ValueError(f"plane: got a loss of {np.nanmin(z):.3g}, which has no logarithm; wants losses above 0")
    for dim in DIMS:
        _step(plane[dim])
    fit = _fit_at_centre(*z.shape)
    windows = sliding_window_view(np.log(z), fit.shape)
    rows, columns = (reach // 2 for reach in fit.shape)
    left = windows[..., rows, columns] - np.einsum("abij,ij->ab", windows, fit)
    left = left[np.isfinite(left)]
    return float(np.sqrt((left**2).mean())) if left.size else np.nan


def _fit_at_centre(*counts: int) -> Float[np.ndarray, "rows columns"]:
    """Weights whose sum with a window's values is, at its centre, the quadratic that fits them best."""
    steps = [2 / (count - 1) / _NEARBY for count in counts]
    reaches = [max(2, int(np.ceil(_REACH / step))) for step in steps]
    x, y = np.meshgrid(*(np.arange(-n, n + 1) * step for n, step in zip(reaches, steps, strict=True)), indexing="ij")
    root = np.exp(-(x**2 + y**2) / 4).reshape(-1, 1)  # of the weights of squared misses
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    constant = np.linalg.pinv(terms * root)[0] * root[:, 0]  # at the centre the other terms are zero
    return constant.reshape(x.shape)


def _heights(plane: Plot, variable: str = "loss", least: int = 3) -> Float[np.ndarray, "a b"]:
    z = single("plane", plane, "plane", variable).transpose(*DIMS).values.astype(float)
    if min(z.shape) < least:
        raise ValueError(f"plane: got {z.shape[0]}×{z.shape[1]} points, wants {least}×{least} or more")
    return z


def _step(axis: xr.DataArray) -> float:
    """The step of an axis; differences between points say nothing if their steps are not the same."""
    steps = np.diff(axis.values.astype(float))
    if not np.allclose(steps, steps.mean(), rtol=_UNEVEN, atol=0):
        smallest, largest = sorted(np.abs(steps))[:: len(steps) - 1]
        raise ValueError(f"plane: got steps of {smallest:.3g} to {largest:.3g} along {axis.name!r}, wants even ones")
    return float(steps.mean())


def _shifted(z: Float[np.ndarray, "a b"], i: int, j: int) -> Float[np.ndarray, "c d"]:
    """The inner points, moved by one grid step at most."""
    rows, columns = z.shape
    return z[1 + i : rows - 1 + i, 1 + j : columns - 1 + j]
