"""Two networks' hidden units in the same order: how far their weights lie apart beyond a renumbering."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from landscape_nb._common.checks import check_whole
from landscape_nb.models import Net
from landscape_nb.weights.chain import HiddenLayer, Part, hidden_layers
from landscape_nb.weights.copies import check_model, copied_model
from landscape_nb.weights.params import Params, check_params, parameters_of

_ROUNDING = 1e-12
"""What a sum of products may grow by rounding alone, as a part of the largest that it can be."""


def match_neurons(model: nn.Module, other: Net, seed: int = 0) -> Net:
    """Renumber the hidden units of a network so that its weights come close to another's.

    Units of a layer have no order: exchanged together with the weights that lead to them and away from them (and
    their batch norm), they compute what they did. Of all orders that of each layer is chosen, in turn, whose weights
    have the largest inner product with `model`'s, until no layer's change helps. That is a local optimum: which one
    depends on where it began, and of two beginnings the better is kept.

    Args:
        model: The network to come close to; it stays as it is.
        other: A network with the same layers; it stays as it is. Its layers with weights, Linear or Conv, follow one
            another in a chain, like those of `models.mlp` and `models.vgg9`. Between them may lie batch norm,
            pointwise activations, dropout, pooling and a Flatten of all axes but the first. A Linear layer that batch
            norm follows is taken to read one vector a sample: with tokens, batch norm would count those instead.
        seed: Seed of the order in which layers have their turns.

    Returns:
        A copy of `other` with its units in another order, which computes the same in evaluation mode, up to rounding.
        Its weights lie as close to `model`'s as `other`'s do, or closer.

    Raises:
        TypeError: `model` or `other` is not a model, or cannot be copied.
        ValueError: The two have other layers or shapes, weights are not finite, or the layers are not such a chain
            (skip connections, shared layers, grouped convolutions, LayerNorm, …); the message names the module.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> other = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> matched = match_neurons(net, other)
        >>> x = torch.ones(1, 2)
        >>> torch.allclose(matched(x), other(x), atol=1e-6)
        True

    Source: Ainsworth et al. (2023), "Git Re-Basin", section 3.2, weight matching (arXiv 2209.04836).
    """
    seed = check_whole("seed", seed, 0)
    for name, net in (("model", model), ("other", other)):
        check_model(name, net)
        check_params(name, parameters_of(net), parameters_of(model))
    layers = hidden_layers(model)
    if hidden_layers(other, "other") != layers:
        raise ValueError("other: its layers follow one another in another way than model's, wants the same network")
    orders = matching_orders(layers, parameters_of(model), parameters_of(other), seed)
    return _renumbered(other, layers, orders)


def matching_orders(layers: Sequence[HiddenLayer], params: Params, others: Params, seed: int) -> list[Tensor]:
    """The order of each hidden layer's units that coordinate descent finds, the better of two beginnings.

    Args:
        layers: The hidden layers.
        params: The weights to come close to.
        others: The weights whose units change places.
        seed: Seed of the order in which layers have their turns.
    """
    found, ends = [], (_scaled(params), _scaled(others))
    for by_inputs in (False, True):
        matching, generator = Matching(layers, *ends), np.random.default_rng(seed)
        if by_inputs:
            matching.begin_by_inputs()
        while matching.sweep(generator.permutation(len(layers))) > 0:
            pass
        found.append(matching)
    return max(found, key=lambda matching: matching.similarity).orders


class Matching:
    """Two points of a chain's weight space, of which the second's units change places step by step.

    Args:
        layers: The hidden layers.
        params: The weights to come close to.
        others: The weights whose units change places.

    Attributes:
        orders: For each layer, which of the units of `others` stands in each place now.
    """

    def __init__(self, layers: Sequence[HiddenLayer], params: Params, others: Params):
        self.layers, self.params = layers, _doubles(params)
        self.others = _doubles(others)
        self.orders = [torch.arange(layer.units) for layer in layers]

    @property
    def similarity(self) -> float:
        """The inner product of the two points as they are now: the larger it is, the closer they lie."""
        return sum(float((self.params[name] * other).sum()) for name, other in self.others.items())

    def begin_by_inputs(self) -> None:
        """Order layer by layer by what leads to the units alone; if the networks are one, that finds its order."""
        for number, layer in enumerate(self.layers):
            parts = [part for part in layer.parts if part.axis == 0]
            self._reorder(number, _assigned(self._products(layer.units, parts)))

    def sweep(self, turns: Iterable[int]) -> float:
        """Give each layer the best order while the others keep theirs; returns by how much the similarity grew."""
        gains = 0.0
        for number in turns:
            layer = self.layers[number]
            products = self._products(layer.units, layer.parts)
            order = _assigned(products)
            gain = float(products[torch.arange(layer.units), order].sum() - products.trace())
            if gain > _ROUNDING * float(products.abs().sum()):
                self._reorder(number, order)
                gains += gain
        return gains

    def _products(self, units: int, parts: Iterable[Part]) -> Tensor:
        """The inner product of each unit's weights, there and here, with each other's."""
        total = torch.zeros(units, units, dtype=torch.float64)
        for part in parts:
            if part.name in self.params:  # a buffer is not one
                total += _rows(self.params, part, units) @ _rows(self.others, part, units).T
        return total

    def _reorder(self, number: int, order: Tensor) -> None:
        layer = self.layers[number]
        self.orders[number] = self.orders[number][order]
        for part in layer.parts:
            if part.name in self.others:
                self.others[part.name] = reordered(self.others[part.name], part.axis, order)


def reordered(tensor: Tensor, axis: int, order: Int[Tensor, "units"]) -> Tensor:
    """A tensor with the units along an axis in another order; where the axis is longer, each has a block of it.

    Example:
        >>> reordered(torch.arange(6), 0, torch.tensor([2, 0, 1]))
        tensor([4, 5, 0, 1, 2, 3])
    """
    blocks = tensor.unflatten(axis, (len(order), -1))
    return blocks.index_select(axis, order.to(tensor.device)).flatten(axis, axis + 1)


def _renumbered(model: Net, layers: Sequence[HiddenLayer], orders: Sequence[Tensor]) -> Net:
    """A copy of a model with its units in these orders."""
    copied = copied_model(model, "other")
    tensors: dict[str, Any] = {**dict(copied.named_parameters()), **dict(copied.named_buffers())}
    with torch.no_grad():
        for layer, order in zip(layers, orders, strict=True):
            for part in layer.parts:
                tensors[part.name].copy_(reordered(tensors[part.name], part.axis, order))
    return copied


def _scaled(params: Params) -> dict[str, Tensor]:
    """The weights divided by the largest: products of huge ones stay finite, and no order of them changes."""
    doubles = _doubles(params)
    largest = max((float(tensor.abs().max()) for tensor in doubles.values() if tensor.numel()), default=0.0) or 1.0
    return {name: tensor / largest for name, tensor in doubles.items()}


def _doubles(params: Params) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", torch.float64) for name, tensor in params.items()}


def _rows(params: Params, part: Part, units: int) -> Tensor:
    """One row of weights for each unit."""
    return params[part.name].movedim(part.axis, 0).reshape(units, -1)


def _assigned(products: Tensor) -> Tensor:
    return torch.from_numpy(linear_sum_assignment(products.numpy(), maximize=True)[1])
