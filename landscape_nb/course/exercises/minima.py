"""Checks of exercises about two minima, the distance to their rims, and directions scaled to the weights."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close, is_same
from landscape_nb.weights.normalization import is_ignored, normalize_direction
from landscape_nb.weights.params import Params, norm


def check_updates(answer: float, samples: int, batch_size: int, epochs: int) -> Feedback:
    """Check how many updates of the weights a training run made.

    Args:
        answer: The reader's number, or `...`.
        samples: Training images.
        batch_size: Images an update.
        epochs: Passes over the images.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_updates(20, 100, 30, 5).right
        True
    """
    if answer is ...:
        return OPEN
    batches = math.ceil(samples / batch_size)
    if is_close(answer, batches * epochs):
        return Feedback(True, f"{batches} batches an epoch, {batches * epochs:,} updates in all.")
    if is_close(answer, batches):
        return Feedback(False, "That is one epoch. How many are there?")
    if is_close(answer, samples // batch_size * epochs) or is_close(answer, samples * epochs / batch_size):
        return Feedback(False, "The last batch of an epoch is smaller, but it is a batch: round up.")
    if is_close(answer, samples * epochs):
        return Feedback(False, "That counts images. One update takes a whole batch of them.")
    return Feedback(False, "Batches in an epoch, rounded up, times epochs.")


def check_reach(answer: float, line: xr.Dataset, level: float, start: float = 0.0, end: float = 1.0) -> Feedback:
    """Check how far one can walk from a minimum along a line before the loss reaches a level.

    Args:
        answer: The reader's distance, or `...`.
        line: What `evaluate_line` or `interpolate` returned; its points decide the resolution.
        level: The level.
        start: The α of the minimum.
        end: The α to walk to.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [0.0, 0.2, 3.0])}, {"alpha": [0.0, 0.5, 1.0]})
        >>> check_reach(0.5, line, 1.0).right
        True
    """
    if answer is ...:
        return OPEN
    right, other = _reach(line, level, start, end), _reach(line, level, end, start)
    spacing = float(abs(line.alpha[1] - line.alpha[0]))
    if isinstance(answer, int | float | np.number) and abs(answer - right) < 1.01 * spacing:
        return Feedback(True, f"From α = {start:g} the loss stays below {level:g} for {right:.3g}.")
    if is_close(answer, 1 - right) or is_close(answer, start + (right if end > start else -right)):
        return Feedback(False, f"That is a coordinate. How far is it from α = {start:g}?")
    if isinstance(answer, int | float | np.number) and abs(answer - other) < 1.01 * spacing:
        return Feedback(False, "That is the reach of the other end.")
    if is_close(answer, right / spacing, 0.05) and right > spacing:
        return Feedback(False, "That is a number of points. How far apart are they?")
    return Feedback(False, "Walk from one end, point by point, and stop at the first loss that is not below the level.")


def _reach(line: xr.Dataset, level: float, start: float, end: float) -> float:
    distance = (line.alpha.values - start) * np.sign(end - start)
    order = np.argsort(distance)
    distance, low = distance[order], (line.loss.values < level)[order]
    inside = (distance > -1e-9) & (distance < abs(end - start) + 1e-9)
    distance, low = distance[inside], low[inside]
    first = int(low.argmin()) if not low.all() else len(low)
    return float(distance[first - 1]) if first else 0.0


def check_relative_length(answer: float, direction: Params, weights: Params) -> Feedback:
    """Check the length of a direction relative to the weights that it moves.

    Args:
        answer: The reader's ratio, or `...`.
        direction: The direction; biases and batch norm stay put in it.
        weights: The point.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> import torch
        >>> w = {"w": torch.tensor([[3.0, 4.0]]), "b": torch.ones(1)}
        >>> check_relative_length(1.0, {"w": torch.tensor([[5.0, 0.0]]), "b": torch.zeros(1)}, w).right
        True
    """
    if answer is ...:
        return OPEN
    moved = {name: w for name, w in weights.items() if not is_ignored(name, w, "one-dimensional")}
    right = norm(direction) / norm(moved)
    if is_close(answer, right):
        return Feedback(True, f"‖d‖ / ‖w‖ = {right:.4g}: at α = 1 the weights move by that part of their own length.")
    if is_close(answer, norm(direction) / norm(weights)):
        return Feedback(False, "That divides by biases and batch norm, too, which the direction does not move.")
    if is_close(answer, 1 / right) and not is_close(right, 1.0):
        return Feedback(False, "That is the weights' length relative to the direction's.")
    if is_close(answer, norm(direction)):
        return Feedback(False, "That is the direction's own length. Divide it by the weights'.")
    return Feedback(False, "`lnb.norm` gives the length of a dict of tensors; keep those with more than one dimension.")


def check_layer_normalized(answer: Params, direction: Params, weights: Params) -> Feedback:
    """Check a direction that the reader layer-normalized.

    Args:
        answer: The reader's direction, or `...`.
        direction: The direction it was made from.
        weights: The point whose weights set the scale.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> import torch
        >>> w, d = ({"w": torch.diag(torch.tensor(diagonal))} for diagonal in ([3.0, 4.0], [1.0, 0.0]))
        >>> check_layer_normalized({"w": 5 * d["w"]}, d, w).right
        True
    """
    if answer is ...:
        return OPEN
    if not isinstance(answer, dict) or answer.keys() != weights.keys():
        return Feedback(False, "The answer is a dict with the keys of `weights`, one tensor each.")
    if is_same(answer, normalize_direction(direction, weights, "layer")):
        return Feedback(True, "Each tensor of the direction is as long as the tensor of weights it moves.")
    if is_same(answer, normalize_direction(direction, weights, "filter")):
        return Feedback(False, "That is filter by filter. Here one factor serves the whole tensor.")
    if is_same(answer, normalize_direction(direction, weights, "layer", ignore=None)):
        return Feedback(False, "The layers are right. Tensors of one dimension (biases, batch norm) stay put: zero.")
    if is_same(answer, normalize_direction(direction, weights, "unit-layer")):
        return Feedback(False, "Each tensor has norm 1 now. Multiply it by the norm of the weights' tensor.")
    return Feedback(False, "One factor a tensor: `weights[name].norm() / direction[name].norm()`.")


def check_relative_spread(answer: float, values: Sequence[float]) -> Feedback:
    """Check how much repeated measurements differ: their standard deviation over their mean.

    Args:
        answer: The reader's ratio, or `...`; both usual standard deviations count.
        values: The measurements.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_relative_spread(0.5, [1.0, 2.0, 3.0]).right
        True
    """
    if answer is ...:
        return OPEN
    array = np.asarray(values, dtype=float)
    mean, deviations = array.mean(), (array.std(ddof=1), array.std(ddof=0))
    if any(is_close(answer, deviation / mean) for deviation in deviations):
        return Feedback(
            True, f"A standard deviation of {deviations[0]:.3g} around {mean:.3g}: {deviations[0] / mean:.1%}."
        )
    if any(is_close(answer, 100 * deviation / mean) for deviation in deviations):
        return Feedback(False, "That is a percentage; give the ratio itself.")
    if any(is_close(answer, deviation) for deviation in deviations):
        return Feedback(False, "That is the standard deviation. Divide it by the mean.")
    if any(is_close(answer, deviation**2 / mean) for deviation in deviations):
        return Feedback(False, "That is the variance over the mean: take its root first.")
    return Feedback(False, "The standard deviation over the repeats, divided by their mean.")
