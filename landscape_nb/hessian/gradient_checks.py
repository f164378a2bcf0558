"""Whether autograd's gradients, and products with the Hessian, belong to the loss that planes show."""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from landscape_nb.objective.gradient import gradient_at
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.params import Params, add, dot, flatten, norm, scale, unflatten

if TYPE_CHECKING:
    from landscape_nb.hessian.operator import HessianOperator

_LEAST_CHANGE, _LEAST_BYTES = 1e-4, 4
_SLOPE_TOLERANCE, _PRODUCT_TOLERANCE = 0.1, 0.05
"""Of slopes and products by differences; rectifiers have kinks."""


def graph_nodes(tensor: Tensor) -> Iterator[Any]:
    """The nodes of the graph that a tensor comes from."""
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting += [following for following, _ in node.next_functions]


def has_own_backward(objective: Objective) -> bool:
    """Whether a `torch.autograd.Function`, with a backward pass of its own, is in the model or the criterion."""
    weights = flatten(objective.origin).requires_grad_()
    _, loss = next(iter(objective.evaluator.batch_losses(unflatten(weights, objective.origin))))
    return any(isinstance(node, BackwardCFunction) for node in graph_nodes(loss))


def compare_with_differences(objective: Objective, operator: "HessianOperator") -> None:
    """Warn where a product is not how the gradient changes, if the model has backward passes of its own.

    A `torch.autograd.Function` that saves its derivative as a number has the right gradient, and a second
    derivative without what that number depends on.

    Args:
        objective: Its gradients are compared.
        operator: Its Hessian at the origin, in all parameters.
    """
    vector = np.random.default_rng(0).standard_normal(operator.shape[0]).astype(operator.dtype)
    step = float(1e-3 * norm(objective.origin) / np.linalg.norm(vector))
    product, ahead = operator @ vector, operator.direction(vector)
    errors = []
    for size in (step, 0.1 * step):
        ends = [gradient_at(objective.evaluator, add(objective.origin, scale(ahead, sign * size))) for sign in (1, -1)]
        change = ((ends[0] - ends[1]) / (2 * size)).cpu().numpy()
        errors.append(np.linalg.norm(product - change) / np.linalg.norm(change))
    if min(errors) > _PRODUCT_TOLERANCE:
        warnings.warn(
            f"objective: products with the Hessian differ by {min(errors):.0%} from how the gradient changes: a "
            "torch.autograd.Function in the model has a backward pass that is not differentiable as it is written",
            stacklevel=2,
        )


def compare_with_slope(objective: Objective, gradient: Float[Tensor, "n"]) -> None:
    """Warn where the loss uphill rises otherwise than the gradient says.

    Straight-through estimators, `detach()` in the model and backward passes of one's own make autograd's
    gradient that of another function than the one that planes show. Uphill each tensor moves as far as any
    other, so that the one with a wrong gradient counts however small that is. The step changes the loss by about
    a hundredth, which rounding does not reach; a minimum that is too flat for that says nothing.
    """
    loss = _frozen_loss(objective, objective.origin)
    coarse = any(p.element_size() < _LEAST_BYTES for p in objective.origin.values())
    if coarse or not (np.isfinite(loss) and torch.isfinite(gradient).all() and gradient.any()):
        return
    slopes = unflatten(gradient, objective.origin)
    uphill = {name: slope / slope.norm() if slope.any() else slope for name, slope in slopes.items()}
    said, found = dot(slopes, uphill), []
    for part in (1, 0.25):
        step = part * min(0.005 * abs(loss) / said, 0.01 * norm(objective.origin))
        if step * said < _LEAST_CHANGE * abs(loss):
            return
        ends = [_frozen_loss(objective, add(objective.origin, scale(uphill, sign * step))) for sign in (1, -1)]
        found.append((ends[0] - ends[1]) / (2 * step))
    if all(abs(slope - said) > _SLOPE_TOLERANCE * said for slope in found):
        warnings.warn(
            f"objective: autograd's gradient says that the loss has the slope {said:.3g} uphill, and it has "
            f"{found[-1]:.3g}: a straight-through estimator, detach() or a backward pass of one's own makes gradients "
            "and Hessians those of another function than the loss",
            stacklevel=2,
        )


def _frozen_loss(objective: Objective, params: Params) -> float:
    return objective.measure(params, batch_norm="frozen")["loss"]
