"""Convolutions of small images as matrix products.

On an image of 2×2 pixels most taps of a 3×3 filter fall on the border, and a processor's convolutions
need 16 channels to be fast. There the whole convolution, one matrix from all inputs to all outputs, is
several times faster, though the matrix has to be filled anew at every point.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from landscape_nb.program import Call, State, Weight

_CALL = 1_000_000
_FILL = 30
_LANES = (16, 8)


@dataclass(frozen=True)
class Dense:
    """Makes the matrix, and the bias of each output, from a convolution's weight and bias.

    Attributes:
        key: What the names of matrix and bias begin with; a weight may be used in several ways.
        weight: The weight's name.
        bias: The bias' name, if there is one.
        shape: Channels, height and width of the outputs.
        taps: 1 where a position of the filter takes to an output pixel, then an input pixel.
    """

    key: str
    weight: str
    bias: str | None
    shape: torch.Size
    taps: Float[Tensor, "positions outputs inputs"]

    def __call__(self, state: State) -> dict[str, Tensor]:
        """The matrix and the bias, by name."""
        weight = state[self.weight]
        pairs = weight.reshape(-1, len(self.taps)) @ self.taps.flatten(1).to(weight)
        matrix = pairs.view(*weight.shape[:2], *self.taps.shape[1:]).transpose(1, 2)
        made = {f"{self.key}: matrix": matrix.reshape(self.shape.numel(), -1)}
        if self.bias:
            made[f"{self.key}: bias"] = state[self.bias].repeat_interleave(self.shape[1:].numel())
        return made


def densified(call: Call, inputs: torch.Size, weight: torch.Size, outputs: torch.Size) -> tuple[Dense, Call] | None:
    """The matrix for a convolution, and the call that multiplies with it; None where that is not faster.

    Args:
        call: A call whose first argument is a slot.
        inputs: The shape of that slot.
        weight: The shape of the weight.
        outputs: The shape of the result.
    """
    if call.function is not F.conv2d or len(inputs) != 4 or call.kwargs or not _is_faster(inputs, weight, outputs):
        return None
    kernel, bias, stride, padding, dilation, groups = (*call.args[1:], *(None, 1, 0, 1, 1)[len(call.args) - 2 :])
    if groups != 1 or not isinstance(kernel, Weight) or not (bias is None or isinstance(bias, Weight)):
        return None
    how = stride, padding, dilation
    key = f"{kernel.name} and {bias.name if bias else None} on {tuple(inputs[2:])} with {how}"
    taps = _taps(inputs[2:], weight[2:], *how)
    dense = Dense(key, kernel.name, bias.name if bias else None, outputs[1:], taps)
    tensors = Weight(f"{dense.key}: matrix"), Weight(f"{dense.key}: bias") if bias else None
    return dense, Call(multiply, (call.args[0], *tensors, dense.shape), {}, call.result)


def multiply(inputs: Tensor, matrix: Tensor, bias: Tensor | None, shape: torch.Size) -> Tensor:
    """The outputs of a convolution, from images of any layout."""
    return F.linear(inputs.flatten(1), matrix, bias).view(-1, *shape)


def _is_faster(inputs: torch.Size, weight: torch.Size, outputs: torch.Size) -> bool:
    """Whether filling the matrix and multiplying takes less than the convolution, in multiplications.

    Measured: a call of a convolution costs as much as `_CALL` multiplications, an entry of the matrix
    as much as `_FILL`, and fewer channels than `_LANES` (outputs, inputs) as much as these.
    """
    samples, pixels = inputs[0], outputs[2:].numel()
    matrix = inputs[1:].numel() * outputs[1:].numel()
    filters = max(weight[0], _LANES[0]) * max(weight[1], _LANES[1]) * weight[2:].numel()
    return matrix * (samples + _FILL) < _CALL + samples * pixels * filters


def _taps(inputs: torch.Size, kernel: torch.Size, *settings: object) -> Float[Tensor, "positions outputs inputs"]:
    """What each position of the filter, alone, makes of each pixel, alone."""
    pixels, positions = inputs.numel(), kernel.numel()
    images = torch.eye(pixels).view(pixels, 1, *inputs)
    moved = F.conv2d(images, torch.eye(positions).view(positions, 1, *kernel), None, *settings)
    return moved.flatten(2).permute(1, 2, 0).contiguous()
