"""A program whose 3×3 convolutions are computed in tiles, each with the sum and the ReLU that follow it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from landscape_nb._common.compat import inner_adaptive_avg_pool2d
from landscape_nb.engines.graph import MAKERS, RELUS, SUMS, Call, Program, Slot, Weight
from landscape_nb.engines.winograd.convolution import Convolution, mapped_filters
from landscape_nb.engines.winograd.kernel import fewest_products, tiles_of
from landscape_nb.objective.forward import State

_CONV2D_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_CONV2D_DEFAULTS = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_PADDINGS = {"same": 1, "valid": 0}
_PAIRS_A_TILE = 256
"""Mapping the filters of so many pairs of channels takes about the time that one tile of them saves."""
_COPYING = {
    *MAKERS, torch.mean, Tensor.mean, F.adaptive_avg_pool2d, inner_adaptive_avg_pool2d, F.avg_pool2d,
    F.max_pool2d, torch.max_pool2d,
}  # fmt: skip


@dataclass(frozen=True)
class MappedFilters:
    """Maps a convolution's filters to what tiles are multiplied with."""

    weight: str
    products: int

    @property
    def key(self) -> str:
        """The name in a state."""
        return f"{self.weight}: for {self.products}² products"

    def __call__(self, state: State) -> dict[str, Float[Tensor, "products inputs outputs"]]:
        """What `mapped_filters` makes of the weight, by name."""
        return {self.key: mapped_filters(state[self.weight], self.products)}


def in_tiles(program: Program, weights: State, filters: dict[str, MappedFilters], samples: int) -> Program:
    """The program with 3×3 convolutions in tiles, where this processor can and it is worth it.

    Args:
        program: Calls on images of single precision.
        weights: The parameters and buffers, or others of their shapes.
        filters: Maps of filters that the program needs are added here.
        samples: How many images are convolved with the same weights: mapping many filters does not pay for few images.

    Example:
        >>> convolution = Call(F.conv2d, (Slot(0), Weight("w"), None, 1, 1), {}, Slot(1))
        >>> relu = Call(torch.relu, (Slot(1),), {}, Slot(2))
        >>> program = Program([convolution, relu], 2, dict.fromkeys(range(3), torch.Size([1, 16, 8, 8])))
        >>> tiled = in_tiles(program, {"w": torch.zeros(16, 16, 3, 3)}, {}, samples=9)
        >>> len(tiled.calls) if Convolution.takes(torch.zeros(16, 16, 3, 3)) else 1
        1
    """
    # A convolution takes in the sum and the ReLU that follow it one at a time, and moves to the place of the one it
    # took in last: later, not earlier, for the other summand may be computed in between. It goes wrong if what the
    # convolution reads is overwritten in between, or if anybody else sees the result before the sum: `_taker` looks.
    calls: list[Call | None] = list(program.calls)
    uses = program.uses()
    for start, call in enumerate(program.calls):
        tiled, at = _tiled(call, program.shapes, weights, filters, samples), start
        if not tiled:
            continue
        while (
            (taker := _taker(calls, program.calls[at], at, uses))
            and (follower := calls[taker])
            and (joined := _joined(tiled, follower, program.shapes))
        ):
            calls[at], tiled, at = None, joined, taker
        calls[at] = tiled
    return _with_buffers(program.with_calls(filter(None, calls)))


# As a compiler assigns registers: in the order of the calls, each result gets the first buffer in which nothing is
# still to be read. A call's images are still read while it writes, and a tile reads pixels that neighbouring tiles
# also need: their buffer is never the one written to. What is added is read pixel by pixel just before the same pixel
# is written: if this call is its last reader, its buffer is used again. It would go wrong for a result that is read
# by other ways than the calls that name it: as the program's output, or through a view that some call returns.
# Only functions known to copy may read a result in a buffer; other results get new memory.
def _with_buffers(program: Program) -> Program:
    """The program with the results of convolutions in as few buffers as possible."""
    readers: dict[int, list[int]] = defaultdict(list)
    for at, call in enumerate(program.calls):
        for slot in call.reads():
            readers[slot].append(at)
    buffers: dict[int, int] = {}
    calls = list(program.calls)
    for at, call in enumerate(program.calls):
        if not isinstance(call.function, Convolution):
            continue
        result, (images, *_, added) = call.result.number, call.args
        if result == program.output or not all(_copies(program.calls[reader]) for reader in readers[result]):
            continue
        taken = {buffer for slot, buffer in buffers.items() if max(readers[slot], default=-1) >= at}
        if added and added != images and readers[added.number][-1] == at:
            taken.discard(buffers.get(added.number))
        buffers[result] = next(buffer for buffer in count() if buffer not in taken)
        calls[at] = replace(call, function=replace(call.function, buffer=buffers[result]))
    return program.with_calls(calls)


def _copies(call: Call) -> bool:
    """Whether a call's result shares no memory with what it reads."""
    return call.function in _COPYING or isinstance(call.function, Convolution)


def _tiled(
    call: Call, shapes: Mapping[int, torch.Size], weights: State, filters: dict[str, MappedFilters], samples: int
) -> Call | None:
    """The same convolution in tiles, if it can be."""
    if call.function is not F.conv2d:
        return None
    given: dict[str, Any] = {**_CONV2D_DEFAULTS, **dict(zip(_CONV2D_ARGUMENTS, call.args, strict=False)), **call.kwargs}
    images, weight, bias = given["input"], given["weight"], given["bias"]
    if not isinstance(images, Slot) or not isinstance(weight, Weight) or not isinstance(bias, Weight | None):
        return None
    if any(_pair(given[name]) != (1, 1) for name in ("stride", "dilation", "groups")):
        return None
    if len(shapes[images.number]) != 4 or not Convolution.takes(weights[weight.name]):
        return None
    padding = given["padding"]
    padding = _pair(_PADDINGS[padding] if isinstance(padding, str) else padding)
    rows, columns = shapes[call.result.number][2:]
    mapped = MappedFilters(weight.name, fewest_products(rows, columns, padding))
    pairs = weights[weight.name].shape[:2].numel()
    if samples * tiles_of(rows, columns, mapped.products) * _PAIRS_A_TILE < pairs:
        return None
    filters[mapped.key] = mapped
    return Call(Convolution(mapped.products, padding), (images, Weight(mapped.key), bias, None), {}, call.result)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A number for both directions, or two of them or a list of one, as torch understands them."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers[0], numbers[-1]


def _taker(calls: Sequence[Call | None], made: Call, at: int, uses: Mapping[int, int]) -> int | None:
    """The number of the call that reads what another made, if it is the only one and nothing is overwritten before it.

    A call in place reads the result and writes it: those that come after it see what it wrote.
    """
    (result,) = made.writes()
    for later in range(at + 1, len(calls)):
        call = calls[later]
        if call and result in call.reads():
            return later if uses[result] == 1 or result in call.writes() else None
        if call and _overwrites(call):
            return None
    return None


def _overwrites(call: Call) -> bool:
    """Whether a call writes in place: it returns a tensor that it was given."""
    return not set(call.reads()).isdisjoint(call.writes())


def _joined(tiled: Call, follower: Call, shapes: Mapping[int, torch.Size]) -> Call | None:
    """A convolution in tiles and its follower as one call, if that is a ReLU or a sum with images of the same shape.

    A sum after the ReLU is left alone, as the kernel adds first; and so is one in place in the other summand, which
    may be read under its own name later.
    """
    (result,), convolution = tiled.writes(), tiled.function
    if not isinstance(convolution, Convolution) or convolution.relu or isinstance(follower.function, Convolution):
        return None
    if follower.function in RELUS:
        return replace(tiled, function=replace(convolution, relu=True), result=follower.result)
    others = [slot for slot in follower.reads() if slot != result]
    is_sum = follower.function in SUMS and len(follower.args) == 2 and not follower.kwargs and len(others) == 1
    if not is_sum or tiled.args[3] or follower.writes() == others or shapes[others[0]] != shapes[result]:
        return None
    return replace(tiled, args=(*tiled.args[:3], Slot(others[0])), result=follower.result)
