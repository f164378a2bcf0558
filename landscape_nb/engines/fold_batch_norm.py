"""Programs with batch norm folded into the layers before it, and with ReLUs and sums in place.

With frozen statistics batch norm is the map γ (y − mean) / √(var + ε) + β of each channel. After a
convolution or a linear map y = W x + b both are one map, with weights s W and bias s (b − mean) + β,
where s = γ / √(var + ε): one pass over memory less.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape_nb.engines.graph import (
    CONVOLUTIONS,
    MAKERS,
    RELUS,
    SUMS,
    Call,
    FrozenNorm,
    Program,
    Slot,
    State,
    Weight,
    frozen_norm,
)


@dataclass(frozen=True)
class Fold:
    """Makes the weight and bias that a layer and the batch norm after it have together."""

    weight: str
    bias: str | None
    norm: FrozenNorm

    @property
    def key(self) -> str:
        """What the names of its tensors in a state begin with."""
        return f"{self.weight} and {self.bias} with {tuple(self.norm)}"

    def __call__(self, state: State) -> dict[str, Tensor]:
        """The weight and the bias, by name."""
        weight, mean, norm = state[self.weight], state[self.norm.mean], self.norm
        scale = torch.rsqrt(state[norm.variance] + norm.eps)
        scale = scale * state[norm.gamma] if norm.gamma else scale
        shift = state[self.bias] - mean if self.bias else -mean
        bias = torch.addcmul(state[norm.beta], shift, scale) if norm.beta else shift * scale
        return {f"{self.key}: weight": weight * scale.view(-1, *[1] * (weight.ndim - 1)), f"{self.key}: bias": bias}


# The layer then gives what batch norm gave, and no call makes its own result any more. So batch norm has to be the only
# one that reads that: a shortcut that leaves between the two would ask for what is not there. What the model returns
# counts as read, too (`Program.uses`). Where a view or another call stands between the two, batch norm stays as it is.
def folded(program: Program, folds: dict[str, Fold]) -> Program:
    """The program with batch norm folded; what it folds is added to `folds`."""
    uses = program.uses()
    calls: list[Call | None] = list(program.calls)
    made_by: dict[int, int] = {}
    for at, call in enumerate(program.calls):
        own = [slot for slot in call.reads() if uses[slot] == 1 and slot in made_by]
        maker = calls[made_by[own[0]]] if own else None
        if maker and _follows(call, maker, program.shapes) and (fold := _fold(maker, call)):
            folds[fold.key] = fold
            arguments = Weight(f"{fold.key}: weight"), Weight(f"{fold.key}: bias"), *maker.args[3:]
            calls[made_by[own[0]]] = replace(maker, args=(maker.args[0], *arguments), result=call.result)
            calls[at] = None
            made_by[call.result.number] = made_by[own[0]]
        elif call.function in MAKERS:
            made_by[call.result.number] = at
    return program.with_calls(filter(None, calls))


# Writing over the input saves new memory and a pass over it. What is overwritten has to have one reader, this call,
# and memory of its own: a view shares its memory with a tensor that others may still read, so that only the results
# of `MAKERS` qualify. The model's input is not among them, nor are weights. A sum needs two summands of one shape,
# for what a broadcast gives would not fit. A call that is wrongly listed in `MAKERS` would spoil results unseen,
# unless a trial's values show it.
def in_place(program: Program) -> Program:
    """The program with ReLUs and sums written over what nobody else reads."""
    uses, made, calls = program.uses(), set(), []
    for call in program.calls:
        own = [slot for slot in call.reads() if uses[slot] == 1 and slot in made]
        calls.append(_overwriting(call, own[0], program.shapes) if own else call)
        if call.function in MAKERS:
            made.add(call.result.number)
    return program.with_calls(calls)


def _overwriting(call: Call, own: int, shapes: Mapping[int, torch.Size]) -> Call:
    """The call, writing into the slot that nobody else reads, if it is a ReLU or a sum of two of one shape."""
    if call.function in RELUS:
        return Call(torch.relu_, (Slot(own),), {}, call.result)
    slots = call.reads()
    if call.function not in SUMS & MAKERS or call.kwargs or [shapes[slot] for slot in slots] != [shapes[own]] * 2:
        return call
    (other,) = (slot for slot in slots if slot != own)
    return Call(Tensor.add_, (Slot(own), Slot(other)), {}, call.result)


def _follows(call: Call, layer: Call, shapes: Mapping[int, torch.Size]) -> bool:
    """Whether a call normalizes a layer's channels, the second dimension: a linear map of sequences has them last."""
    channels_second = layer.function is not F.linear or len(shapes[layer.result.number]) == 2
    return call.args[:1] == (layer.result,) and channels_second


def _fold(layer: Call, call: Call) -> Fold | None:
    """What a layer and the call after it fold into, if that is batch norm with frozen statistics."""
    norm = frozen_norm(call)
    if norm is None or layer.function not in {*CONVOLUTIONS, F.linear} or layer.kwargs or len(layer.args) < 2:
        return None
    weight, bias = (*layer.args, None)[1:3]
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Weight)):
        return None
    return Fold(weight.name, bias.name if bias else None, norm)
