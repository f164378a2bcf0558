"""Checks of exercises about how ragged a plane is."""

import numpy as np
import xarray as xr

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close
from landscape_nb.diagnosis.plane_shape import local_minima


def check_local_minima(answer: float, plane: xr.Dataset) -> Feedback:
    """Check the number of inner points of a plane that lie lower than all eight around them.

    Args:
        answer: The reader's number, or `...`.
        plane: The plane.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> axis = [-1.0, 0.0, 1.0]
        >>> bowl = np.add.outer(np.square(axis), np.square(axis))
        >>> plane = xr.Dataset({"loss": (("alpha", "beta"), bowl)}, {"alpha": axis, "beta": axis})
        >>> check_local_minima(1, plane).text
        'One pit: the bottom of a bowl.'
    """
    if answer is ...:
        return OPEN
    right, crosswise = local_minima(plane), _lower_than_four(plane.loss.values)
    if is_close(answer, right):
        return Feedback(True, "One pit: the bottom of a bowl." if right == 1 else f"There are {right} pits.")
    if is_close(answer, crosswise):
        return Feedback(False, "That compares with four neighbours. Those at the corners count as well.")
    return Feedback(False, "Compare the inner points, `loss[1:-1, 1:-1]`, with the eight shifted copies around them.")


def _lower_than_four(loss: np.ndarray) -> int:
    return int(np.all([loss[1:-1, 1:-1] < beside for beside in _four_neighbours(loss)], axis=0).sum())


def check_neighbour_rms(answer: float, plane: xr.Dataset) -> Feedback:
    """Check how far log loss lies from the mean of its four neighbours, root mean square over the inner points.

    Args:
        answer: The reader's number, or `...`.
        plane: The plane.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> axis = np.linspace(-1, 1, 5)
        >>> plane = xr.Dataset({"loss": (("alpha", "beta"), rng.random((5, 5)))}, {"alpha": axis, "beta": axis})
        >>> check_neighbour_rms(0.1, plane).right
        False
    """
    if answer is ...:
        return OPEN
    right, in_loss = (_neighbour_rms(values) for values in (np.log(plane.loss.values), plane.loss.values))
    if is_close(answer, right):
        return Feedback(True, f"{right:.3f}. On every second point of a smooth bowl it grows about four times.")
    if is_close(answer, right**2):
        return Feedback(False, "That is the mean square; take its root.")
    if is_close(answer, in_loss):
        return Feedback(False, "That is of the loss itself; take its logarithm first.")
    return Feedback(False, "With h = log loss: `h[1:-1, 1:-1]` minus the mean of its four shifted copies.")


def _neighbour_rms(height: np.ndarray) -> float:
    return float(np.sqrt(np.mean((height[1:-1, 1:-1] - np.mean(_four_neighbours(height), axis=0)) ** 2)))


def _four_neighbours(height: np.ndarray) -> list[np.ndarray]:
    return [height[:-2, 1:-1], height[2:, 1:-1], height[1:-1, :-2], height[1:-1, 2:]]
