"""Perceptrons at many points of a line or plane at once.

A net of small linear maps is all overhead and memory traffic. So points share every pass; samples lie
along the last dimension, where scores are compared without strides; and the first layer is multiplied
once: at θ + Σ cᵢ dᵢ it gives W X + Σ cᵢ (Dᵢ X).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from landscape_nb.batches import is_pair
from landscape_nb.objective import Objective
from landscape_nb.parameters import Affine, Params, unflatten
from landscape_nb.program import Call, FrozenNorm, Program, UnreplayableError, Weight, frozen_norm, record
from landscape_nb.rng import preserved_rng
from landscape_nb.sweep import Row

_ENTRIES_AT_ONCE = 800_000
_IN_PLACE = {
    F.relu: torch.relu_, torch.relu: torch.relu_, Tensor.relu: torch.relu_,
    F.tanh: torch.tanh_, torch.tanh: torch.tanh_, Tensor.tanh: torch.tanh_,
    F.sigmoid: torch.sigmoid_, torch.sigmoid: torch.sigmoid_, Tensor.sigmoid: torch.sigmoid_,
}  # fmt: skip
_ELEMENTWISE = {
    F.relu6, F.hardtanh, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.softplus, F.softsign,
    F.hardswish, F.hardsigmoid, F.logsigmoid, torch.sin, torch.relu_, Tensor.relu_,
}  # fmt: skip
Stack = Float[Tensor, "points features samples"]
Layer = Callable[[Stack, Params], Stack]


class Perceptron:
    """Measures a perceptron at several points in one pass.

    Args:
        objective: What is measured: a chain of linear maps and elementwise functions, on pairs of tensors.

    Raises:
        UnreplayableError: The model is no such chain.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        >>> Perceptron(Objective(model, (torch.ones(3, 2), torch.zeros(3, 1)), F.mse_loss)).description
        '32 points at once, layer by layer'
    """

    def __init__(self, objective: Objective):
        self.objective = objective
        self.batches = [batch for group in objective.groups.values() for batch in group.batches]
        plain = objective.batch_norm == "frozen" and not objective.forward and not objective.fragile
        if not plain or not all(map(is_pair, self.batches)):
            raise UnreplayableError("the data are no pairs, batch norm is recalibrated, or inputs are changed")
        self.chains = {x.shape: self._chain(x) for x, _ in self.batches}
        chain = self.chains[self.batches[0][0].shape]
        entries = chain.widest(objective.origin) * max(len(x) for x, _ in self.batches)
        self.points = min(32, max(1, _ENTRIES_AT_ONCE // entries))
        self.description = f"{self.points} points at once, layer by layer"
        self.samples_last = self._find_samples_last()

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        coordinates = torch.from_numpy(places).to(affine.origin)
        combinations = torch.cat([coordinates.new_ones(len(coordinates), 1), coordinates], 1)
        basis = torch.stack([affine.origin, *affine.directions])
        with torch.no_grad(), preserved_rng():
            at_basis = unflatten(basis, affine.like)
            firsts = {id(x): self.chains[x.shape].first(x, at_basis) for x, _ in self.batches}
            parts = [
                self._measure(part, unflatten(part @ basis, affine.like), firsts)
                for part in torch.tensor_split(combinations, -(-len(combinations) // self.points))
            ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.objective.names}

    def _measure(self, combinations: Float[Tensor, "points n"], params: Params, firsts: dict[int, Tensor]) -> Row:
        state = params | self.objective.buffers

        def values_of(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
            first = firsts[id(batch[0])]
            stack = (combinations @ first.flatten(1)).view(-1, *first.shape[1:])
            for layer in self.chains[batch[0].shape].layers[1:]:
                stack = layer(stack, state)
            return self._values(stack, batch[1])

        return {name: value.numpy(force=True) for name, value in self.objective.summarize(values_of).items()}

    def _values(self, stack: Stack, targets: Tensor) -> dict[str, Float[Tensor, "points size"]]:
        """Each measure: at once where it takes samples along the last dimension, else point by point (vmap)."""
        objective, outputs = self.objective, stack.transpose(1, 2)
        return {
            name: self.samples_last[name](stack, targets.expand(len(stack), -1))
            if name in self.samples_last
            else torch.vmap(partial(objective.value_of, name, targets=targets))(outputs)
            for name in objective.measures
        }

    def _chain(self, inputs: Tensor) -> "_Chain":
        state = self.objective.state()
        with torch.no_grad(), preserved_rng():
            return _Chain(record(lambda x: self.objective.outputs(state, (x, None)), state, inputs))

    def _find_samples_last(self) -> dict[str, Callable[[Stack, Tensor], Tensor]]:
        """Measures that give one value a sample for scores whose last dimension counts samples."""
        inputs, targets = self.batches[0]
        found = {}
        with torch.no_grad(), preserved_rng():
            outputs = self.objective.outputs(self.objective.state(), (inputs, targets))
            for name, measure in self.objective.sample_measures.items():
                if measure is None or targets.ndim != 1 or outputs.ndim != 2:
                    continue
                try:
                    values = measure(outputs.T[None], targets[None])
                except (RuntimeError, ValueError, TypeError, IndexError):
                    continue
                wanted = measure(outputs, targets)[None]
                if values.shape == wanted.shape and torch.allclose(values, wanted, rtol=1e-4, equal_nan=True):
                    found[name] = measure
        return found


class _Chain:
    """A program that computes something from its input alone, then passes it through layers with weights."""

    def __init__(self, program: Program):
        start = next((at for at, call in enumerate(program.calls) if call.weights()), len(program.calls))
        rest = program.calls[start:]
        if not rest or rest[0].function is not F.linear or len(rest[0].reads()) != 1:
            raise UnreplayableError("the first layer is no linear map")
        current = rest[0].reads()[0]
        self.prefix = Program(program.calls[:start], current)
        self.layers: list[Layer] = []
        for call in rest:
            if call.reads() != [current] or call.args[0].number != current or len(call.writes()) != 1:
                raise UnreplayableError("the layers are no chain")
            self.layers.append(_layer(call))
            current = call.writes()[0]
        if current != program.output:
            raise UnreplayableError("the last layer does not give the outputs")

    def first(self, inputs: Tensor, at_basis: Params) -> Float[Tensor, "basis features samples"]:
        """The first layer's values for each of a stack of weights; between them the layer is linear."""
        entry = self.prefix({}, inputs)
        if entry.ndim != 2:
            raise UnreplayableError("the first layer's input is no matrix")
        return self.layers[0](entry.T, at_basis)

    def widest(self, params: Params) -> int:
        """The most features that a layer has."""
        return max(len(params[layer.weight]) for layer in self.layers if isinstance(layer, _Linear))


@dataclass(frozen=True)
class _Linear:
    weight: str
    bias: str | None

    def __call__(self, stack: Stack, params: Params) -> Stack:
        weight = params[self.weight]
        stack = stack.expand(len(weight), *stack.shape[-2:])
        if self.bias is None:
            return torch.bmm(weight, stack)
        return torch.baddbmm(params[self.bias][..., None], weight, stack)


@dataclass(frozen=True)
class _Norm:
    names: FrozenNorm

    def __call__(self, stack: Stack, params: Params) -> Stack:
        names = self.names
        scale = torch.rsqrt(params[names.variance] + names.eps).expand(len(stack), -1)
        scale = scale * params[names.gamma] if names.gamma else scale
        shift = -params[names.mean] * scale
        shift = shift + params[names.beta] if names.beta else shift
        return torch.addcmul(shift[..., None], stack, scale[..., None])


def _layer(call: Call) -> Layer:
    """A call as a function of a stack of features and the weights of its points."""
    if call.function is F.linear and not call.kwargs:
        weight, bias = (*call.args, None)[1:3]
        if isinstance(weight, Weight) and (bias is None or isinstance(bias, Weight)):
            return _Linear(weight.name, bias.name if bias else None)
    if norm := frozen_norm(call):
        return _Norm(norm)
    if call.function in _IN_PLACE:
        return lambda stack, params: _IN_PLACE[call.function](stack)
    if call.function in _ELEMENTWISE and not call.weights():
        return lambda stack, params: call.function(stack, *call.args[1:], **call.kwargs)
    raise UnreplayableError(f"{call.function.__name__} is no layer of a perceptron")
