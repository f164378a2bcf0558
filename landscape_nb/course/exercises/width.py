"""Checks of exercises about width: how weights grow with it, how many of them can be spared."""

import torch
from torch import Tensor, nn

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close
from landscape_nb.hessian.extremes import curvature_along, extreme_eigenvalues
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.params import Params, norm


def check_weight_growth(answer: float, narrow: nn.Module, wide: nn.Module) -> Feedback:
    """Check by which factor the number of weights grows from one network to a wider one.

    Args:
        answer: The reader's factor, or `...`.
        narrow: The narrow network.
        wide: The wide one.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_weight_growth(2, nn.Linear(2, 2, bias=False), nn.Linear(4, 4, bias=False)).text
        'So much grow the channels. A convolution has inputs × outputs of them.'
    """
    if answer is ...:
        return OPEN
    few, many = (sum(p.numel() for p in net.parameters()) for net in (narrow, wide))
    channels = next(wide.parameters()).shape[0] / next(narrow.parameters()).shape[0]
    if is_close(answer, many / few, 5e-3):
        return Feedback(True, f"From {few:,} weights to {many:,}: nearly the square of {channels:g}, the channels'.")
    if is_close(answer, few / many, 5e-3):
        return Feedback(False, "Turn it over: the wide network's weights divided by the narrow one's.")
    if is_close(answer, channels):
        return Feedback(False, "So much grow the channels. A convolution has inputs × outputs of them.")
    if is_close(answer, many - few):
        return Feedback(False, "That is how many more there are; a factor is a quotient.")
    return Feedback(False, "A network's weights: `sum(p.numel() for p in model.parameters())`.")


def check_pruned(answer: Params, weights: Params, fraction: float) -> Feedback:
    """Check weights of which the smallest were set to zero, layer by layer.

    Args:
        answer: The reader's weights, or `...`.
        weights: The weights before.
        fraction: Which part of each tensor of more than one dimension should be zero.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> w = {"w": torch.tensor([[1.0, -3.0, 2.0, -4.0]])}
        >>> check_pruned({"w": torch.tensor([[1.0, 0.0, 2.0, 0.0]])}, w, 0.5).text
        'The large weights are gone and the small ones are left; compare sizes the other way round.'
    """
    if answer is ...:
        return OPEN
    if not isinstance(answer, dict) or answer.keys() != weights.keys():
        return Feedback(False, "The answer is a dict with the keys of the weights, one tensor each.")
    if any(answer[name].shape != w.shape for name, w in weights.items()):
        return Feedback(False, "Every tensor keeps its shape: weights become zero, they do not go away.")
    if any(w.ndim < 2 and not torch.equal(answer[name], w) for name, w in weights.items()):
        return Feedback(False, "Tensors of one dimension (biases, batch norm) stay as they are.")
    tensors = [(answer[name], w) for name, w in weights.items() if w.ndim > 1]
    if any(not torch.equal(cut[cut != 0], w[cut != 0]) for cut, w in tensors):
        return Feedback(False, "What is not set to zero keeps its value.")
    if all(_is_pruned(cut, w, fraction) for cut, w in tensors):
        return Feedback(True, f"Each layer has lost the smallest {fraction:.0%} of its weights.")
    if not any((cut == 0).any() for cut, _ in tensors):
        return Feedback(False, "No weight is zero yet.")
    if all(_largest(w[cut != 0]) <= _smallest(w[cut == 0]) for cut, w in tensors):
        return Feedback(
            False, "The large weights are gone and the small ones are left; compare sizes the other way round."
        )
    if all(_is_pruned(cut, w, 1 - fraction) for cut, w in tensors):
        return Feedback(False, f"That keeps {fraction:.0%} of the weights; it should drop as many.")
    if all(_has_zeros(cut, fraction) for cut, _ in tensors):
        return Feedback(False, "As many as there should be, but not the smallest: compare sizes, not signs.")
    zeros = sum(int((cut == 0).sum()) for cut, _ in tensors)
    if abs(zeros / sum(w.numel() for _, w in tensors) - fraction) < 0.01:
        return Feedback(False, "That is one threshold for the whole network; each layer has its own here.")
    return Feedback(False, "A layer's threshold: `w.abs().quantile(fraction)`; what is smaller goes.")


def check_curvature_gap(answer: float, objective: Objective, direction: Params) -> Feedback:
    """Check how many times the largest eigenvalue exceeds the curvature along a direction.

    Args:
        answer: The reader's λ_max / (dᵀHd / ‖d‖²), or `...`.
        objective: Its loss is what bends.
        direction: The direction d.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_curvature_gap(..., None, None).right
        False
    """
    if answer is ...:
        return OPEN
    largest, along = extreme_eigenvalues(objective, tolerance=1e-2).max, curvature_along(objective, direction)
    if is_close(answer, largest / along, 0.05):
        return Feedback(True, f"The loss bends by {largest:.3g} at most, and by {along:.3g} along this direction.")
    if is_close(answer, along / largest, 0.05):
        return Feedback(False, "Turn it over: the largest eigenvalue, divided by the curvature along d.")
    if is_close(answer, largest, 0.05) or is_close(answer, along, 0.05):
        return Feedback(False, "That is one of the two curvatures; their quotient is asked for.")
    if is_close(answer, largest / (along * norm(direction) ** 2), 0.05):
        return Feedback(False, "Divide dᵀHd by ‖d‖²: an eigenvalue belongs to a vector of norm 1.")
    return Feedback(False, "`lnb.extreme_eigenvalues(objective, tolerance=0.01).max` over `lnb.curvature_along(…)`.")


def _is_pruned(cut: Tensor, weights: Tensor, fraction: float) -> bool:
    """Whether about this fraction of the entries is zero, and no kept one is smaller than a dropped one."""
    dropped, kept = weights[cut == 0], weights[cut != 0]
    return _has_zeros(cut, fraction) and _largest(dropped) <= _smallest(kept)


def _has_zeros(cut: Tensor, fraction: float) -> bool:
    return abs(int((cut == 0).sum()) - fraction * cut.numel()) <= 1 + 1e-3 * cut.numel()


def _largest(weights: Tensor) -> float:
    return float(weights.abs().max()) if len(weights) else 0.0


def _smallest(weights: Tensor) -> float:
    return float(weights.abs().min()) if len(weights) else float("inf")
