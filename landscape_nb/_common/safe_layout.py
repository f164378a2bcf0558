"""The layout (order in memory) in which tensors are convolved, where one layout gives wrong gradients."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv_transpose1d, torch.conv_transpose2d, torch.convolution}
_BLOCK = 16


class SafeLayout(TorchFunctionMode):
    """Has some convolutions computed in torch's default layout, whatever the layout of images and weights.

    Everything that is to be differentiated is computed within it: training, gradients, Hessian products.

    Example:
        >>> images = torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
        >>> weight = torch.randn(8, 4, 1, 1)
        >>> with SafeLayout():
        ...     torch.conv2d(images, weight, stride=2).is_contiguous()
        True
        >>> torch.conv2d(images, weight, stride=2).is_contiguous()
        False
    """

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        kwargs = kwargs or {}
        if function in _CONVOLUTIONS:
            args, kwargs = _safe(*args, **kwargs)
        return function(*args, **kwargs)


# oneDNN computes the weights' gradient of a strided 1×1 convolution on a smaller copy of the images. For channels-last
# images it allocates the copy for the number of channels, but steps through it by blocks of 8 channels (AVX2) or
# 16 (AVX-512): with fewer channels it writes past the end. With one thread that damages the heap, and the process may
# die; several threads overwrite each other's copies, and the gradient is wrong without an error (oneDNN issue 6035).
# The backward pass uses the layout of the forward pass, so it is enough to choose that one. In a transposed
# convolution the outputs take the part of the images; dimension 1 of the weights is the number of channels in both.
def _safe(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    *others: Any,
    **more: Any,
) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a convolution; where channels-last is not safe, images and weights are in the default layout."""
    strided = (stride if isinstance(stride, int) else max(stride)) > 1
    if strided and weight.shape[1] < _BLOCK and weight.shape[2:].numel() == 1 and input.device.type == "cpu":
        input, weight = _in_default_layout(input), _in_default_layout(weight)
    return (input, weight, bias, stride, *others), more


def _in_default_layout(tensor: Tensor) -> Tensor:
    """The tensor in the default layout. (`contiguous` would return a 1×1 weight as it is: it is in both layouts.)"""
    return tensor.reshape(-1).view(tensor.shape)
