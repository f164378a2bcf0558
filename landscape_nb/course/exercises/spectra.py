"""Checks of exercises about the Hessian: its largest eigenvalue, its trace, and what directions see of it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close
from landscape_nb.hessian.extremes import Extremes


def check_largest_eigenvalue(answer: float, eigenvalues: Sequence[float], tolerance: float = 0.02) -> Feedback:
    """Check the largest eigenvalue that a reader found with products alone.

    Args:
        answer: The reader's number, or `...`.
        eigenvalues: All eigenvalues of the Hessian, in any order.
        tolerance: The relative error that is let pass.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_largest_eigenvalue(-1.0, [-1.0, 0.5, 4.0]).text
        'That is the other end: the smallest eigenvalue.'
    """
    if answer is ...:
        return OPEN
    values = np.sort(np.asarray(eigenvalues, float))
    right = float(values[-1])
    if is_close(answer, right, tolerance):
        return Feedback(True, f"The largest eigenvalue is {right:.4g}.")
    if is_close(answer, float(values[0]), tolerance):
        return Feedback(False, "That is the other end: the smallest eigenvalue.")
    if is_close(answer, right**2, tolerance):
        return Feedback(False, "That is its square: ‖Hv‖ is λ for a unit vector v, ‖Hv‖² is λ².")
    if isinstance(answer, int | float | np.number) and 0.5 * right < answer < right:
        return Feedback(False, f"Close, but {1 - answer / right:.0%} too small: power iteration needs more products.")
    return Feedback(False, "Multiply, divide by the norm, repeat; then vᵀHv of the unit vector v is the eigenvalue.")


def check_trace(answer: float, eigenvalues: Sequence[float], tolerance: float = 0.2) -> Feedback:
    """Check an estimate of the Hessian's trace.

    Args:
        answer: The reader's estimate, or `...`.
        eigenvalues: All eigenvalues of the Hessian, in any order.
        tolerance: The relative error that is let pass; the estimate is a random one.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_trace(1.0, [0.0, 1.0, 2.0]).text
        'That is the mean of the eigenvalues. The trace is their sum: n times as much.'
    """
    if answer is ...:
        return OPEN
    values = np.asarray(eigenvalues, float)
    right = float(values.sum())
    if is_close(answer, right, tolerance):
        return Feedback(True, f"The trace is {right:.4g}; your estimate is {abs(answer / right - 1):.1%} off.")
    if is_close(answer, right / len(values), tolerance):
        return Feedback(False, "That is the mean of the eigenvalues. The trace is their sum: n times as much.")
    if is_close(answer, float(values.max()), 0.02):
        return Feedback(False, "That is the largest eigenvalue alone.")
    return Feedback(False, "The mean of `lnb.curvature_along` over `raw` directions is trace / n; n is the size.")


def check_mixed_curvature(answer: float, ends: Extremes) -> Feedback:
    """Check the curvature along the sum of the two outermost eigenvectors.

    Args:
        answer: The reader's curvature, or `...`.
        ends: Both ends of the spectrum.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_mixed_curvature(3.0, Extremes(-1.0, 4.0, {}, {}, 2, (0.0, 0.0))).text
        'That is the sum of the two. The direction has length √2: divide by ‖d‖² = 2.'
    """
    if answer is ...:
        return OPEN
    right = (ends.min + ends.max) / 2
    if is_close(answer, right, 0.02):
        return Feedback(True, f"It is the mean of both, {right:.4g}: the plot along it looks convex.")
    if is_close(answer, 2 * right, 0.02):
        return Feedback(False, "That is the sum of the two. The direction has length √2: divide by ‖d‖² = 2.")
    if is_close(answer, (ends.max - ends.min) / 2, 0.02):
        return Feedback(False, "The smallest eigenvalue is negative: it takes away from the curvature.")
    return Feedback(False, "Write d = v₁ + v₂, Hd = λ₁v₁ + λ₂v₂, and use that v₁ and v₂ are orthogonal.")


def check_filtered_mean(answer: float, diagonal: Float[np.ndarray, "n"], weights: Sequence[Tensor]) -> Feedback:
    """Check the mean curvature along filter-normalized random directions.

    Args:
        answer: The reader's mean, or `...`.
        diagonal: The diagonal of the Hessian.
        weights: The weights it belongs to, in the same order; their filters lie along dimension 0.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> import torch
        >>> check_filtered_mean(2.0, np.array([1.0, 3.0]), [torch.tensor([[1.0], [2.0]])]).text
        'That is trace / n: the mean along raw directions, which treat all weights alike.'
    """
    if answer is ...:
        return OPEN
    filters = [row.ravel() for weight in weights for row in np.asarray(weight, float)]
    parts = np.split(np.asarray(diagonal, float), np.cumsum([row.size for row in filters])[:-1])
    means = np.array([part.mean() for part in parts])
    squares = np.array([row @ row for row in filters])
    right = float(np.average(means, weights=squares))
    if is_close(answer, right):
        return Feedback(True, f"{right:.4g}: filters count by their squared length.")
    if is_close(answer, float(np.mean(diagonal))):
        return Feedback(False, "That is trace / n: the mean along raw directions, which treat all weights alike.")
    if is_close(answer, float(squares @ means)):
        return Feedback(False, "That is the mean of dᵀHd. Divide by ‖d‖², the sum of the filters' squared lengths.")
    if is_close(answer, float(np.average(means, weights=np.sqrt(squares)))):
        return Feedback(False, "Those weights are the filters' lengths. The direction is squared: so are they.")
    if is_close(answer, float(means.mean())):
        return Feedback(False, "Every filter counts the same there. A long filter has a long piece of the direction.")
    return Feedback(
        False, "A weight's mean squared share of d is ‖filter‖² / its size; the Hessian's diagonal does the rest."
    )
