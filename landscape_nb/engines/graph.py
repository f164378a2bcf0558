"""A model as the list of torch functions that it calls: recorded once, replayed at other weights.

Replaying skips what Python does in a forward pass, and knows what comes next: which result nobody needs
again, which batch norm follows which convolution. A model whose calls may depend on its weights (it looks
at a value, draws random numbers, leaves torch) is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from landscape_nb._common.compat import tree_leaves, tree_map
from landscape_nb._common.foreign import marking_foreign
from landscape_nb.engines.faults import InapplicableError
from landscape_nb.objective.forward import State

CONVOLUTIONS = {F.conv1d, F.conv2d, F.conv3d}
RELUS = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
SUMS = {torch.add, Tensor.add, Tensor.__add__, Tensor.add_, Tensor.__iadd__}
MAKERS = {*CONVOLUTIONS, F.linear, F.batch_norm, torch.add, Tensor.add, Tensor.__add__}
"""Functions whose result is not part of another tensor."""
_PROPERTIES = [
    getattr(Tensor, name).__get__
    for name in ("shape", "ndim", "dtype", "device", "requires_grad", "is_cuda", "layout", "is_sparse")
]
_SHAPE_QUERIES = {
    Tensor.size, Tensor.dim, Tensor.numel, Tensor.__len__, Tensor.is_floating_point, Tensor.is_contiguous,
    torch.is_floating_point, torch.numel, *_PROPERTIES,
}  # fmt: skip
_SIZED_BY_VALUES = {
    torch.nonzero, Tensor.nonzero, torch.argwhere, Tensor.argwhere, torch.masked_select, Tensor.masked_select,
    torch.unique, Tensor.unique, torch.unique_consecutive, Tensor.unique_consecutive,
}  # fmt: skip


class UnreplayableError(InapplicableError):
    """A model's calls are not a fixed list of torch functions; the message says why."""


@dataclass(frozen=True)
class Weight:
    """Stands for a parameter or buffer in a call's arguments."""

    name: str


@dataclass(frozen=True)
class Slot:
    """Stands for the input (slot 0) or a call's result in another call's arguments."""

    number: int


@dataclass(frozen=True)
class Call:
    """A torch function, its arguments, and where its result goes (a tree of slots, like the result)."""

    function: Callable
    args: tuple
    kwargs: Mapping[str, Any]
    result: Any

    def reads(self) -> list[int]:
        """The slots among the arguments, each as often as it is there."""
        return [leaf.number for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Slot)]

    def writes(self) -> list[int]:
        """The slots that the result goes to."""
        return [leaf.number for leaf in tree_leaves(self.result) if isinstance(leaf, Slot)]

    def reading(self, slots: Mapping[int, int]) -> "Call":
        """The same call with other slots among the arguments, by number."""
        arguments = self.args, dict(self.kwargs)
        args, kwargs = tree_map(lambda leaf: Slot(slots[leaf.number]) if isinstance(leaf, Slot) else leaf, arguments)
        return replace(self, args=args, kwargs=kwargs)

    def weights(self) -> list[str]:
        """The parameters and buffers among the arguments."""
        return [leaf.name for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Weight)]


class Program:
    """Calls in order, and the slot of the outputs.

    Args:
        calls: The calls. Slot 0 is the model's input.
        output: The slot that holds the model's outputs in the end.
        shapes: The shapes of slots, as recorded.
        busiest: Bytes that the convolution with the largest images reads and writes; 0 without any.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
        >>> state = dict(model.named_parameters())
        >>> program = record(lambda x: torch.func.functional_call(model, state, (x,)), state, torch.ones(3, 2))
        >>> [call.function.__name__ for call in program.calls]
        ['linear', 'relu']
        >>> program({"0.weight": torch.ones(1, 2), "0.bias": torch.ones(1)}, torch.ones(1, 2)).item()
        3.0
    """

    def __init__(
        self, calls: Iterable[Call], output: int, shapes: Mapping[int, torch.Size] | None = None, busiest: int = 0
    ):
        self.calls, self.output, self.shapes, self.busiest = list(calls), output, shapes or {}, busiest
        self._replay = _compiled(self.calls, output)

    def __call__(self, state: State, inputs: Tensor) -> Tensor:
        """The outputs for an input of the recorded shape, with these parameters and buffers."""
        return self._replay(state, inputs)

    def with_calls(self, calls: Iterable[Call]) -> "Program":
        """Other calls that give the same outputs."""
        return Program(calls, self.output, self.shapes, self.busiest)

    def uses(self) -> Counter[int]:
        """How often each slot is an argument; being the outputs counts too."""
        return Counter(slot for call in self.calls for slot in call.reads()) + Counter([self.output])


# Between the calls of a small network every look-up counts. In a function made by `exec` results are local variables,
# and no table of slots is searched. `del` after a result's last use lets the next one have its memory, which is still
# in the cache; a result that nobody reads is dropped, too. The code consists of numbered names and of parameters'
# names as `repr` writes them, so that nothing in a model can become code. A result is lost too early if a call reads
# it in a way that `Call.reads` does not list: `_code` refuses containers that it does not know.
def _compiled(calls: Sequence[Call], output: int) -> Callable[[State, Tensor], Tensor]:
    """The calls as one Python function, which drops each result after its last use."""
    last = {slot: number for number, call in enumerate(calls) for slot in (*call.reads(), *call.writes())}
    names: dict[str, Any] = {"leaves": tree_leaves}
    lines = ["def replay(state, x0):"]
    for number, call in enumerate(calls):
        lines.append(f"    {_statement(call, names)}")
        lines += [f"    del x{slot}" for slot, at in last.items() if at == number and slot != output]
    exec("\n".join([*lines, f"    return x{output}"]), names)
    return names.pop("replay")  # a function among its own globals lives, with all prepared weights, until a collection


def _statement(call: Call, names: dict[str, Any]) -> str:
    """A call as Python code; functions and constants in it go into `names`."""
    arguments = [_code(part, names) for part in call.args]
    arguments += [f"{name}={_code(part, names)}" for name, part in call.kwargs.items()]
    code = f"{_code(call.function, names)}({', '.join(arguments)})"
    if isinstance(call.result, Slot):
        return f"x{call.result.number} = {code}"
    return f"[{', '.join(f'x{slot}' for slot in call.writes())}] = leaves({code})"


def _code(value: Any, names: dict[str, Any]) -> str:
    if isinstance(value, Slot):
        return f"x{value.number}"
    if isinstance(value, Weight):
        return f"state[{value.name!r}]"
    if not any(isinstance(leaf, Slot | Weight) for leaf in tree_leaves(value)):
        names[f"constant_{len(names)}"] = value
        return f"constant_{len(names) - 1}"
    if type(value) not in (tuple, list):
        raise UnreplayableError(f"a {type(value).__name__} of tensors is an argument")
    code = "".join(f"{_code(part, names)}, " for part in value)
    return f"({code})" if type(value) is tuple else f"[{code}]"


def record(run: Callable[[Tensor], Tensor], state: State, inputs: Tensor) -> Program:
    """The calls that a model makes on an input.

    Args:
        run: From the input to the model's outputs, with the parameters and buffers of `state`.
        state: Those tensors, by name.
        inputs: The input; the program holds for inputs of its shape.

    Raises:
        UnreplayableError: The model looks at values, draws random numbers, or uses tensors that are
            neither its state, its input, nor made from these by torch functions.
    """
    recorder, drawn = _Recorder(state, inputs), torch.get_rng_state()
    with recorder:
        outputs = run(inputs)
    if not torch.equal(drawn, torch.get_rng_state()):
        raise UnreplayableError("the model draws random numbers")
    if not isinstance(outputs, Tensor) or outputs not in recorder.known:
        raise UnreplayableError("the outputs are not a tensor that torch functions made")
    slot = recorder.known[outputs]
    if not isinstance(slot, Slot):
        raise UnreplayableError("the outputs are a parameter")
    return Program(recorder.calls, slot.number, recorder.shapes, recorder.busiest)


# Tensors are known as objects, in a dictionary with weak keys. Strong keys would keep all activations of the pass
# alive. Ids instead would be wrong: a freed tensor's id is given to a later one, and a call would read what another
# call made. A tensor that is in no slot was not made by a recorded call, and is refused. What goes wrong unseen is a
# write that does not pass through torch's functions, as an extension's to an address: only the trial finds that
# (`choose`).
class _Recorder(TorchFunctionMode):
    """Writes down the torch functions that are called. It holds no result alive."""

    def __init__(self, state: State, inputs: Tensor):
        super().__init__()
        self.calls: list[Call] = []
        self.known: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.shapes, self.busiest = {0: inputs.shape}, 0
        self.known[inputs] = Slot(0)
        for name, tensor in state.items():
            self.known[tensor] = Weight(name)

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        with marking_foreign(False):
            self._write_down(function, args, kwargs, result)
        return result

    def _write_down(self, function: Callable, args: tuple, kwargs: Mapping, result: Any) -> None:
        if _is_sized_by_values(function, args):
            raise UnreplayableError("the shape of a tensor depends on values")
        if function in _SHAPE_QUERIES:
            return
        leaves = tree_leaves((args, kwargs, result))
        if any(isinstance(leaf, torch.Generator) for leaf in leaves):
            raise UnreplayableError("the model draws random numbers")
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if not tensors:
            return
        if function in CONVOLUTIONS:
            self.busiest = max(self.busiest, sum(tensor.nbytes for tensor in tensors))
        own_args, own_kwargs = tree_map(self._placeholder, (args, dict(kwargs)))
        if not all(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            raise UnreplayableError(f"{getattr(function, '__name__', function)} gives the model a value to look at")
        self.calls.append(Call(function, own_args, own_kwargs, tree_map(self._slot, result)))

    def _placeholder(self, leaf: Any) -> Any:
        if isinstance(leaf, slice) and any(isinstance(end, Tensor) for end in (leaf.start, leaf.stop, leaf.step)):
            raise UnreplayableError("a slice ends where a tensor says")
        if not isinstance(leaf, Tensor):
            return leaf
        if leaf not in self.known:
            raise UnreplayableError(f"a tensor of shape {tuple(leaf.shape)} comes from nowhere")
        return self.known[leaf]

    def _slot(self, result: Tensor) -> Slot | Weight:
        if result not in self.known:
            self.known[result] = Slot(len(self.shapes))
            self.shapes[len(self.shapes)] = result.shape
        if isinstance(self.known[result], Weight):
            raise UnreplayableError("the model changes a parameter or buffer")
        return self.known[result]


def _is_sized_by_values(function: Callable, args: tuple) -> bool:
    """Whether a function gives as many entries as its arguments' values say."""
    if function in (torch.where, Tensor.where):
        return len(args) == 1
    if function in (Tensor.__getitem__, Tensor.__setitem__):
        leaves = tree_leaves(args[1])
        return any(isinstance(leaf, Tensor) and leaf.dtype in (torch.bool, torch.uint8) for leaf in leaves)
    return function in _SIZED_BY_VALUES


class FrozenNorm(NamedTuple):
    """Batch norm with frozen statistics: the names of its tensors, and what is added to the variance."""

    mean: str
    variance: str
    gamma: str | None
    beta: str | None
    eps: float


def frozen_norm(call: Call) -> FrozenNorm | None:
    """What a call of batch norm with frozen statistics uses; None for any other call."""
    if call.function is not F.batch_norm:
        return None
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    said: dict[str, Any] = {"training": False, "eps": 1e-5, **dict(zip(names, call.args, strict=False)), **call.kwargs}
    mean, variance, gamma, beta = (said.get(name) for name in names[1:5])
    if said["training"] or not isinstance(mean, Weight) or not isinstance(variance, Weight):
        return None
    if not isinstance(gamma, Weight | None) or not isinstance(beta, Weight | None):
        return None
    return FrozenNorm(mean.name, variance.name, gamma.name if gamma else None, beta.name if beta else None, said["eps"])
