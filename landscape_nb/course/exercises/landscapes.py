"""Checks of exercises about points, planes, normalization and rescaling."""

from collections.abc import Sequence

import torch
import xarray as xr
from torch import Tensor, nn

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close, is_same
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.normalization import normalize_direction
from landscape_nb.weights.params import Params, move, parameters_of


def check_loss_at(
    answer: float, objective: Objective, directions: Sequence[Params], coordinates: Sequence[float]
) -> Feedback:
    """Check the loss at given coordinates of a plane or a line.

    Args:
        answer: The reader's loss, or `...`.
        objective: What is measured.
        directions: The directions of the plane or line.
        coordinates: The coordinates in question.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_loss_at(..., None, [], []).right
        False
    """
    if answer is ...:
        return OPEN
    right = objective(move(objective.origin, directions, coordinates))["loss"]
    if is_close(answer, right):
        return Feedback(True, f"The loss there is {right:.4g}.")
    if is_close(answer, objective()["loss"]):
        return Feedback(False, "That is the loss at the centre: `objective()` with nothing in it does not move.")
    swapped = objective(move(objective.origin, directions, coordinates[::-1]))["loss"]
    if is_close(answer, swapped):
        return Feedback(False, "The coordinates are swapped: α belongs to the first direction, β to the second.")
    return Feedback(False, "`lnb.move(objective.origin, directions, coordinates)` is the point to measure at.")


def check_area_below(answer: float, plane: xr.Dataset, level: float) -> Feedback:
    """Check the fraction of a plane's points whose loss is below a level.

    Args:
        answer: The reader's fraction, or `...`.
        plane: The plane.
        level: The level.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> plane = xr.Dataset({"loss": ("alpha", [0.5, 2.0])})
        >>> check_area_below(50, plane, 1.0).text
        'That is a percentage; a fraction lies between 0 and 1.'
    """
    if answer is ...:
        return OPEN
    right = float((plane.loss < level).mean())
    if is_close(answer, right):
        return Feedback(True, f"{right:.1%} of the points lie below {level:g}.")
    if is_close(answer, 100 * right):
        return Feedback(False, "That is a percentage; a fraction lies between 0 and 1.")
    if is_close(answer, 1 - right):
        return Feedback(False, "That is the part above the level.")
    if is_close(answer, right * plane.loss.size):
        return Feedback(False, "That is a number of points; divide it by all of them.")
    return Feedback(False, "A comparison gives ones and zeros: `(plane.loss < level)`. What is their mean?")


def check_filter_normalized(answer: Params, direction: Params, weights: Params) -> Feedback:
    """Check a direction that the reader filter-normalized.

    Args:
        answer: The reader's direction, or `...`.
        direction: The direction it was made from.
        weights: The point whose weights set the scale.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> w = {"w": torch.tensor([[3.0, 4.0]])}
        >>> check_filter_normalized({"w": torch.tensor([[5.0, 0.0]])}, {"w": torch.tensor([[1.0, 0.0]])}, w).right
        True
    """
    if answer is ...:
        return OPEN
    if not isinstance(answer, dict) or answer.keys() != weights.keys():
        return Feedback(False, "The answer is a dict with the keys of `weights`, one tensor each.")
    if is_same(answer, normalize_direction(direction, weights, "filter")):
        return Feedback(True, "Each filter of the direction is as long as the filter of the weights it moves.")
    if is_same(answer, normalize_direction(direction, weights, "filter", ignore=None)):
        return Feedback(False, "The filters are right. Tensors of one dimension (biases, batch norm) stay put: zero.")
    if is_same(answer, normalize_direction(direction, weights, "layer")):
        return Feedback(False, "That scales whole layers. A filter is one slice along dimension 0.")
    if is_same(answer, normalize_direction(direction, weights, "unit-filter")):
        return Feedback(False, "Each filter has norm 1 now. Multiply it by the norm of the weights' filter.")
    return Feedback(False, "Norms of all slices at once: `torch.linalg.vector_norm(w.flatten(1), dim=1)`.")


def check_same_function(answer: nn.Module, model: nn.Module, images: Tensor) -> Feedback:
    """Check a network that should have other weights and the same outputs.

    Args:
        answer: The reader's network, or `...`.
        model: The network it was made from.
        images: Inputs to compare on.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> check_same_function(net, net, torch.ones(1, 2)).text
        'The weights are still the old ones.'
    """
    if answer is ...:
        return OPEN
    if not isinstance(answer, nn.Module):
        return Feedback(False, "The answer is a network.")
    before, after = parameters_of(model), parameters_of(answer)
    with torch.no_grad():
        wanted, outputs = model(images), answer(images)
    error = float((outputs - wanted).abs().max() / wanted.abs().max())
    if before.keys() == after.keys() and is_same(after, before):
        return Feedback(False, "The weights are still the old ones.")
    if error < 1e-3:
        return Feedback(True, f"Other weights, the same outputs: they differ by {error:.1e} of the largest.")
    if torch.equal(outputs.argmax(1), wanted.argmax(1)):
        return Feedback(False, f"The answers are the same but the outputs differ by {error:.1%}: is a bias forgotten?")
    return Feedback(False, "The outputs differ: what one layer multiplies, the next must divide by.")
