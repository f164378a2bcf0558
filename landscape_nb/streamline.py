"""An objective with convolutions made faster, its values the same: recorded calls are replayed with batch
norm folded into convolutions and ReLU in place, on images laid out and batched as the processor likes.

With frozen statistics batch norm is the map γ (y − mean) / √(var + ε) + β of each channel. After a
convolution or a linear map y = W x + b both are one map, with weights s W and bias s (b − mean) + β,
where s = γ / √(var + ε): one pass over memory less.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape_nb.batches import Batches, is_pair
from landscape_nb.dense import Dense, densified
from landscape_nb.objective import Objective, preserved_rng
from landscape_nb.program import (
    CONVOLUTIONS,
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

_CACHE = 16 * 2**20
_SMALLEST_CHANNELS_LAST = 16 * 16
_RELU = {F.relu, torch.relu, Tensor.relu}
_MAKES_A_NEW_TENSOR = {*CONVOLUTIONS, F.linear, F.batch_norm, torch.add, Tensor.add, Tensor.__add__}


class Streamlined(Objective):
    """An objective that replays its model's calls; its values are to be compared with the plain ones.

    Args:
        objective: What is measured: convolutions on pairs of tensors, with frozen batch norm.
        keep_batches: Leave the batches as they are, instead of making them fit the processor's cache.

    Raises:
        UnreplayableError: The model has no convolution, or its calls cannot be recorded.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        >>> objective = Objective(model, (torch.randn(8, 1, 25, 25), torch.zeros(8, dtype=torch.long)))
        >>> faster = Streamlined(objective)
        >>> [call.function.__name__ for program in faster.programs.values() for call in program.calls]
        ['conv2d', 'flatten']
    """

    def __init__(self, objective: Objective, keep_batches: bool = False):
        if objective.batch_norm != "frozen":
            raise UnreplayableError("batch norm is recalibrated")
        batches = [batch for group in objective.groups.values() for batch in group.batches]
        if objective.forward or not all(is_pair(b) and isinstance(b[0], Tensor) for b in batches):
            raise UnreplayableError("the data are no pairs of tensors")
        self.__dict__.update(objective.__dict__)
        self.plain = objective
        images = batches[0][0]
        large = images.ndim == 4 and images[0, 0].numel() >= _SMALLEST_CHANNELS_LAST
        self.layout = torch.channels_last if large else torch.contiguous_format
        busiest = _recorded(objective, images).busiest
        if not busiest:
            raise UnreplayableError("no convolutions")
        if all(objective.sample_measures.values()) and not keep_batches:
            size = max(1, _CACHE * len(images) // busiest)
            self.groups = {name: group.rearranged(size, self.layout) for name, group in self.groups.items()}
            self.data = self.groups[""]
        self.folds: dict[str, _Fold] = {}
        self.matrices: dict[str, Dense] = {}
        self.programs: dict[torch.Size, Program] = {}
        self._record()

    def _record(self) -> None:
        """Make programs for the shapes of all batches."""
        for group in self.groups.values():
            for inputs, _ in group.batches:
                if inputs.shape not in self.programs:
                    folded = _folded(_recorded(self.plain, inputs), self.folds)
                    self.programs[inputs.shape] = _densified(folded, self.state(), self.matrices)

    def with_data(self, data: Batches) -> "Streamlined":
        """The same objective on these batches alone, without extra data."""
        other = super().with_data(data)
        other.folds, other.matrices, other.programs = dict(self.folds), dict(self.matrices), dict(self.programs)
        other._record()
        return other

    def state(self, *args, **kwargs) -> dict[str, Tensor]:
        """Parameters and buffers at a point, and what is made from them."""
        state = super().state(*args, **kwargs)
        for made in (*self.folds.values(), *self.matrices.values()):
            state |= made(state)
        if self.layout is torch.contiguous_format:
            return state
        return {
            name: tensor.contiguous(memory_format=self.layout) if tensor.ndim == 4 else tensor
            for name, tensor in state.items()
        }

    def outputs(self, state: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        """The model's outputs for a batch."""
        return self.programs[batch[0].shape](state, batch[0])


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


def _densified(program: Program, state: State, matrices: dict[str, Dense]) -> Program:
    """The program with convolutions of small images as matrix products; the matrices are added to `matrices`."""
    calls = []
    for call in program.calls:
        source, weight = (*call.args, None, None)[:2]
        found = None
        if isinstance(source, Slot) and isinstance(weight, Weight) and isinstance(call.result, Slot):
            shapes = program.shapes[source.number], state[weight.name].shape, program.shapes[call.result.number]
            found = densified(call, *shapes)
        if found:
            matrices[found[0].key] = found[0]
        calls.append(found[1] if found else call)
    return Program(calls, program.output, program.shapes, program.busiest)


def _folded(program: Program, folds: dict[str, _Fold]) -> Program:
    """The program with batch norm folded and ReLU in place; what it folds is added to `folds`."""
    uses = program.uses()
    made_by: dict[int, int] = {}
    calls: list[Call | None] = list(program.calls)
    for at, call in enumerate(calls):
        source = call.args[0] if call.args and isinstance(call.args[0], Slot) else None
        maker = made_by.get(source.number) if source and uses[source.number] == 1 else None
        before = None if maker is None else calls[maker]
        if before and (fold := _fold(before, call)):
            folds[fold.key] = fold
            arguments = Weight(f"{fold.key}: weight"), Weight(f"{fold.key}: bias"), *before.args[3:]
            calls[maker] = replace(before, args=(before.args[0], *arguments), result=call.result)
            calls[at] = None
            made_by[call.result.number] = maker
            continue
        if before and call.function in _RELU and before.function in _MAKES_A_NEW_TENSOR:
            calls[at] = Call(torch.relu_, (source,), {}, call.result)
        if isinstance(call.result, Slot):
            made_by[call.result.number] = at
    return Program([call for call in calls if call], program.output, program.shapes, program.busiest)


def _fold(layer: Call, call: Call) -> _Fold | None:
    """What a layer and the call after it fold into, if that is batch norm with frozen statistics."""
    norm = frozen_norm(call)
    if norm is None or layer.function not in {*CONVOLUTIONS, F.linear} or layer.kwargs or len(layer.args) < 2:
        return None
    weight, bias = (*layer.args, None)[1:3]
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Weight)):
        return None
    return _Fold(weight.name, bias.name if bias else None, norm)
