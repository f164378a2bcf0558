"""Interpolation between points scattered over a grid, and how far it is from the truth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_NEIGHBOURS = 24
_POWERS = (1, 3)
_RIDGE = 1e-9  # neighbours may lie on one line
Points = Float[np.ndarray, "n 2"]


@dataclass(frozen=True)
class Interpolation:
    """Values at targets, and the scale of their error.

    Attributes:
        values: The interpolated values.
        errors: How wrong they may be, up to a common factor: by how much the measured values nearby would be
            missed if each were interpolated from the others, in proportion to the distance from a measured point.
        power: 1 or 3, the interpolant's kernel rᵖ.
    """

    values: Float[np.ndarray, "targets"]
    errors: Float[np.ndarray, "targets"]
    power: int


def neighbour_tree(points: Points):
    """SciPy's k-d tree of points; the module is imported when it is first needed, for that takes a while."""
    from scipy.spatial import cKDTree  # pyrefly: ignore[missing-module-attribute]  (SciPy has no annotations)

    return cKDTree(points)


def interpolate_scattered(
    points: Points, values: Float[np.ndarray, "n"], targets: Float[np.ndarray, "targets 2"]
) -> Interpolation:
    """Interpolate with radial functions r or r³ and a linear part, from the 24 nearest points.

    Of the two kernels, the one is taken that predicts each point better from the others: r³ for
    smooth planes, r for rough ones.

    Args:
        points: Where values are known, at least 9 of them.
        values: The values.
        targets: Where they are wanted.

    Example:
        >>> grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
        >>> found = interpolate_scattered(grid, grid @ [1.0, 2.0], np.array([[0.5, 0.5]]))
        >>> found.values.round(6), found.errors.round(6)
        (array([1.5]), array([0.]))

    Source: Wendland (2004), chapter 8; leaving one out as in Rippa (1999).
    """
    # Leaving one out: with small local systems, interpolating a point from its neighbours without itself is as cheap
    # as anything else, and what is missed tells both the kernel and how rough the surface is there. Measured points
    # are further from each other than a target is from the nearest one, so what is missed is scaled by that distance
    # over the usual spacing. It fails for roughness between points: values that hit by chance look smooth.
    tree = neighbour_tree(points)
    distances, neighbours = tree.query(points, min(_NEIGHBOURS, len(points) - 1) + 1)
    distances, neighbours = distances[:, 1:], neighbours[:, 1:]
    misses = {
        power: np.abs((_weights(points[neighbours] - points[:, None], power) * values[neighbours]).sum(1) - values)
        for power in _POWERS
    }
    power = min(misses, key=lambda power: float((misses[power] ** 2).mean()))
    spacing = distances[:, :4].mean(1)
    away, nearest = tree.query(targets, min(_NEIGHBOURS, len(points)))
    found = (_weights(points[nearest] - targets[:, None], power) * values[nearest]).sum(1)
    closeness = 1 / np.maximum(away[:, :8], 1e-9) ** 2
    scaled = misses[power][nearest[:, :8]] * away[:, :1] / spacing[nearest[:, :8]]
    errors = np.sqrt((closeness * scaled**2).sum(1) / closeness.sum(1))
    return Interpolation(found, errors, power)


def _weights(offsets: Float[np.ndarray, "targets k 2"], power: int) -> Float[np.ndarray, "targets k"]:
    """Weights of the neighbours' values at each target, given the neighbours' offsets from the target.

    The weights solve the interpolation's system with the target's kernel values on the right: its matrix is symmetric,
    so this is the same as interpolating and evaluating, and leaves the values out. Neighbours on one line do not
    determine a linear part across it: a ridge keeps the system solvable.
    """
    targets, k, _ = offsets.shape
    sign = 1 if power == 3 else -1
    between = np.linalg.norm(offsets[:, :, None] - offsets[:, None], axis=-1)
    tail = np.concatenate([np.ones((targets, k, 1)), offsets], 2)
    system = np.zeros((targets, k + 3, k + 3))
    system[:, :k, :k] = sign * between**power
    system[:, :k, k:], system[:, k:, :k] = tail, tail.swapaxes(1, 2)
    system[:, k:, k:] = -_RIDGE * np.eye(3)
    right = np.zeros((targets, k + 3))
    right[:, :k], right[:, k] = sign * np.linalg.norm(offsets, axis=-1) ** power, 1
    return np.linalg.solve(system, right[..., None])[:, :k, 0]


def spread_out(
    order: Int[np.ndarray, "m"], shape: tuple[int, int], apart: Float[np.ndarray, "m"], count: int
) -> tuple[list[int], Bool[np.ndarray, "n"]]:
    """The first grid points of an order, without those that are too close to one already chosen.

    Args:
        order: Numbers of grid points (row · columns + column), best first.
        shape: Rows and columns of the grid.
        apart: How far each point is from a measured one. That is as far as its measurement will count, so that other
            points closer to it than that are left out.
        count: How many at most.

    Returns:
        The numbers of the chosen points, and a mask of them over the grid.

    Example:
        >>> spread_out(np.array([4, 5, 8]), (3, 3), np.array([2.0, 2.0, 1.0]), 3)[0]
        [4, 8]
    """
    taken = np.zeros(shape, bool)
    chosen: list[int] = []
    for point, distance in zip(order.tolist(), apart, strict=True):
        row, column = divmod(point, shape[1])
        reach = max(0, int(np.ceil(distance)) - 1)
        if not taken[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1].any():
            taken[row, column] = True
            chosen.append(point)
            if len(chosen) == count:
                break
    return chosen, taken.ravel()
