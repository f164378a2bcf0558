"""Rescalings of a network's weights that leave its outputs as they are."""

from typing import Any

import torch
from torch import nn

from landscape_nb._common.checks import check_kind, check_positive
from landscape_nb._common.compat import AnyBatchNorm, AnyConv
from landscape_nb.models import Net
from landscape_nb.weights.copies import copied_model

_WEIGHTED = nn.Linear | AnyConv


def rescale_relu(model: Net, first: str, second: str, factor: float) -> Net:
    """Multiply a layer before a ReLU by a factor and divide the layer after it by the same.

    relu(c·x) = c·relu(x) for c > 0, so that the network computes what it did before.

    Args:
        model: The network; it stays as it is.
        first: Name of the linear or convolutional layer before the ReLU; its weight and bias grow.
        second: Name of the layer after it; its weight shrinks. Nothing but ReLU and pooling may lie between.
        factor: The factor c, positive.

    Returns:
        A copy of the network with other weights and the same outputs, up to rounding.

    Raises:
        ValueError: `factor` is not positive, a name is not that of such a layer, or a weight is shared or computed.
        TypeError: `model` is not a model.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> x = torch.ones(1, 3)
        >>> torch.allclose(rescale_relu(net, "0", "2", 8.0)(x), net(x), rtol=1e-4)
        True

    Source: Dinh et al. (2017), section 3; Li et al. (2018), section 3.
    """
    check_positive("factor", factor)
    check_kind("model", model, nn.Module, "a torch.nn.Module")
    for argument, name in (("first", first), ("second", second)):
        _check_weighted(model, argument, name)
    copied = copied_model(model)
    before: Any = copied.get_submodule(first)
    after: Any = copied.get_submodule(second)
    with torch.no_grad():
        before.weight.mul_(factor)
        after.weight.div_(factor)
        if before.bias is not None:
            before.bias.mul_(factor)
    return copied


def rescale_batch_norm(model: Net, layer: str, norm: str, factor: float) -> Net:
    """Multiply a layer before a batch norm by a factor; the norm's running statistics follow.

    Batch norm divides by the standard deviation of what it gets, so that the scale of the layer
    before it does not matter. In evaluation mode the running statistics must be those of the
    rescaled layer; they are set so that the outputs are the same to rounding, ε included.

    Args:
        model: The network; it stays as it is.
        layer: Name of the linear or convolutional layer before the batch norm.
        norm: Name of the batch norm.
        factor: The factor c, positive.

    Returns:
        A copy of the network with other weights and the same outputs, up to rounding.

    Raises:
        ValueError: `factor` is not positive, a name is not that of such a layer, or a weight is shared or computed.
        TypeError: `model` is not a model.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
        >>> x = torch.ones(1, 3)
        >>> torch.allclose(rescale_batch_norm(net, "0", "1", 8.0)(x), net(x), rtol=1e-4)
        True

    Source: Li et al. (2018), section 3.
    """
    check_positive("factor", factor)
    check_kind("model", model, nn.Module, "a torch.nn.Module")
    _check_weighted(model, "layer", layer)
    if _layer(model, "norm", norm, AnyBatchNorm).running_mean is None:
        raise ValueError(f"norm: {norm!r} keeps no running statistics, so there is nothing to rescale with the layer")
    copied = copied_model(model)
    before: Any = copied.get_submodule(layer)
    after: Any = copied.get_submodule(norm)
    with torch.no_grad():
        before.weight.mul_(factor)
        if before.bias is not None:
            before.bias.mul_(factor)
        after.running_mean.mul_(factor)
        after.running_var.copy_(factor**2 * (after.running_var + after.eps) - after.eps)
    return copied


def _check_weighted(model: nn.Module, argument: str, name: str) -> None:
    """Raise a `ValueError` unless this is a linear or convolutional layer whose weight is a parameter of its own."""
    layer = _layer(model, argument, name, _WEIGHTED)
    if "weight" not in dict(layer.named_parameters(recurse=False)):
        raise ValueError(f"{argument}: the weight of {name!r} is computed (pruned or parametrized), not a parameter")
    others = [key for key, module in model.named_modules() if getattr(module, "weight", None) is layer.weight]
    if len(others) > 1:
        raise ValueError(f"{argument}: the weight of {name!r} is shared by {', '.join(map(repr, others))}")


def _layer(model: nn.Module, argument: str, name: str, kinds: Any) -> nn.Module:
    layer = dict(model.named_modules()).get(name)
    if not isinstance(layer, kinds):
        has = ", ".join(repr(key) for key, module in model.named_modules() if isinstance(module, kinds))
        raise ValueError(f"{argument}: got {name!r}, the model has {has or 'none of that kind'}")
    return layer
