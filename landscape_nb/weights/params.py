"""A point or a direction in weight space, as a dict of tensors keyed like `named_parameters()`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from landscape_nb._common.checks import check_kind, check_number
from landscape_nb.weights.filters import FilterDim, carrying, filter_fields_in, filter_fields_of, ruled_filter_fields

Params = dict[str, Shaped[Tensor, "..."]]
"""A point or a direction in weight space: a dict of tensors, keyed like the model's `named_parameters()`.

Example:
    >>> params = parameters_of(nn.Linear(3, 2))
    >>> {name: tuple(tensor.shape) for name, tensor in params.items()}
    {'weight': (2, 3), 'bias': (2,)}
"""
_FORMATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def parameters_of(model: nn.Module, filter_dim: FilterDim | None = None) -> Params:
    """Copy a model's parameters, detached; tied weights appear once, under their first name.

    The dict also carries what filter normalization has to know: where a module's filters are not along dimension 0,
    and which weights are pruned. Points and directions that this library makes from it keep that, and so do
    `copy.copy(...)` and `copy.deepcopy(...)`. The dict's own `.copy()` and `|`, and `dict(...)`, drop it: give
    `filter_dim` again then.

    Args:
        model: The model.
        filter_dim: Along which dimension the filters of a parameter lie, where that differs from torch's own modules:
            a dict from name patterns or module classes to dimensions, `{"decoder.*": 1}` or `{MyLayer: 1}`; or a
            function of name and tensor that returns a dimension, or None for the module's own.

    Returns:
        The parameters by name, as new tensors.

    Raises:
        ValueError: A rule fits no parameter or names a dimension that a parameter does not have, or a parameter has no
            values yet.
        TypeError: `model` is not a module, or `filter_dim` neither a dict nor a function.

    Example:
        >>> list(parameters_of(nn.Linear(2, 1)))
        ['weight', 'bias']
    """
    check_kind("model", model, nn.Module, "a torch.nn.Module")
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise ValueError(f"model: {lazy[0]!r} has no values yet; call the model once on a batch first")
    params = {name: p.detach().clone() for name, p in model.named_parameters()}
    fields = filter_fields_in(model)
    if filter_dim is not None:
        fields = ruled_filter_fields(filter_dim, params, fields, model)
    return carrying(params, fields)


def add(x: Params, y: Params) -> Params:
    """Add two points, tensor by tensor.

    Args:
        x: A point or a direction.
        y: Another one, with a tensor of the same shape for each of `x`.

    Returns:
        The sum, as new tensors, keyed like `x`.

    Raises:
        TypeError: One of them is not a dict of tensors.
        ValueError: A tensor of `x` is missing in `y`, or has another shape there.

    Example:
        >>> add({"w": torch.ones(1)}, {"w": torch.ones(1)})["w"].item()
        2.0
    """
    _check_pair(x, y)
    return carrying({name: x[name] + y[name] for name in x}, filter_fields_of(x))


def scale(x: Params, factor: float) -> Params:
    """Multiply every tensor by `factor`.

    Args:
        x: A point or a direction.
        factor: A number.

    Returns:
        The product, as new tensors.

    Raises:
        TypeError: `x` is not a dict of tensors, or `factor` not a number.
        ValueError: `factor` is an int that does not fit 64 bits.

    Example:
        >>> scale({"w": torch.ones(1)}, -3)["w"].item()
        -3.0
    """
    check_tensors("x", x)
    factor = check_number("factor", factor)
    return carrying({name: factor * tensor for name, tensor in x.items()}, filter_fields_of(x))


def dot(x: Params, y: Params) -> float:
    """The inner product over all entries, summed in float64.

    Args:
        x: A point or a direction.
        y: Another one, with a tensor of the same shape for each of `x`.

    Returns:
        The sum of the products of all entries of `x` with those of `y`.

    Raises:
        TypeError: One of them is not a dict of tensors.
        ValueError: A tensor of `x` is missing in `y`, or has another shape there.

    Example:
        >>> dot({"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 4.0])})
        11.0
    """
    _check_pair(x, y)
    return sum(float((x[name].double() * y[name].double()).sum()) for name in x)


def norm(x: Params) -> float:
    """The Euclidean norm over all entries.

    Args:
        x: A point or a direction.

    Returns:
        The root of the sum of all squares, which are added in float64.

    Raises:
        TypeError: It is not a dict of tensors.

    Example:
        >>> norm({"w": torch.tensor([3.0]), "b": torch.tensor([4.0])})
        5.0
    """
    return math.sqrt(dot(x, x))


def move(origin: Params, directions: Sequence[Params], coordinates: Sequence[float]) -> Params:
    """The point origin + Σ coordinate · direction, summed from left to right.

    Args:
        origin: The point at coordinates 0.
        directions: One direction a coordinate, keyed and shaped like `origin`.
        coordinates: One number for each direction.

    Returns:
        The point, as new tensors.

    Raises:
        TypeError: A point or a direction that is not a dict of tensors, or directions that are not a list of them.
        ValueError: Coordinates that are not one finite number for each direction, or a direction that does not fit.

    Example:
        >>> move({"w": torch.zeros(1)}, [{"w": torch.ones(1)}], [0.5])["w"].item()
        0.5
    """
    check_tensors("origin", origin)
    check_directions(directions, origin)
    coords = coordinates if isinstance(coordinates, Sequence | np.ndarray) and not isinstance(coordinates, str) else ()
    if len(coords) != len(directions) or not all(isinstance(c, int | float | np.number) for c in coords):
        raise ValueError(f"coordinates: got {coordinates!r}, wants {len(directions)} numbers, one a direction")
    coords = [check_number(f"coordinates[{i}]", number) for i, number in enumerate(coords)]
    return carrying(Affine(origin, directions)(*coords), filter_fields_of(origin))


class Affine:
    """The map from coordinates to points origin + Σ coordinate · direction, made once for many points.

    All tensors of a point lie in one flat vector, so that a point takes one addition for each direction instead of
    one for each tensor, and can be written into a buffer that is used again. The point's tensors are
    views of it, unless their number formats differ.

    Args:
        origin: The point at coordinates 0.
        directions: One direction a coordinate, keyed like `origin`.
        template: A point whose number formats and device all of them get; default `origin`.

    Example:
        >>> at = Affine({"w": torch.zeros(1)}, [{"w": torch.ones(1)}])
        >>> at(0.5)["w"].item()
        0.5
    """

    def __init__(self, origin: Params, directions: Iterable[Params], template: Params | None = None):
        self.template = origin if template is None else template
        self.origin = flatten(formatted_like(origin, self.template))
        self.directions = [flatten(formatted_like(direction, self.template)) for direction in directions]

    def __call__(self, *coords: float, out: Shaped[Tensor, "n"] | None = None) -> Params:
        """The point at these coordinates, in new memory or in the buffer `out`."""
        # From left to right, as `move` promises: the bits of a point do not depend on what asked for it.
        vector = self.origin
        for coord, direction in zip(coords, self.directions, strict=True):
            vector = torch.add(vector, direction, alpha=coord, out=out)
        return unflatten(vector, self.template)


def formatted_like(params: Params, template: Params) -> dict[str, Shaped[Tensor, "..."]]:
    """The same point in the number formats and on the device of `template`."""
    moved = {name: params[name].to(tensor.device, tensor.dtype) for name, tensor in template.items()}
    return carrying(moved, filter_fields_of(template))


def flatten(params: Params) -> Shaped[Tensor, "n"]:
    """All entries in one vector.

    Example:
        >>> flatten({"w": torch.ones(2, 2), "b": torch.zeros(1)})
        tensor([1., 1., 1., 1., 0.])
    """
    return torch.cat([tensor.reshape(-1) for tensor in params.values()])


def unflatten(vector: Shaped[Tensor, "*stack n"], template: Params) -> Params:
    """The entries of a vector, or of each vector of a stack, in the shapes and number formats of `template`.

    Example:
        >>> unflatten(torch.arange(3.0), {"w": torch.ones(1, 2), "b": torch.zeros(1)})["w"]
        tensor([[0., 1.]])
    """
    parts = vector.split([tensor.numel() for tensor in template.values()], dim=-1)
    pairs = zip(template.items(), parts, strict=True)
    return {name: part.reshape((*vector.shape[:-1], *tensor.shape)).to(tensor.dtype) for (name, tensor), part in pairs}


def is_same(tensor: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same entries; NaN equals NaN.

    Example:
        >>> is_same(torch.tensor([torch.nan]), torch.tensor([torch.nan])), is_same(torch.ones(1), torch.ones(2))
        (True, False)
    """
    if tensor.shape != other.shape or tensor.dtype != other.dtype:
        return False
    return torch.equal(tensor, other) or torch.allclose(tensor, other, rtol=0, atol=0, equal_nan=True)


def check_params(name: str, params: Any, template: Params) -> None:
    """Raise unless `params` has the keys and shapes of `template` and only finite real entries.

    Args:
        name: What the caller calls the argument, for the message.
        params: The point or direction to check.
        template: A point of the same weight space.

    Raises:
        TypeError: `params` is not a dict of tensors.
        ValueError: A key is missing or unknown, a shape differs, a tensor is sparse or holds no values, entries are
            complex (or whole numbers in `template`), or one is NaN or infinite.

    Example:
        >>> check_params("d", {"w": torch.ones(2)}, {"w": torch.ones(3)})
        Traceback (most recent call last):
        ...
        ValueError: d: 'w' has shape (2,), wants (3,)
    """
    check_fits(name, params, template)
    for key, tensor in params.items():
        if tensor.dtype not in _FORMATS + _WHOLE or template[key].dtype not in _FORMATS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ValueError(f"{name}: {key!r} is {kind}, wants real numbers that can move, such as float32")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name}: {key!r} has NaN or infinite entries")


def check_fits(name: str, params: Any, template: Params) -> None:
    """Raise unless `params` is a dict of tensors with the keys and shapes of `template`.

    Example:
        >>> check_fits("d", {}, {"w": torch.ones(3)})
        Traceback (most recent call last):
        ValueError: d: has no tensor for 'w'
    """
    check_tensors(name, params)
    if missing := [key for key in template if key not in params]:
        raise ValueError(f"{name}: has no tensor for {', '.join(map(repr, missing))}")
    if unknown := [key for key in params if key not in template]:
        raise ValueError(f"{name}: has a tensor for {', '.join(map(repr, unknown))}, which is not a parameter")
    for key, tensor in params.items():
        if tensor.shape != template[key].shape:
            raise ValueError(f"{name}: {key!r} has shape {tuple(tensor.shape)}, wants {tuple(template[key].shape)}")


def check_tensors(name: str, params: Any) -> None:
    """Raise a `TypeError` unless this is a dict of tensors, a `ValueError` unless all are dense and hold values.

    Example:
        >>> check_tensors("x", {"w": [1.0]})
        Traceback (most recent call last):
        TypeError: x: 'w' is a list, wants tensors (torch.from_numpy makes one of an array)
    """
    if not isinstance(params, dict):
        raise TypeError(f"{name}: got {type(params).__name__}, wants a dict of tensors keyed like named_parameters()")
    for key, tensor in params.items():
        if not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise TypeError(f"{name}: {key!r} is a {kind}, wants tensors (torch.from_numpy makes one of an array)")
        if tensor.is_nested or tensor.layout != torch.strided:
            raise ValueError(f"{name}: {key!r} is sparse or nested, wants dense tensors, such as its to_dense()")
        if tensor.is_meta:
            raise ValueError(
                f"{name}: {key!r} is on the device 'meta' and has no values, wants a tensor that has values"
            )


def _check_pair(x: Params, y: Params) -> None:
    """Raise unless the second point has every tensor of the first, with the same shapes."""
    check_tensors("x", x)
    check_tensors("y", y)
    for key, tensor in x.items():
        if key not in y:
            raise ValueError(f"y: has no tensor for {key!r}")
        if y[key].shape != tensor.shape:
            raise ValueError(f"y: {key!r} has shape {tuple(y[key].shape)}, wants {tuple(tensor.shape)}")


def directions_of(directions: Any, plane: bool = False) -> Sequence[Params]:
    """The directions, if they are a sequence; for a plane, of two.

    Raises:
        TypeError: They are not a sequence.
        ValueError: One direction instead of a sequence, or for a plane not two.

    Example:
        >>> directions_of({"w": torch.ones(2)}, plane=True)
        Traceback (most recent call last):
        ...
        ValueError: directions: got one direction (a dict), a plane has two
    """
    wanted = "a plane has two" if plane else "wants a list or tuple of them"
    if isinstance(directions, Mapping):
        raise ValueError(f"directions: got one direction (a dict), {wanted}")
    if isinstance(directions, str | Tensor) or not (hasattr(directions, "__len__") and hasattr(directions, "__iter__")):
        raise TypeError(f"directions: got {type(directions).__name__}, {wanted}")
    if plane and len(directions) != 2:
        raise ValueError(f"directions: got {len(directions)}, {wanted}")
    return directions


def check_directions(directions: Any, template: Params) -> Sequence[Params]:
    """The directions, if they are a sequence and each fits a weight space; see `check_params`.

    Raises:
        TypeError: What is given is not a sequence of directions, or one is not a dict of tensors.
        ValueError: One direction instead of several, or one that does not fit.

    Example:
        >>> check_directions([{"w": torch.ones(1)}], {"w": torch.ones(2)})
        Traceback (most recent call last):
        ...
        ValueError: directions[0]: 'w' has shape (1,), wants (2,)
    """
    for number, direction in enumerate(directions_of(directions)):
        check_params(f"directions[{number}]", direction, template)
    return directions
