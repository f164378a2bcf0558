"""Checks of exercises about lines between two points of weight space."""

import xarray as xr

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close
from landscape_nb.trajectories.pca import project
from landscape_nb.trajectories.trajectory import Trajectory
from landscape_nb.weights.directions import towards
from landscape_nb.weights.params import norm


def check_barrier(answer: float, line: xr.Dataset) -> Feedback:
    """Check the height of the barrier between the two ends of an interpolation.

    The barrier is the highest loss between α = 0 and α = 1 minus the higher of the two ends.

    Args:
        answer: The reader's height, or `...`.
        line: What `interpolate` returned, with points at α = 0 and α = 1.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [1.0, 5.0, 2.0])}, {"alpha": [0.0, 0.5, 1.0]})
        >>> check_barrier(3.0, line).right
        True
    """
    if answer is ...:
        return OPEN
    between = line.loss.sel(alpha=slice(-1e-9, 1 + 1e-9)).values
    top, low, high = between.max(), min(between[0], between[-1]), max(between[0], between[-1])
    if is_close(answer, top - high):
        return Feedback(True, f"The line rises by {top - high:.3g} above its higher end.")
    if is_close(answer, top):
        return Feedback(False, "That is the highest loss between the ends; how much is it above the higher end?")
    if is_close(answer, float(line.loss.max()) - high):
        return Feedback(False, "That is the highest point of the whole line. A barrier lies *between* α = 0 and α = 1.")
    if is_close(answer, top - low) or is_close(answer, top - (low + high) / 2):
        return Feedback(False, "Count from the higher end: what must be climbed from either side.")
    return Feedback(False, "`line.loss.sel(alpha=slice(0, 1))` is the part between the two networks.")


def check_detour(answer: float, run: Trajectory) -> Feedback:
    """Check how far a training run left the straight line from its initial to its final point.

    Args:
        answer: The reader's largest distance from the line, in units of the line's length, or `...`.
        run: A run that recorded points on its way.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_detour(..., None).right
        False
    """
    if answer is ...:
        return OPEN
    points = run.points
    chord = towards(points[0], points[-1])
    length, distances = norm(chord), project(points, [chord], points[0]).distance.values
    if is_close(answer, distances.max() / length):
        return Feedback(True, f"Training left the line by {distances.max() / length:.0%} of its length.")
    if is_close(answer, distances.max()):
        return Feedback(False, "That is the distance itself; divide it by the line's length, `lnb.norm(direction)`.")
    if is_close(answer, 100 * distances.max() / length):
        return Feedback(False, "That is a percentage; give the fraction.")
    if is_close(answer, distances.mean() / length):
        return Feedback(False, "That is the mean distance; how far did the run leave the line at most?")
    return Feedback(False, "`lnb.project(run, [direction], run.points[0])` has a `distance` for each recorded point.")
