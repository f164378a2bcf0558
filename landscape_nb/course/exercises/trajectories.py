"""Checks of exercises about angles in many dimensions, paths of training and the planes they are drawn in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close
from landscape_nb.trajectories.pca import project
from landscape_nb.trajectories.random_walk import random_walk_ratios
from landscape_nb.weights.params import Params, add, dot, norm, scale

_LEAST_POINTS = 50


def check_expected_cosine(answer: float, dimension: int) -> Feedback:
    """Check the mean size of the cosine between two random directions.

    Args:
        answer: The reader's E|cos|, or `...`.
        dimension: The number of weights.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_expected_cosine(0.01, 10_000).text
        'That is 1/√n, the root of the mean square. The mean size has a factor √(2/π) before it.'
    """
    if answer is ...:
        return OPEN
    right = float(np.sqrt(2 / (np.pi * dimension)))
    if is_close(answer, right, 0.01):
        return Feedback(True, f"In {dimension:,} dimensions two random directions have |cos| ≈ {right:.2g}.")
    if is_close(answer, dimension**-0.5, 0.01):
        return Feedback(
            False, "That is 1/√n, the root of the mean square. The mean size has a factor √(2/π) before it."
        )
    if is_close(answer, right**2, 0.01):
        return Feedback(False, "That is the square: a root is missing.")
    if is_close(answer, np.degrees(np.arccos(right)), 0.01):
        return Feedback(False, "That is the angle in degrees; the question asks for the cosine.")
    return Feedback(False, "The law is E|cos| ≈ √(2/(πn)), with n the number of weights.")


def check_directions_needed(answer: int, dimension: int, share: float) -> Feedback:
    """Check how many random directions show a share of a displacement.

    Args:
        answer: The reader's number of directions, or `...`.
        dimension: The number of weights.
        share: The share of the displacement's length, from 0 to 1.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_directions_needed(25, 100, 0.5).right
        True
    """
    if answer is ...:
        return OPEN
    right = share**2 * dimension
    if is_close(answer, right, 0.02):
        return Feedback(True, f"About {right:,.0f} of {dimension:,} directions: hardly a plot.")
    if is_close(answer, share * dimension, 0.02):
        return Feedback(False, "k directions hold k/n of the *squared* length; the question asks for the length.")
    if is_close(answer, share / np.sqrt(2 / (np.pi * dimension)), 0.02):
        return Feedback(False, "Projections on orthogonal directions do not add up; their squares do.")
    return Feedback(False, "Squared projections on k random directions add up to about k/n of the squared length.")


def check_effective_dimension(answer: float, weights: Sequence[Tensor]) -> Feedback:
    """Check the number of dimensions in which filter-normalized directions are as orthogonal as Gaussian ones.

    Args:
        answer: The reader's number, one divided by the mean squared cosine, or `...`.
        weights: The weights of the network; their filters lie along dimension 0.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> import torch
        >>> check_effective_dimension(4, [torch.ones(2, 2)]).right
        True
    """
    if answer is ...:
        return OPEN
    filters = [np.asarray(row, float).ravel() for weight in weights for row in weight.detach()]
    squares, sizes = np.array([(row @ row, row.size) for row in filters]).T
    mean_square = float((squares**2 / sizes).sum())
    right = float(squares.sum()) ** 2 / mean_square
    if is_close(answer, right):
        return Feedback(True, f"About {right:,.0f}, of {sizes.sum():,.0f} weights: the long filters decide.")
    if is_close(answer, 1 / right):
        return Feedback(False, "That is the mean squared cosine; the dimension is one divided by it.")
    if is_close(answer, right**0.5):
        return Feedback(False, "That is one divided by the cosine; the dimension goes with its square.")
    if is_close(answer, float(sizes.sum())):
        return Feedback(False, "That is the number of weights. Long filters count more than short ones.")
    if is_close(answer, mean_square):
        return Feedback(False, "That is the mean of ⟨d, d'⟩². The cosine also divides by both lengths.")
    return Feedback(False, "In one filter, ⟨d, d'⟩² is ‖filter‖⁴ / its size on average; the filters add up.")


def check_share(answer: float, points: Float[np.ndarray, "points dimension"], count: int = 1) -> Feedback:
    """Check the share of the variance that the first principal components of points carry.

    Args:
        answer: The reader's share, or `...`.
        points: One point a row.
        count: How many components.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_share(100, np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 7.0]])).text
        'That is a percentage; a share lies between 0 and 1.'
    """
    if answer is ...:
        return OPEN
    points = np.asarray(points, dtype=float)
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    raw = np.linalg.svd(points - points[-1], compute_uv=False)
    right = _share(values**2, count)
    if is_close(answer, right):
        return Feedback(True, f"{right:.1%} of the variance.")
    if is_close(answer, 100 * right):
        return Feedback(False, "That is a percentage; a share lies between 0 and 1.")
    if is_close(answer, _share(raw**2, count)):
        return Feedback(False, "The columns are not centred: take the mean of the points away, not the last point.")
    if is_close(answer, _share(values, count)):
        return Feedback(False, "A variance is the square of a singular value.")
    return Feedback(False, "Centre the columns; then `np.linalg.svd(..., compute_uv=False)**2` are the variances.")


def check_walk_share(answer: float, count: int) -> Feedback:
    """Check what the first principal components of a long random walk carry together.

    Args:
        answer: The reader's share, or `...`.
        count: How many components.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_walk_share(0.76, 2).right
        True
    """
    if answer is ...:
        return OPEN
    ratios = random_walk_ratios(count)
    right = float(ratios.sum())
    if is_close(answer, right, 0.005):
        return Feedback(True, f"{right:.1%}, without any loss to follow.")
    if is_close(answer, 100 * right, 0.005):
        return Feedback(False, "That is a percentage; a share lies between 0 and 1.")
    if is_close(answer, ratios[-1], 0.005):
        return Feedback(False, "That is the last of the components alone. Add up all of them.")
    if is_close(answer, count * ratios[0], 0.005):
        return Feedback(False, "The components are not equal: the k-th carries 1/k² of the first.")
    return Feedback(False, "The k-th component carries 6/(π²k²): add up k = 1, 2, …")


def check_lingering_path(answer: Any, share: float = 0.25) -> Feedback:
    """Check a path that a reader made up: its first component holds little, and yet it is a path.

    Args:
        answer: The reader's points, one a row, or `...`.
        share: What the first component may hold at most.

    Returns:
        Whether the path is one, with praise or a hint.

    Example:
        >>> check_lingering_path(np.cumsum(np.random.default_rng(0).standard_normal((60, 1000)), axis=0)).text
        'PC1 holds 59.9%: this path goes away for good. What would keep it in one region?'
    """
    if answer is ...:
        return OPEN
    points = np.asarray(answer, dtype=float)
    if points.ndim != 2 or len(points) < _LEAST_POINTS or not np.isfinite(points).all():
        return Feedback(False, f"The answer is an array of finite numbers with {_LEAST_POINTS} rows or more.")
    centred = points - points.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    if not variances.any():
        return Feedback(False, "All points are equal: there is no path.")
    held, steps = _share(variances, 1), np.diff(points, axis=0)
    if (steps**2).sum(axis=1).mean() > (centred**2).sum(axis=1).mean():
        return Feedback(False, "Each point forgets the one before it: steps are as long as the whole cloud is wide.")
    if held > share:
        return Feedback(False, f"PC1 holds {held:.1%}: this path goes away for good. What would keep it in one region?")
    return Feedback(True, f"PC1 holds {held:.1%}, far below a random walk: so does a path that stays near a point.")


def check_coordinates(answer: Sequence[float], point: Params, directions: Sequence[Params], origin: Params) -> Feedback:
    """Check the coordinates of a point's projection on a plane.

    Args:
        answer: The reader's α and β, or `...`.
        point: The point.
        directions: The two directions of the plane, of any length and at any angle.
        origin: The point at (0, 0).

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_coordinates(..., {}, [], {}).right
        False
    """
    if answer is ...:
        return OPEN
    found = project([point], directions, origin)
    right = np.array([float(found.alpha[0]), float(found.beta[0])])
    offset = add(point, scale(origin, -1))
    products = np.array([dot(offset, d) for d in directions])
    lengths = np.array([norm(d) for d in directions])
    try:
        given = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.shape != (2,):
        return Feedback(False, "The answer is a pair of numbers, α and β.")
    if _agree(given, right):
        return Feedback(True, f"α = {right[0]:.4g}, β = {right[1]:.4g}: `evaluate_plane` draws the point there.")
    if _agree(given, right[::-1]):
        return Feedback(False, "The coordinates are swapped: α belongs to the first direction, β to the second.")
    if _agree(given, products / lengths):
        return Feedback(False, "⟨x, d⟩/‖d‖ is a length. It is a coordinate only if ‖d‖ = 1 and the directions are ⟂.")
    if _agree(given, products / lengths**2):
        return Feedback(False, "⟨x, d⟩/‖d‖² would be right for orthogonal directions. These are not: solve for both.")
    if _agree(given, products):
        return Feedback(False, "Those are inner products: divide by the lengths, and mind the angle between the two.")
    return Feedback(False, "Solve the two equations Gram · (α, β) = inner products, or ask `lnb.project`.")


def check_part_outside(answer: float, point: Params, directions: Sequence[Params], origin: Params) -> Feedback:
    """Check how much of a displacement leaves a plane, as a part of its length.

    Args:
        answer: The reader's part, or `...`.
        point: Where the displacement ends.
        directions: The directions of the plane.
        origin: Where the displacement begins, a point of the plane.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_part_outside(..., {}, [], {}).right
        False
    """
    if answer is ...:
        return OPEN
    found = project([point], directions, origin)
    inside, outside = float(found.in_plane[0]), float(found.distance[0])
    length = float(np.hypot(inside, outside))
    if is_close(answer, outside / length):
        return Feedback(True, f"{outside / length:.1%} of the way is off the plane, {inside / length:.1%} is in it.")
    if is_close(answer, outside):
        return Feedback(False, "That is the distance; divide it by the length of the whole displacement.")
    if is_close(answer, inside / length):
        return Feedback(False, "That is the part *in* the plane.")
    if is_close(answer, 1 - inside / length):
        return Feedback(False, "Lengths do not add up at a right angle; their squares do.")
    if is_close(answer, (outside / length) ** 2):
        return Feedback(False, "That is the part of the squared length.")
    return Feedback(False, "`lnb.project(...)` gives `distance` and `in_plane`, the two legs of a right triangle.")


def _share(variances: Float[np.ndarray, "_"], count: int) -> float:
    return float(variances[:count].sum() / variances.sum())


def _agree(given: Float[np.ndarray, "2"], wanted: Float[np.ndarray, "2"]) -> bool:
    return bool(np.allclose(given, wanted, rtol=1e-3, atol=1e-6 * float(np.abs(wanted).max())))
