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
    z = values.transpose(*DIMS).values.astype(float)
    if min(z.shape) < 3:
        raise ValueError(f"plane: got {z.shape[0]}×{z.shape[1]} points, wants 3×3 or more")
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
