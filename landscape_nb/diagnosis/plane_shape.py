"""The shape of a measured plane: how it is curved, and how much of it bends down."""

import numpy as np
from jaxtyping import Float

from landscape_nb._common.checks import check_kind
from landscape_nb._common.drawable import Plot, single
from landscape_nb._common.schema import DIMS


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
        ValueError: It has fewer than three points along an axis, several draws, or no such variable.

    Example:
        >>> import xarray as xr
        >>> a = np.linspace(-1, 1, 5)
        >>> saddle = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 - 2 * a**2)}, {"alpha": a, "beta": a})
        >>> plane_curvatures(saddle)[0, 0].round(6)
        array([-4.,  2.])

    Source: Li et al. (2018), section 6, on what such curvatures say.
    """
    values = single("plane", plane, "plane", variable)
    z = _heights(plane, variable)
    a, b = (float(axis[1] - axis[0]) for axis in (values.alpha, values.beta))
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
        ValueError: It has fewer than three points along an axis, several draws, or no such variable; or a
            tolerance below 0.

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
    finite = np.isfinite(around).all(0)
    return int((finite & (z[1:-1, 1:-1] < np.min(around, 0))).sum())


def roughness(plane: Plot) -> float:
    """How far the logarithm of the loss is from the mean of its four neighbours: the root mean square.

    A smooth surface has a small one, and a smaller one on a finer grid: compare planes of the same extent and
    resolution.

    Args:
        plane: What `evaluate_plane` returned, at least 3×3, or one of its variables; losses above 0.

    Returns:
        The root mean square over inner points, in natural logarithms; points beside non-finite values do not count,
        and it is NaN if none counts.

    Raises:
        TypeError: `plane` is not a Dataset.
        ValueError: It has fewer than three points along an axis, several draws, no such variable, or a loss that is
            not above 0.

    Example:
        >>> import xarray as xr
        >>> a = np.linspace(-1, 1, 5)
        >>> roughness(xr.Dataset({"loss": (("alpha", "beta"), np.exp(a[:, None] + a))}, {"alpha": a, "beta": a})) < 1e-9
        True
    """
    z = _heights(plane)
    if (z <= 0).any():
        raise ValueError(f"plane: got a loss of {np.nanmin(z):.3g}, which has no logarithm; wants losses above 0")
    z = np.log(z)
    mean = (_shifted(z, 1, 0) + _shifted(z, -1, 0) + _shifted(z, 0, 1) + _shifted(z, 0, -1)) / 4
    off = (z[1:-1, 1:-1] - mean)[np.isfinite(mean) & np.isfinite(z[1:-1, 1:-1])]
    return float(np.sqrt((off**2).mean())) if off.size else np.nan


def _heights(plane: Plot, variable: str = "loss") -> Float[np.ndarray, "a b"]:
    z = single("plane", plane, "plane", variable).transpose(*DIMS).values.astype(float)
    if min(z.shape) < 3:
        raise ValueError(f"plane: got {z.shape[0]}×{z.shape[1]} points, wants 3×3 or more")
    return z


def _shifted(z: Float[np.ndarray, "a b"], i: int, j: int) -> Float[np.ndarray, "c d"]:
    """The inner points, moved by one grid step at most."""
    rows, columns = z.shape
    return z[1 + i : rows - 1 + i, 1 + j : columns - 1 + j]
