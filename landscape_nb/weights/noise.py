"""Small random steps from the origin: where a layer is all zero, as at the start of some networks, nothing shows."""

import torch
from torch import Tensor


def noise(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of 3 % of the weights' root mean square; where they are all zero, as large as initial weights usually are.

    Example:
        >>> noise(torch.zeros(2, 4), torch.Generator().manual_seed(0)).abs().max() < 5 * 4**-0.5
        tensor(True)
    """
    fresh = 0.3 if weights.ndim < 2 else max(1, weights[:1].numel()) ** -0.5
    width = 0.03 * float(weights.double().square().mean().sqrt()) if weights.any() else fresh
    return width * torch.randn(weights.shape, generator=generator).to(weights)
