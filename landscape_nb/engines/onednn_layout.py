"""Small images laid out as oneDNN likes them, the library that torch convolves with: channels in blocks of 16.

Given plain images, a convolution arranges them anew and gives plain ones back, which on small images takes
as long as convolving. From one convolution to the next they may stay in blocks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape_nb.engines.graph import MAKERS, RELUS, SUMS, Call, Program, Slot

_CHANNELS = 16
_LAYERS = """conv1d conv2d conv_transpose2d linear batch_norm group_norm layer_norm instance_norm dropout dropout2d
    relu relu_ relu6 leaky_relu prelu elu gelu silu hardtanh hardswish hardsigmoid sigmoid tanh softmax clamp clamp_
    max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d interpolate pixel_shuffle pixel_unshuffle pad"""
_TENSORS = """add add_ __add__ __iadd__ sub __sub__ mul mul_ __mul__ __imul__ mean sum max amax cat stack chunk split
    flatten view reshape squeeze unsqueeze permute transpose contiguous __getitem__"""
_FINITE = {
    getattr(home, name)
    for home in (F, torch, Tensor)
    for name in f"{_LAYERS} {_TENSORS}".split()
    if hasattr(home, name)
}
"""Functions that make NaN of nothing finite."""


def in_blocks(program: Program) -> Program:
    """The program with convolutions, ReLUs and sums between them on images in blocks.

    A program whose model changes tensors that it also reads in between is returned as it is, and one that
    may divide by zero before a ReLU: oneDNN's makes 0 of NaN.

    Example:
        >>> from landscape_nb.engines.graph import Weight
        >>> convolution = Call(F.conv2d, (Slot(0), Weight("w")), {}, Slot(1))
        >>> program = Program([convolution], 1, {0: torch.Size([1, 3, 8, 8]), 1: torch.Size([1, 16, 6, 6])})
        >>> [call.function.__name__ for call in in_blocks(program).calls]
        ['laid_out', 'conv2d', 'plain']
    """
    return _Rewriter(program).program() if _copies_stay_true(program) and _stays_finite(program) else program


def laid_out(images: Tensor) -> Tensor:
    """The images in blocks, if they are of single precision: oneDNN has other calls for others."""
    return images.to_mkldnn() if images.dtype is torch.float32 else images


def plain(images: Tensor) -> Tensor:
    """The images as torch's other functions want them."""
    return images.to_dense() if images.is_mkldnn else images


class _Rewriter:
    """Goes through the calls and converts a slot where the next call wants it otherwise."""

    def __init__(self, program: Program):
        self.source = program
        self.shapes = dict(program.shapes)
        self.calls: list[Call] = []
        self.places: dict[int, dict[bool, int]] = {slot: {False: slot} for slot in program.shapes}

    def program(self) -> Program:
        for call in self.source.calls:
            blocks = self._takes_blocks(call)
            slots = {number: self._converted(number, blocks) for number in call.reads()}
            self.calls.append(call.reading(slots))
            self.places |= {number: {blocks: number} for number in call.writes()}
        output = self._converted(self.source.output, False)
        return Program(self.calls, output, self.shapes, self.source.busiest)

    def _takes_blocks(self, call: Call) -> bool:
        """Whether to give this call blocks: a convolution that fills them, ReLUs and sums of what is in them."""
        if call.function is F.conv2d:
            wide = self.shapes[call.writes()[0]][1] >= _CHANNELS
            return wide and len(call.reads()) == 1 and not any(isinstance(argument, str) for argument in call.args)
        if call.function not in RELUS | SUMS or not all(True in self.places[slot] for slot in call.reads()):
            return False
        shapes = {self.shapes[slot] for slot in (*call.reads(), *call.writes())}
        return len(shapes) == 1 and (call.function in RELUS or len(call.reads()) == 2)

    def _converted(self, number: int, blocks: bool) -> int:
        """The slot that has this one's values in blocks, or plain; made once."""
        places = self.places[number]
        if blocks not in places:
            places[blocks] = len(self.shapes)
            self.shapes[places[blocks]] = self.shapes[number]
            self.calls.append(Call(laid_out if blocks else plain, (Slot(number),), {}, Slot(places[blocks])))
        return places[blocks]


def _stays_finite(program: Program) -> bool:
    """Whether no call before the last ReLU makes NaN of finite numbers."""
    last = max((at for at, call in enumerate(program.calls) if call.function in RELUS), default=0)
    return all(call.function in _FINITE for call in program.calls[:last])


def _copies_stay_true(program: Program) -> bool:
    """Whether what is written again is no part of another tensor, and read by its writers alone until the last time."""
    writers: dict[int, list[int]] = {}
    for at, call in enumerate(program.calls):
        for slot in call.writes():
            writers.setdefault(slot, []).append(at)
    again = {slot: times for slot, times in writers.items() if len(times) > 1}
    if any(program.calls[times[0]].function not in MAKERS for times in again.values()):
        return False
    early = [(at, slot) for at, call in enumerate(program.calls) for slot in call.reads() if slot in again]
    return all(at in again[slot] or at > again[slot][-1] for at, slot in early)
