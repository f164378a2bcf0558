"""Points beside the origin: what a model does may not show where layers are all zero, as networks may begin."""

import torch
from torch import Tensor


def noise(weights: Tensor, generator: torch.Generator) -> Tensor:
    """A few hundredths of the weights' size; as large as fresh weights are, if these are zero.

    Example:
        >>> noise(torch.zeros(2, 4), torch.Generator().manual_seed(0)).abs().max() < 5 * 4**-0.5
        tensor(True)
    """
    fresh = 0.3 if weights.ndim < 2 else max(1, weights[:1].numel()) ** -0.5
    width = 0.03 * float(weights.double().square().mean().sqrt()) if weights.any() else fresh
    return width * torch.randn(weights.shape, generator=generator).to(weights)
