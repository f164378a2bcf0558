"""Which layers, losses and functions are torch's own, or ours: what they do is known, and need not be tried."""

from functools import partial
from types import MethodType
from typing import Any

LAYERS = "torch.nn"
LOSSES = "torch.nn.modules.loss"


def is_torchs(thing: Any, within: str = LAYERS) -> bool:
    """Whether a function, or the class of an object, is defined in torch's part for networks.

    What `torch.jit` or `torch.compile` made of a reader's function is not torch's, though its class is: those lie in
    other parts of torch.

    Args:
        thing: A function or an object; a partial function or a method counts as what it is made of.
        within: The package or module of torch.

    Example:
        >>> import torch
        >>> is_torchs(torch.nn.functional.mse_loss), is_torchs(torch.nn.ReLU()), is_torchs(torch.nn.ReLU(), LOSSES)
        (True, True, False)
        >>> is_torchs(lambda outputs, targets: 0.0)
        False
    """
    return f"{_module_of(thing)}.".startswith(f"{within}.")


def is_known(thing: Any) -> bool:
    """Whether a function, or the class of an object, is torch's or ours: it keeps nothing from call to call.

    Example:
        >>> import torch
        >>> is_known(torch.nn.functional.mse_loss), is_known(print)
        (True, False)
    """
    return is_torchs(thing) or _module_of(thing).split(".")[0] == "landscape_nb"


def _module_of(thing: Any) -> str:
    holder = holder_of(thing)
    return getattr(holder, "__module__", None) or type(holder).__module__


def holder_of(thing: Any) -> Any:
    """What a partial function or a method is made of; anything else itself.

    Example:
        >>> class Metric:
        ...     def value(self, outputs, targets): ...
        >>> metric = Metric()
        >>> holder_of(partial(metric.value, targets=None)) is metric
        True
    """
    while isinstance(thing, partial | MethodType):
        thing = thing.func if isinstance(thing, partial) else thing.__self__
    return thing
