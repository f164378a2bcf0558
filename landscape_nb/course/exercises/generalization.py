"""Checks of exercises about where training starts, and about sharpness beside the test error."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close
from landscape_nb.weights.params import Params, add, norm, scale


def check_relative_distance(answer: float, start: Params, end: Params) -> Feedback:
    """Check how far training went, in units of the final weights' length.

    Args:
        answer: The reader's ‖end − start‖ / ‖end‖, or `...`.
        start: The initial point.
        end: The final point.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> import torch
        >>> check_relative_distance(2.0, {"w": torch.tensor([2.0])}, {"w": torch.tensor([4.0])}).text
        'That is the distance itself; divide it by the length of the final weights.'
    """
    if answer is ...:
        return OPEN
    distance = norm(add(end, scale(start, -1)))
    if is_close(answer, distance / norm(end)):
        return Feedback(True, f"Training went {distance / norm(end):.2f} times the length of the final weights.")
    if is_close(answer, distance):
        return Feedback(False, "That is the distance itself; divide it by the length of the final weights.")
    if is_close(answer, distance / norm(start)):
        return Feedback(False, "That is in units of the initial weights; the plot's unit is the final ones.")
    if is_close(answer, norm(end) / norm(start)) or is_close(answer, abs(norm(end) - norm(start)) / norm(end)):
        return Feedback(False, "Lengths alone do not tell a distance: subtract the points, then take the norm.")
    return Feedback(False, "`lnb.towards(start, end)` is the difference; `lnb.norm` its length.")


def check_rim(answer: float, line: xr.Dataset) -> Feedback:
    """Check the height of a basin's rim along a line: the lower of the highest losses on its two sides.

    Args:
        answer: The reader's height, or `...`.
        line: What `evaluate_line` returned.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [5.0, 0.0, 9.0])}, {"alpha": [-1.0, 0.0, 1.0]})
        >>> check_rim(9.0, line).text
        'That is the higher side. A ball rolls out over the lower one.'
    """
    if answer is ...:
        return OPEN
    left, right = float(line.loss[line.alpha < 0].max()), float(line.loss[line.alpha > 0].max())
    if is_close(answer, min(left, right)):
        return Feedback(True, f"On its lower side the line rises to {min(left, right):.3g}.")
    if is_close(answer, max(left, right)):
        return Feedback(False, "That is the higher side. A ball rolls out over the lower one.")
    if is_close(answer, float(line.loss.min())):
        return Feedback(False, "That is the bottom of the basin, not its rim.")
    if any(is_close(answer, float(end)) for end in line.loss[[0, -1]]):
        return Feedback(False, "That is the loss at an end of the line; the highest point may lie before it.")
    return Feedback(False, "The highest loss at α < 0, the highest at α > 0: which of them is the lower?")


def check_rank_correlation(answer: float, first: Sequence[float], second: Sequence[float]) -> Feedback:
    """Check Spearman's rank correlation of two rows of numbers.

    Args:
        answer: The reader's coefficient, or `...`.
        first: One row.
        second: The other, as long.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_rank_correlation(-1.0, [1, 2, 3], [1, 4, 9]).text
        'The sign is turned: large belongs to large here.'
    """
    if answer is ...:
        return OPEN
    from scipy.stats import spearmanr

    result = spearmanr(first, second)
    right, linear = float(result.statistic), float(np.corrcoef(first, second)[0, 1])
    if is_close(answer, right):
        return Feedback(True, f"The rank correlation is {right:.2f}.")
    if hasattr(answer, "statistic"):
        return Feedback(False, "That is the whole result; the coefficient is its `.statistic`.")
    if is_close(answer, -right):
        signs = ("large", "small") if right < 0 else ("large", "large")
        return Feedback(False, f"The sign is turned: {signs[0]} belongs to {signs[1]} here.")
    if is_close(answer, linear):
        return Feedback(False, "That is Pearson's, of the numbers; Spearman's is of their ranks.")
    if is_close(answer, float(result.pvalue)):
        return Feedback(False, "That is the p-value: how likely chance is, not how strong the relation.")
    return Feedback(False, "`scipy.stats.spearmanr(first, second)` gives it.")
