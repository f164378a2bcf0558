"""The paper's initial weights."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from landscape_nb._common.checks import check_whole

Net = TypeVar("Net", bound=nn.Module)

_MOST_SEED = 2**64 - 1


def initialized(build: Callable[[], Net], seed: int, he: tuple[type[nn.Module], ...] = (nn.Conv2d,)) -> Net:
    """Build a network with the paper's initial weights, leaving the global random state alone.

    Args:
        build: Makes the network, whose output layer is `linear`.
        seed: Seed of the weights.
        he: The layers that get He's normal weights; other linear layers get N(0, 10⁻³), as the output layer does.

    Raises:
        ValueError: The network does not fit the memory.

    Example:
        >>> initialized(lambda: nn.ModuleDict({"linear": nn.Linear(1, 2)}), 0)["linear"].bias.tolist()
        [0.0, 0.0]
    """
    seed = check_whole("seed", seed, 0, _MOST_SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _built(build)
        for layer in [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]:
            if isinstance(layer, he):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, std=1e-3)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        nn.init.normal_(net.get_parameter("linear.weight"), std=1e-3)
    return net


def _built(build: Callable[[], Net]) -> Net:
    try:
        return build()
    except (RuntimeError, MemoryError, OverflowError) as error:  # torch's word for "out of memory", among others
        raise ValueError(
            f"a network of this width, image size and number of channels and classes is too large ({error})"
        ) from error
