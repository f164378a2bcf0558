"""Checks of exercises about models, losses and plots of the reader's own."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
import xarray as xr
from torch import Tensor

from landscape_nb._common.schema import DIMS, OBJECTIVE
from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close, is_same
from landscape_nb.diagnosis.diagnose import diagnose
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.normalization import normalize_direction
from landscape_nb.weights.params import Params


def check_label_smoothing(answer: Callable[[Tensor, Tensor], Tensor], smoothing: float = 0.1) -> Feedback:
    """Check a loss with smoothed labels that the reader wrote.

    Args:
        answer: The reader's `criterion(outputs, targets)`, or `...`.
        smoothing: How much of the target is spread evenly over all classes.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_label_smoothing(lambda outputs, targets: F.cross_entropy(outputs, targets, label_smoothing=0.1)).right
        True
    """
    if answer is ...:
        return OPEN
    generator = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(7, 5, generator=generator), torch.arange(7) % 5
    try:
        value = torch.as_tensor(answer(outputs, targets))
    except Exception as error:
        return Feedback(False, f"It cannot be called with scores (7, 5) and targets (7,): {error}")
    if value.numel() != 1:
        return Feedback(False, f"It gives a tensor of shape {tuple(value.shape)}; a criterion gives one mean.")
    classes, logs = outputs.shape[1], F.log_softmax(outputs, 1)
    plain, even = F.cross_entropy(outputs, targets), -logs.mean()
    right = (1 - smoothing) * plain + smoothing * even
    others = (even * classes - plain) / (classes - 1)
    if is_close(float(value), float(right)):
        return Feedback(True, "It agrees with `F.cross_entropy(..., label_smoothing=...)`.")
    if is_close(float(value), float(plain)):
        return Feedback(False, "That is the plain cross-entropy: where does the smoothing come in?")
    if is_close(float(value), float(right * len(outputs))):
        return Feedback(False, "That is the sum over the batch; the landscape is one of means.")
    if is_close(float(value), float((1 - smoothing) * plain + smoothing * others)):
        return Feedback(False, "The smoothing goes to *all* classes evenly, the true one included.")
    return Feedback(False, "`F.log_softmax(outputs, 1)` at the target, and its mean over all classes: mix these two.")


def check_moving_share(answer: float, direction: Params) -> Feedback:
    """Check which share of all weights a direction moves.

    Args:
        answer: The reader's share, or `...`.
        direction: The direction.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_moving_share(0.5, {"w": torch.ones(3, 1), "b": torch.zeros(1)}).text
        'That is the share of the tensors; count their entries.'
    """
    if answer is ...:
        return OPEN
    moved = sum(int((tensor != 0).sum()) for tensor in direction.values())
    total = sum(tensor.numel() for tensor in direction.values())
    tensors = sum(bool(tensor.any()) for tensor in direction.values()) / len(direction)
    if is_close(answer, moved / total):
        return Feedback(True, f"{moved:,} of {total:,} weights move, {moved / total:.1%}.")
    if is_close(answer, moved):
        return Feedback(False, "That is a number of weights; divide it by all of them.")
    if is_close(answer, 1 - moved / total):
        return Feedback(False, "That is the share that stays put.")
    if is_close(answer, tensors):
        return Feedback(False, "That is the share of the tensors; count their entries.")
    return Feedback(False, "`(tensor != 0).sum()` counts what moves, `tensor.numel()` counts all.")


def check_moves_only(answer: Params, weights: Params, names: Sequence[str]) -> Feedback:
    """Check a filter-normalized direction that holds all but some tensors still.

    Args:
        answer: The reader's direction, or `...`.
        weights: The point that it starts from.
        names: The tensors that should move.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> w = {"a": torch.ones(1, 2), "b": torch.ones(1, 2)}
        >>> check_moves_only({"a": torch.ones(1, 2), "b": torch.zeros(1, 2)}, w, ["a"]).right
        True
    """
    if answer is ...:
        return OPEN
    if isinstance(answer, Sequence) and len(answer) == 1:
        return Feedback(False, "That is a list with one direction in it; take the direction out.")
    if not isinstance(answer, dict) or answer.keys() != weights.keys():
        return Feedback(False, "A direction is a dict with the keys of the weights, such as `random_directions` makes.")
    moving = {name for name, tensor in answer.items() if tensor.any()}
    if moving and moving.isdisjoint(names):
        return Feedback(False, "It is the other way round: `ignore` says which tensors stay put.")
    if moving - set(names):
        return Feedback(False, f"These move too: {', '.join(sorted(moving - set(names)))}.")
    if set(names) - moving:
        return Feedback(False, f"These stay put: {', '.join(sorted(set(names) - moving))}.")
    part, filters = ({name: point[name] for name in names} for point in (answer, weights))
    if not is_same(part, normalize_direction(part, filters, "filter")):
        return Feedback(False, "The right tensors move, but they are not filter-normalized.")
    return Feedback(True, f"{len(moving)} of {len(answer)} tensors move, each filter by its own length.")


def check_sound_plane(answer: xr.Dataset, objective: Objective) -> Feedback:
    """Check that `diagnose` finds no problem and no warning in a plane that the reader measured.

    Args:
        answer: The reader's plane, or `...`.
        objective: What should have been measured.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> check_sound_plane(..., None).right
        False
    """
    if answer is ...:
        return OPEN
    if not isinstance(answer, xr.Dataset) or set(answer.get("loss", xr.DataArray()).dims) != set(DIMS):
        return Feedback(False, "The answer is what `lnb.evaluate_plane` returns.")
    if answer.attrs.get(OBJECTIVE) != objective.fingerprint:
        return Feedback(False, "That plane was measured with another objective: other weights, data or another loss.")
    grave = [finding for finding in diagnose(answer) if finding.severity != "note"]
    if grave:
        return Feedback(False, f"{grave[0].text} {grave[0].suggestion}")
    return Feedback(True, "No problem and no warning is found in it. What remains are notes.")
