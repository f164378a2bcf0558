"""How a direction is rescaled to the weights it is added to, and which tensors it leaves out.

Filter normalization is the remedy of Li et al. (2018), section 4: d ← d · ‖w‖ / ‖d‖, filter by
filter, so that a plot cannot change with the scale of weights that ReLU or batch norm cancels.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from landscape_nb.arguments import check_choice
from landscape_nb.parameters import Params, check_params

Ignore = Callable[[str], bool] | Literal["one-dimensional"] | None
_EPSILON = 1e-10


class Direction(dict[str, Tensor]):
    """A `Params` that remembers how it was made, for the provenance of what is drawn with it.

    Attributes:
        made: How: for instance its kind, seed and normalization.
    """

    def __init__(self, tensors: Params, **made: str | int | None):
        super().__init__(tensors)
        self.made = made


def normalize_direction(
    direction: Params, reference: Params, method: str = "filter", ignore: Ignore = "one-dimensional"
) -> Direction:
    """Rescale a direction to the weights of a point.

    Args:
        direction: The direction, keyed and shaped like `reference`.
        reference: The point whose weights w set the scale.
        method: One of
            `'filter'`: each slice d along dimension 0 (an output channel's filter, a neuron's row)
            becomes d · ‖w‖ / (‖d‖ + 10⁻¹⁰), Frobenius norms; a slice with w = 0 (a dead filter) is zero;
            `'layer'`: the same over each whole tensor;
            `'weight'`: d ⊙ w;
            `'unit-filter'`, `'unit-layer'`: each slice or tensor gets norm 1;
            `'none'`: d as it is.
        ignore: What stays put, whatever the method: `'one-dimensional'` tensors (biases, batch norm's
            γ and β), or the names for which a function is True, or nothing (None). A one-dimensional
            tensor that is not ignored is one filter.

    Returns:
        The rescaled direction; ignored tensors are zero.

    Raises:
        ValueError: An unknown method, or a missing, misshapen or non-finite tensor.
        TypeError: `direction` or `reference` is not a dict of tensors.

    Example:
        >>> w = {"weight": torch.tensor([[3.0, 4.0], [0.0, 2.0]]), "bias": torch.ones(2)}
        >>> d = {"weight": torch.tensor([[1.0, 0.0], [0.0, -1.0]]), "bias": torch.ones(2)}
        >>> normalize_direction(d, w)["weight"]
        tensor([[ 5.,  0.],
                [ 0., -2.]])
        >>> normalize_direction(d, w)["bias"]
        tensor([0., 0.])

    Source: Li et al. (2018), section 4.
    """
    check_choice("method", method, METHODS)
    check_ignore(ignore)
    check_params("reference", reference, reference)
    check_params("direction", direction, reference)
    rescale = METHODS[method]
    rescaled = {
        name: torch.zeros_like(d) if is_ignored(name, d, ignore) else rescale(d, reference[name])
        for name, d in direction.items()
    }
    left_out = getattr(ignore, "__qualname__", "a function") if callable(ignore) else ignore
    made = getattr(direction, "made", {}) | {"normalization": method, "ignored": left_out}
    if method == "filter":
        dead = dead_filters({name: w for name, w in reference.items() if not is_ignored(name, w, ignore)})
        made |= {"dead_filters": sum(map(len, dead.values()))} if dead else {}
    return Direction(rescaled, **made)


def dead_filters(reference: Params) -> dict[str, list[int]]:
    """Filters whose weights are all 0: filter normalization can give them no scale, and leaves them where they are.

    Args:
        reference: A point, such as `parameters_of(model)`.

    Returns:
        For each tensor that has any, their numbers along dimension 0. A one-dimensional tensor is one filter.

    Example:
        >>> dead_filters({"weight": torch.tensor([[1.0, 2.0], [0.0, 0.0]]), "bias": torch.ones(2)})
        {'weight': [1]}

    Source: Li et al. (2018), section 4, which does not say what to do with them.
    """
    dead = {
        name: (_filter_norms(weight).flatten() == 0).nonzero().flatten().tolist() for name, weight in reference.items()
    }
    return {name: numbers for name, numbers in dead.items() if numbers}


def relative_steps(direction: Params, reference: Params, method: str = "filter") -> tuple[float, float]:
    """The smallest and the largest step of a filter, or of a layer, in units of its own weights.

    A normalized direction has 1 and 1; one that was normalized to another network has not. What stays
    put and what has no weights but 0 is left out.

    Args:
        direction: A direction.
        reference: The point that it starts from, keyed like it.
        method: `'filter'` or `'layer'`.

    Returns:
        Both ratios ‖d‖ / ‖w‖; NaN if nothing moves.

    Raises:
        ValueError: Another method, or a direction that does not fit.

    Example:
        >>> w = {"weight": torch.tensor([[3.0, 4.0], [0.0, 2.0]])}
        >>> relative_steps({"weight": torch.tensor([[5.0, 0.0], [0.0, 1.0]])}, w)
        (0.5, 1.0)

    Source: Dinh et al. (2017); Li et al. (2018), section 4.
    """
    if method not in ("filter", "layer"):
        raise ValueError(f"method: got {method!r}, wants 'filter' or 'layer'")
    check_params("direction", direction, reference)
    norms = _filter_norms if method == "filter" else Tensor.norm
    pairs = [(norms(d).flatten(), norms(reference[name]).flatten()) for name, d in direction.items()]
    steps, lengths = (torch.cat(part).double() for part in zip(*pairs, strict=True))
    ratios = (steps / lengths)[(steps > 0) & (lengths > 0)]
    return (float(ratios.min()), float(ratios.max())) if len(ratios) else (float("nan"), float("nan"))


def check_ignore(ignore: object) -> None:
    """Raise a `ValueError` unless the argument says what is ignored."""
    if not (ignore is None or ignore == "one-dimensional" or callable(ignore)):
        raise ValueError(f"ignore: got {ignore!r}, wants 'one-dimensional', a function of a parameter's name, or None")


def is_ignored(name: str, tensor: Tensor, ignore: Ignore) -> bool:
    """Whether `ignore` leaves this tensor out of a direction.

    Example:
        >>> is_ignored("bias", torch.zeros(3), "one-dimensional")
        True
    """
    if callable(ignore):
        return ignore(name)
    return ignore == "one-dimensional" and tensor.ndim <= 1


def _filter_norms(tensor: Shaped[Tensor, "filters *rest"]) -> Shaped[Tensor, "filters *ones"]:
    """Norms of the slices along dimension 0, in a shape that broadcasts against them."""
    dims = tuple(range(1, tensor.ndim)) or None
    return torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda d, w: d.clone(),
    "weight": lambda d, w: d * w,
    "layer": lambda d, w: d * (w.norm() / (d.norm() + _EPSILON)),
    "filter": lambda d, w: d * (_filter_norms(w) / (_filter_norms(d) + _EPSILON)),
    "unit-layer": lambda d, w: d / (d.norm() + _EPSILON),
    "unit-filter": lambda d, w: d / (_filter_norms(d) + _EPSILON),
}
