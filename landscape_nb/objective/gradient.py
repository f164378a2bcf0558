"""The gradient of the mean loss over all data."""

import torch
from jaxtyping import Float
from torch import Tensor

from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.objective.forward import Buffers
from landscape_nb.weights.params import Params, flatten, unflatten


def gradient_at(
    evaluator: Evaluator, params: Params | None = None, buffers: Buffers | None = None
) -> Float[Tensor, "n"]:
    """The gradient of the loss over all data, with batch norm's statistics held constant.

    Args:
        evaluator: What evaluates the loss.
        params: The point; default the origin.
        buffers: Batch norm's running statistics and other buffers; default the model's own.

    Returns:
        All its entries, in the order of the origin's.

    Example:
        >>> from landscape_nb.objective.objective import Objective
        >>> objective = Objective(torch.nn.Linear(1, 1), (torch.ones(3, 1), torch.zeros(3, 1)), torch.nn.MSELoss())
        >>> gradient_at(objective.evaluator, {"weight": torch.ones(1, 1), "bias": torch.ones(1)})
        tensor([4., 4.])
    """
    origin = evaluator.forward.origin
    weights = flatten(origin if params is None else params).requires_grad_()
    total = torch.zeros_like(weights)
    for share, loss in evaluator.batch_losses(unflatten(weights, origin), None, buffers):
        if loss.requires_grad:
            total += torch.autograd.grad(share * loss, weights, materialize_grads=True)[0]
    return total
