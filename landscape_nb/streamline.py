"""An objective with convolutions made faster, its values the same: recorded calls are replayed with batch
norm folded into convolutions, 3×3 ones in tiles, on images laid out and batched as the processor likes.

With frozen statistics batch norm is the map γ (y − mean) / √(var + ε) + β of each channel. After a
convolution or a linear map y = W x + b both are one map, with weights s W and bias s (b − mean) + β,
where s = γ / √(var + ε): one pass over memory less.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape_nb.batches import Batches, is_pair
from landscape_nb.blocked import in_blocks
from landscape_nb.objective import Objective
from landscape_nb.program import (
    CONVOLUTIONS,
    MAKERS,
    RELUS,
    SUMS,
    Call,
    FrozenNorm,
    Program,
    Slot,
    State,
    UnreplayableError,
    Weight,
    frozen_norm,
    record,
)
from landscape_nb.rng import preserved_rng
from landscape_nb.tiled import MappedFilters, in_tiles

_CACHE = {torch.channels_last: 4 * 2**20, torch.contiguous_format: 2 * 2**20}
"""Bytes that a convolution may read and write; measured to be fastest, with either layout."""
_SMALLEST_CHANNELS_LAST = 16 * 16
_ENLARGED = 1000
_OVERFLOWS = "activations overflow"


class Streamlined(Objective):
    """An objective that replays its model's calls; its values are to be compared with the plain ones.

    Args:
        objective: What is measured: convolutions on pairs of tensors, with frozen batch norm.
        differentiable: Leave the batches as they are, instead of making them fit the processor's cache,
            and use nothing but what torch can differentiate twice.
        tiles: Compute 3×3 convolutions in tiles, where this processor can.

    Raises:
        UnreplayableError: The model has no convolution, or its calls cannot be recorded.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        >>> objective = Objective(model, (torch.randn(8, 1, 25, 25), torch.zeros(8, dtype=torch.long)))
        >>> faster = Streamlined(objective)
        >>> [call.function.__name__ for program in faster.programs.values() for call in program.calls]
        ['conv2d', 'flatten']
    """

    def __init__(self, objective: Objective, differentiable: bool = False, tiles: bool = True):
        if objective.batch_norm != "frozen" or objective.fragile:
            raise UnreplayableError("batch norm is recalibrated, or the model changes what it is given")
        batches = [batch for group in objective.groups.values() for batch in group.batches]
        if objective.forward or not all(is_pair(b) and isinstance(b[0], Tensor) for b in batches):
            raise UnreplayableError("the data are no pairs of tensors")
        self.__dict__.update(objective.__dict__)
        self.plain = objective
        images = batches[0][0]
        self.folds: dict[str, _Fold] = {}
        self.filters: dict[str, MappedFilters] = {}
        self.programs: dict[torch.Size, Program] = {}
        self.in_plain: dict[torch.Size, Program] = {}
        first = self._folded(images)
        if not first.busiest:
            raise UnreplayableError("no convolutions")
        if tiles and not differentiable:
            self._in_tiles(first)
        large = images.ndim == 4 and images[0, 0].numel() >= _SMALLEST_CHANNELS_LAST
        self.layout = torch.channels_last if large or self.filters else torch.contiguous_format
        self.blocked = self.layout is torch.contiguous_format and not differentiable and _has_blocks(images)
        if all(objective.sample_measures.values()) and not differentiable:
            size = max(1, _CACHE[self.layout] * len(images) // first.busiest)
            self.groups = {name: group.rearranged(size, self.layout) for name, group in self.groups.items()}
            self.data = self.groups[""]
        self.probe = _brightest(batch[0] for batch in batches if batch[0].shape[1:] == images.shape[1:]) * _ENLARGED
        self._record()

    def _record(self) -> None:
        """Make programs for the shapes of all batches."""
        for group in self.groups.values():
            for inputs, _ in group.batches:
                if inputs.shape not in self.programs:
                    folded = self._folded(inputs)
                    self.in_plain[inputs.shape] = in_plain = _in_place(folded)
                    tiled = _in_place(self._in_tiles(folded)) if self.filters else in_plain
                    self.programs[inputs.shape] = in_blocks(in_plain) if self.blocked else tiled
        if self._may_hide_overflow and self.probe.shape not in self.in_plain:
            self.in_plain[self.probe.shape] = _in_place(self._folded(self.probe))
        self.laid_out = {
            name for program in self.programs.values() for call in program.calls for name in call.weights()
        }

    @property
    def _may_hide_overflow(self) -> bool:
        """Whether numbers near the largest may be treated otherwise than torch does."""
        return self.blocked or bool(self.filters)

    def _folded(self, inputs: Tensor) -> Program:
        return _folded(_recorded(self.plain, inputs), self.folds)

    def _in_tiles(self, program: Program) -> Program:
        return in_tiles(program, self._with_folds(self.plain.state()), self.filters)

    def _with_folds(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        for fold in self.folds.values():
            state |= fold(state)
        return state

    def with_data(self, data: Batches) -> "Streamlined":
        """The same objective on these batches alone, without extra data."""
        other = super().with_data(data)
        other.folds, other.filters = dict(self.folds), dict(self.filters)
        other.programs, other.in_plain = dict(self.programs), dict(self.in_plain)
        other._record()
        return other

    def state(self, *args, **kwargs) -> dict[str, Tensor]:
        """Parameters and buffers at a point, and what is made from them."""
        state = self._with_folds(super().state(*args, **kwargs))
        for filters in self.filters.values():
            state |= filters(state)
        if self._may_hide_overflow and self._overflows(state):
            state[_OVERFLOWS] = torch.tensor(True)
        if self.layout is torch.channels_last:
            for name in self.laid_out:
                if state[name].ndim == 4:
                    state[name] = state[name].contiguous(memory_format=self.layout)
        return state

    def outputs(self, state: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        """The model's outputs for a batch."""
        programs = self.in_plain if _OVERFLOWS in state else self.programs
        return programs[batch[0].shape](state, batch[0])

    def _overflows(self, state: dict[str, Tensor]) -> bool:
        """Whether the brightest image, a thousand times brighter, leaves the range of numbers, so that others may.

        In blocks, oneDNN's ReLU makes 0 of NaN: a network that overflows would seem to answer.
        """
        with torch.no_grad():
            return not torch.isfinite(self.in_plain[self.probe.shape](state, self.probe)).all()


def _brightest(batches: Iterable[Tensor]) -> Tensor:
    """The image with the largest entries, as a batch of one."""
    images = torch.cat(list(batches))
    return images[images.flatten(1).abs().amax(1).argmax()][None]


def _has_blocks(images: Tensor) -> bool:
    """Whether oneDNN can lay out these images in blocks."""
    return torch.backends.mkldnn.is_available() and images.dtype is torch.float32 and images.device.type == "cpu"


@dataclass(frozen=True)
class _Fold:
    """Makes the weight and bias that a layer and the batch norm after it have together."""

    weight: str
    bias: str | None
    norm: FrozenNorm

    @property
    def key(self) -> str:
        return f"{self.weight} and {self.bias} with {tuple(self.norm)}"

    def __call__(self, state: State) -> dict[str, Tensor]:
        weight, mean, norm = state[self.weight], state[self.norm.mean], self.norm
        scale = torch.rsqrt(state[norm.variance] + norm.eps)
        scale = scale * state[norm.gamma] if norm.gamma else scale
        shift = state[self.bias] - mean if self.bias else -mean
        bias = torch.addcmul(state[norm.beta], shift, scale) if norm.beta else shift * scale
        return {f"{self.key}: weight": weight * scale.view(-1, *[1] * (weight.ndim - 1)), f"{self.key}: bias": bias}


def _recorded(objective: Objective, inputs: Tensor) -> Program:
    state = objective.state()
    with torch.no_grad(), preserved_rng():
        return record(lambda x: objective.outputs(state, (x, None)), state, inputs)


def _folded(program: Program, folds: dict[str, _Fold]) -> Program:
    """The program with batch norm folded; what it folds is added to `folds`."""
    uses, calls = program.uses(), list(program.calls)
    made_by: dict[int, int] = {}
    for at, call in enumerate(program.calls):
        own = [slot for slot in call.reads() if uses[slot] == 1 and slot in made_by]
        maker = calls[made_by[own[0]]] if own else None
        follows = maker and call.args[:1] == (maker.result,) and _has_channels_second(maker, program.shapes)
        if follows and (fold := _fold(maker, call)):
            folds[fold.key] = fold
            arguments = Weight(f"{fold.key}: weight"), Weight(f"{fold.key}: bias"), *maker.args[3:]
            calls[made_by[own[0]]] = replace(maker, args=(maker.args[0], *arguments), result=call.result)
            calls[at] = None
            made_by[call.result.number] = made_by[own[0]]
        elif call.function in MAKERS:
            made_by[call.result.number] = at
    return Program([call for call in calls if call], program.output, program.shapes, program.busiest)


def _in_place(program: Program) -> Program:
    """The program with ReLUs and sums written over what nobody else reads."""
    uses, made, calls = program.uses(), set(), []
    for call in program.calls:
        own = [slot for slot in call.reads() if uses[slot] == 1 and slot in made]
        calls.append(_overwriting(call, own[0], program.shapes) if own else call)
        if call.function in MAKERS:
            made.add(call.result.number)
    return Program(calls, program.output, program.shapes, program.busiest)


def _overwriting(call: Call, own: int, shapes: Mapping[int, torch.Size]) -> Call:
    """The call, writing into the slot that nobody else reads, if it is a ReLU or a sum of two of one shape."""
    if call.function in RELUS:
        return Call(torch.relu_, (Slot(own),), {}, call.result)
    slots = call.reads()
    if call.function not in SUMS & MAKERS or call.kwargs or [shapes[slot] for slot in slots] != [shapes[own]] * 2:
        return call
    (other,) = (slot for slot in slots if slot != own)
    return Call(Tensor.add_, (Slot(own), Slot(other)), {}, call.result)


def _has_channels_second(layer: Call, shapes: Mapping[int, torch.Size]) -> bool:
    """Whether what a layer makes is what batch norm takes for channels: a linear map of sequences has them last."""
    return layer.function is not F.linear or len(shapes[layer.result.number]) == 2


def _fold(layer: Call, call: Call) -> _Fold | None:
    """What a layer and the call after it fold into, if that is batch norm with frozen statistics."""
    norm = frozen_norm(call)
    if norm is None or layer.function not in {*CONVOLUTIONS, F.linear} or layer.kwargs or len(layer.args) < 2:
        return None
    weight, bias = (*layer.args, None)[1:3]
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Weight)):
        return None
    return _Fold(weight.name, bias.name if bias else None, norm)
