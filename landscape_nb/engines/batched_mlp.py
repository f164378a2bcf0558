"""Perceptrons at many points of a line or plane at once.

A net of small linear maps is all overhead and memory traffic. So points share every pass; samples lie
along the last dimension, where scores are compared without strides; the first layer is multiplied
once: at θ + Σ cᵢ dᵢ it gives W X + Σ cᵢ (Dᵢ X); layers write into buffers that are kept from pass to
pass; and features end with a row of ones, so that a bias is one more column of the weights.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import Values
from landscape_nb.engines.description import Description
from landscape_nb.engines.faults import InapplicableError
from landscape_nb.engines.graph import Call, FrozenNorm, Program, Slot, UnreplayableError, Weight, frozen_norm, record
from landscape_nb.engines.points import NUMBERS_AT_ONCE
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.weights.params import Affine, Params, unflatten

_IN_PLACE = {
    F.relu: torch.relu_, torch.relu: torch.relu_, Tensor.relu: torch.relu_,
    F.tanh: torch.tanh_, torch.tanh: torch.tanh_, Tensor.tanh: torch.tanh_,
    F.sigmoid: torch.sigmoid_, torch.sigmoid: torch.sigmoid_, Tensor.sigmoid: torch.sigmoid_,
}  # fmt: skip
_ELEMENTWISE = {
    F.relu6, F.hardtanh, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.softplus, F.softsign,
    F.hardswish, F.hardsigmoid, F.logsigmoid, torch.sin, torch.relu_, Tensor.relu_,
}  # fmt: skip
Mixtures = Float[Tensor, "points basis"]
Features = Float[Tensor, "points features samples"]
Layer = Callable[[Features, Mixtures, Params], object]
"""Changes features in place; what it returns does not count."""


class Perceptron:
    """Measures a perceptron at several points in one pass.

    Args:
        evaluator: What evaluates a chain of linear maps and elementwise functions, on pairs of tensors.

    Raises:
        InapplicableError: The model is not such a chain.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        >>> from landscape_nb.objective.objective import Objective
        >>> objective = Objective(model, (torch.ones(3, 2), torch.zeros(3, 1)), F.mse_loss)
        >>> str(Perceptron(objective.evaluator).description)
        '32 points at once, layer by layer'
    """

    def __init__(self, evaluator: Evaluator):
        self.evaluator, forward = evaluator, evaluator.forward
        self.batches = evaluator.batches
        if evaluator.only_plain or not evaluator.reads_pairs:
            raise InapplicableError(evaluator.only_plain or "the data are not pairs of tensors")
        self.chains = {x.shape: self._chain(x) for x, _ in self.batches}
        chain = self.chains[self.batches[0][0].shape]
        entries = (chain.widest(forward.origin) + 1) * max(len(x) for x, _ in self.batches)
        self.points = min(32, max(1, NUMBERS_AT_ONCE // entries))
        self.entries = self.points * entries
        self.description = Description(points=self.points, batched="layer by layer")
        self.samples_last = self._find_samples_last()

    def __call__(self, affine: Affine, coords: Float[np.ndarray, "points axes"]) -> Values:
        """The values at points, each given by its coordinates."""
        coordinates = torch.from_numpy(coords).to(affine.origin)
        mixtures = torch.cat([coordinates.new_ones(len(coordinates), 1), coordinates], 1)
        basis = unflatten(torch.stack([affine.origin, *affine.directions]), affine.template)
        with torch.no_grad(), preserved_rng():
            buffers = [affine.origin.new_empty(self.entries) for _ in range(2)]
            firsts = {id(x): self.chains[x.shape].first(x, basis) for x, _ in self.batches}
            parts = [
                self._measure(part, basis, firsts, buffers)
                for part in torch.tensor_split(mixtures, -(-len(mixtures) // self.points))
            ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.evaluator.names}

    def outputs(self, batch: tuple[Tensor, Tensor]) -> Float[Tensor, "samples outputs"]:
        """The outputs that metrics get for a batch at the origin."""
        inputs, _ = batch
        origin = self.evaluator.forward.origin
        chain, basis = self.chains[inputs.shape], {name: tensor[None] for name, tensor in origin.items()}
        weights = next(iter(origin.values()))
        with torch.no_grad(), preserved_rng():
            buffers = [weights.new_empty(self.entries) for _ in range(2)]
            first = chain.first(inputs, basis)
            return chain(first, weights.new_ones(1, 1), basis | self.evaluator.forward.buffers, buffers)[0].T

    def _measure(
        self,
        mixtures: Mixtures,
        basis: Params,
        firsts: dict[int, Tensor],
        buffers: Sequence[Float[Tensor, "_"]],
    ) -> Values:
        known = basis | self.evaluator.forward.buffers

        def values_of(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
            inputs, targets = batch
            features = self.chains[inputs.shape](firsts[id(inputs)], mixtures, known, buffers)
            return self._values(features, targets)

        return {name: value.numpy(force=True) for name, value in self.evaluator.summarize(values_of).items()}

    def _values(self, features: Features, targets: Tensor) -> dict[str, Float[Tensor, "points size"]]:
        """Each metric: at once where it takes samples along the last dimension, else point by point (vmap)."""
        evaluator, outputs = self.evaluator, features.transpose(1, 2)
        return {
            name: self.samples_last[name](features, targets.expand(len(features), -1))
            if name in self.samples_last and features.shape[1] != features.shape[2]
            else torch.vmap(partial(evaluator.value_of, name, targets=targets))(outputs)
            for name in evaluator.metrics
        }

    def _chain(self, inputs: Tensor) -> "_Chain":
        forward = self.evaluator.forward
        state = forward.state()
        with torch.no_grad(), preserved_rng():
            return _Chain(record(lambda x: forward.outputs(state, (x, None)), state, inputs))

    def _find_samples_last(self) -> dict[str, Callable[[Features, Tensor], Tensor]]:
        """Metrics that give one value a sample for scores whose last dimension counts samples.

        As many samples as scores could hide which dimension is which.
        """
        inputs, targets = self.batches[0]
        found = {}
        with torch.no_grad(), preserved_rng():
            outputs = self.evaluator.forward.outputs(self.evaluator.forward.state(), (inputs, targets))
            for name, metric in self.evaluator.by_sample.items():
                if metric is None or targets.ndim != 1 or outputs.ndim != 2 or len(outputs) == outputs.shape[1]:
                    continue
                try:
                    values = metric(outputs.T[None], targets[None])
                except Exception:  # a reader's metric may refuse such scores in whatever way it likes
                    continue
                wanted = metric(outputs, targets)[None]
                if values.shape == wanted.shape and torch.allclose(values, wanted, rtol=1e-4, equal_nan=True):
                    found[name] = metric
        return found


class _Chain:
    """A program that computes something from its input alone, then passes it through layers with weights."""

    def __init__(self, program: Program):
        start = next((at for at, call in enumerate(program.calls) if call.weights()), len(program.calls))
        rest = program.calls[start:]
        entry = _linear(rest[0]) if rest else None
        if entry is None or len(rest[0].reads()) != 1:
            raise UnreplayableError("the first layer is not a linear map")
        current = rest[0].reads()[0]
        self.prefix, self.entry = Program(program.calls[:start], current), entry
        self.layers: list[_Linear | Layer] = []
        for call in rest:
            if call.reads() != [current] or call.args[:1] != (Slot(current),) or len(call.writes()) != 1:
                raise UnreplayableError("the layers are not a chain")
            self.layers.append(_layer(call))
            current = call.writes()[0]
        if current != program.output:
            raise UnreplayableError("the last layer does not give the outputs")

    def first(self, inputs: Tensor, basis: Params) -> Float[Tensor, "basis features samples"]:
        """The first layer's values for each of a stack of weights; between them the layer is linear."""
        entry = self.prefix({}, inputs)
        if entry.ndim != 2:
            raise UnreplayableError("the first layer's input is not a matrix")
        entry = torch.cat([entry.T, entry.new_ones(1, len(entry))])
        return self.entry.matrices(basis) @ entry

    def __call__(
        self,
        first: Float[Tensor, "basis rows samples"],
        mixtures: Mixtures,
        known: Params,
        buffers: Sequence[Float[Tensor, "_"]],
    ) -> Float[Tensor, "points outputs samples"]:
        """The last layer's values, in one of two buffers that layers use in turn."""
        turns = cycle(buffers)
        rows = _view(next(turns), len(mixtures), *first.shape[1:])
        torch.mm(mixtures, first.flatten(1), out=rows.flatten(1))
        for layer in self.layers[1:]:
            if isinstance(layer, _Linear):
                rows = layer(rows, mixtures, known, next(turns))
            else:
                layer(rows[:, :-1], mixtures, known)
        return rows[:, :-1]

    def widest(self, params: Params) -> int:
        """The most features that a layer has."""
        return max(len(params[layer.weight]) for layer in self.layers if isinstance(layer, _Linear))


def _view(buffer: Float[Tensor, "_"], *shape: int) -> Float[Tensor, "..."]:
    return buffer[: math.prod(shape)].view(shape)


@dataclass(frozen=True)
class _Linear:
    weight: str
    bias: str | None

    def matrices(self, basis: Params) -> Float[Tensor, "basis rows columns"]:
        """Weights with the bias as one more column, and one more row that gives 1, so that it meets a row of ones."""
        # W x + b is one product this way; to add the bias would take another pass over the features of all points.
        # Only the first of the basis, the origin, has the 1 in its corner: mixtures begin with the number 1, and
        # what directions add to the ones has to be 0. The row has to stay ones: elementwise functions and norms get
        # all rows but the last, as the sine or the sigmoid of 1 is not 1.
        weight = basis[self.weight]
        matrices = F.pad(weight, (0, 1, 0, 1))
        matrices[0, -1, -1] = 1
        if self.bias:
            matrices[:, :-1, -1] = basis[self.bias]
        return matrices

    def __call__(
        self,
        rows: Features,
        mixtures: Mixtures,
        basis: Params,
        buffer: Float[Tensor, "_"],
    ) -> Float[Tensor, "points outputs samples"]:
        matrices = self.matrices(basis)
        weights = (mixtures @ matrices.flatten(1)).view(-1, *matrices.shape[1:])
        return torch.bmm(weights, rows, out=_view(buffer, len(rows), weights.shape[1], rows.shape[2]))


@dataclass(frozen=True)
class _Norm:
    names: FrozenNorm

    def __call__(self, features: Features, mixtures: Mixtures, known: Params) -> None:
        names = self.names
        scale = torch.rsqrt(known[names.variance] + names.eps).expand(len(features), -1)
        scale = scale * (mixtures @ known[names.gamma]) if names.gamma else scale
        shift = -known[names.mean] * scale
        shift = shift + mixtures @ known[names.beta] if names.beta else shift
        torch.addcmul(shift[..., None], features, scale[..., None], out=features)


def _linear(call: Call) -> "_Linear | None":
    """A call as a linear map whose weight and bias are parameters; None for any other call."""
    if call.function is not F.linear or call.kwargs:
        return None
    weight, bias = (*call.args, None)[1:3]
    if not isinstance(weight, Weight) or not isinstance(bias, Weight | None):
        return None
    return _Linear(weight.name, bias.name if bias else None)


def _layer(call: Call) -> "_Linear | Layer":
    """A call as what it does to features at several mixtures of a basis of weights, in place or as a matrix."""
    if linear := _linear(call):
        return linear
    if norm := frozen_norm(call):
        return _Norm(norm)
    if call.function in _IN_PLACE:
        return lambda features, *_: _IN_PLACE[call.function](features)
    if call.function in _ELEMENTWISE and not call.weights():
        return lambda features, *_: features.copy_(call.function(features, *call.args[1:], **call.kwargs))
    raise UnreplayableError(f"{call.function.__name__} is not a layer of a perceptron")
