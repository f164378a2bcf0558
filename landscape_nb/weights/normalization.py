"""How a direction is rescaled to the weights it is added to, and which tensors it leaves out.

Filter normalization is the remedy of Li et al. (2018), section 4: d ← d · ‖w‖ / ‖d‖, filter by
filter, so that a plot does not depend on a scale of the weights that ReLU or batch norm cancels.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.schema import IGNORED, NORMALIZATION
from landscape_nb.weights.copies import check_model
from landscape_nb.weights.filters import (
    FilterDim,
    Filters,
    carrying,
    filter_fields_of,
    filters_of,
    joined_filter_fields,
    ruled_filter_fields,
    widened,
)
from landscape_nb.weights.params import Params, check_params, check_tensors, parameters_of

Ignore = Callable[[str], bool] | Literal["one-dimensional"] | None
_EPSILON = 1e-10
_WHOLE = Filters()


class Direction(dict[str, Tensor]):
    """A `Params` that remembers how it was made, for the provenance of what is drawn with it.

    `.copy()` keeps both attributes. `|` keeps `filters` but not `made`, for with other tensors in it the result was
    not made like that. `dict(...)` drops both.

    Attributes:
        made: How it was made: for instance its kind, seed and normalization.
        filters: What is known of its tensors' filters, where they are not along dimension 0 or are pruned.
    """

    def __init__(self, tensors: Params, **made: str | int | dict | None):
        check_tensors("tensors", tensors)
        super().__init__(tensors)
        self.made = made
        self.filters = filter_fields_of(tensors)

    def copy(self) -> "Direction":
        """A shallow copy with the same `made` and `filters`.

        Example:
            >>> Direction({"w": torch.ones(1)}, seed=3).copy().made
            {'seed': 3}
        """
        return Direction(self, **self.made)

    def __or__(self, other: Any) -> Params:  # pyrefly: ignore[bad-override]  (a dict of tensors alone)
        return (
            carrying({**self, **other}, self.filters | filter_fields_of(other))
            if isinstance(other, dict)
            else NotImplemented
        )

    def __ror__(self, other: Any) -> Params:  # pyrefly: ignore[bad-override]
        return (
            carrying({**other, **self}, filter_fields_of(other) | self.filters)
            if isinstance(other, dict)
            else NotImplemented
        )


def made_of(direction: Params) -> dict[str, Any]:
    """How a direction was made; empty where nothing says it, as of a plain dict.

    Example:
        >>> made_of(Direction({"w": torch.ones(1)}, seed=3)), made_of({"w": torch.ones(1)})
        ({'seed': 3}, {})
    """
    return getattr(direction, "made", {})


def normalize_direction(
    direction: Params,
    reference: Params | nn.Module,
    method: str = "filter",
    ignore: Ignore = "one-dimensional",
    filter_dim: FilterDim | None = None,
) -> Direction:
    """Rescale a direction to the weights of a point.

    A filter is what makes one output channel, neuron or token: a slice along dimension 0, or along
    dimension 1 of a transposed convolution's weight (for each of its groups) and of Hugging Face's
    `Conv1D`. A gate's unit of an LSTM and a token's row of an embedding are filters, too. Which
    dimension it is, a model knows, and so does a point or direction that came from one. In a plain dict of
    tensors, for instance one read from a file, filters lie along dimension 0 unless `filter_dim` says otherwise.

    Args:
        direction: The direction, keyed and shaped like `reference`.
        reference: The point whose weights w set the scale, or a model.
        method: One of
            `'filter'`: each filter d becomes d · ‖w‖ / (‖d‖ + 10⁻¹⁰), Frobenius norms; a filter with
            w = 0 (a dead filter) is zero;
            `'layer'`: the same over each whole tensor;
            `'weight'`: d ⊙ w;
            `'unit-filter'`, `'unit-layer'`: each filter or tensor gets norm 1;
            `'none'`: d as it is.
        ignore: Which tensors do not move, whatever the method: `'one-dimensional'` ones (biases, batch norm's
            γ and β; weight normalization's g counts as one), or those for whose name a function returns True, or
            none of them (None). A one-dimensional tensor that is not ignored is one filter.
        filter_dim: Along which dimension the filters of some parameters lie, as in `parameters_of`.

    Returns:
        The rescaled direction; ignored tensors, and entries that `torch.nn.utils.prune` has masked, are zero.

    Warns:
        UserWarning: A weight is computed from other parameters (weight or spectral normalization, another
            parametrization): then these are what is rescaled and moved. `made["computed"]` lists them.

    Raises:
        ValueError: An unknown method, a missing, misshapen, sparse or non-finite tensor, or a rule that does not fit.
        TypeError: `direction` is not a dict of tensors, or `reference` neither that nor a model.

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
    reference = as_params("reference", reference, filter_dim)
    check_params("direction", direction, reference)
    normalized = normalized_direction(direction, reference, method, ignore)
    warn_of_computed(normalized)
    return normalized


def normalized_direction(direction: Params, reference: Params, method: str, ignore: Ignore) -> Direction:
    """`normalize_direction` without its checks of arguments and its warning."""
    made, fields = made_of(direction), joined_filter_fields(direction, reference)
    filters = filters_of(carrying(reference, fields))
    direction = _formatted(direction, reference)
    moved = [name for name, d in direction.items() if not is_ignored(name, d, ignore, filters[name])]
    rescaled = {name: torch.zeros_like(d) for name, d in direction.items()}
    for name in moved:
        own = filters[name]
        rescaled[name] = METHODS[method](own.masked(direction[name]), own.masked(reference[name]), own)
    left_out = getattr(ignore, "__qualname__", "a function") if callable(ignore) else ignore
    made = made | {NORMALIZATION: method, IGNORED: left_out}
    if method == "filter":
        dead = _dead({name: reference[name] for name in moved}, filters)
        made |= {"dead_filters": sum(map(len, dead.values()))} if dead else {}
    return Direction(carrying(rescaled, fields), **made | _described({name: filters[name] for name in moved}))


def _formatted(direction: Params, reference: Params) -> Params:
    """The direction on the reference's device, in the wider of both number formats."""
    return {
        name: d.to(reference[name].device, torch.promote_types(d.dtype, reference[name].dtype))
        for name, d in direction.items()
    }


def _described(filters: Mapping[str, Filters]) -> dict[str, dict[str, int] | dict[str, str]]:
    """What provenance says about the filters: dimensions other than 0, pruned weights and computed weights."""
    facts = {
        "filter_dim": {name: own.dim for name, own in filters.items() if own.dim},
        "pruned": {name: int((own.mask == 0).sum()) for name, own in filters.items() if own.mask is not None},
        "computed": {name: own.computed for name, own in filters.items() if own.computed},
    }
    return {name: fact for name, fact in facts.items() if fact}


def warn_of_computed(direction: Direction) -> None:
    """Warn if a direction moves tensors that a weight is computed from, instead of the weight."""
    computed = direction.made.get("computed")
    if isinstance(computed, dict) and computed:
        name, what = next(iter(computed.items()))
        others = f" and {len(computed) - 1} more" if len(computed) > 1 else ""
        warnings.warn(
            f"{name!r}{others} is not a weight: {what} computes one from it. Directions move and rescale the former, "
            "so that steps are not in units of weights. If that is not wanted, make them parameters in a copy of the "
            "model first: torch.nn.utils.parametrize.remove_parametrizations(module, 'weight'), or for the older "
            "functions remove_weight_norm(module) and remove_spectral_norm(module) of torch.nn.utils.",
            UserWarning,
            stacklevel=3,
        )


def as_params(name: str, point: nn.Module | Params, filter_dim: FilterDim | None = None) -> Params:
    """A model's parameters, or a point as it is; in both cases with what a rule says about filters.

    Args:
        name: What the caller calls the argument, for the message.
        point: The model or point.
        filter_dim: As in `parameters_of`; names only, where there is no model.

    Raises:
        TypeError: `point` is neither a model nor a dict of tensors.
        ValueError: As in `parameters_of`; or the model is wrapped or empty, or numbers are not finite and real.
    """
    if isinstance(point, nn.Module):
        check_model(name, point)
        point, filter_dim = parameters_of(point, filter_dim), None
    check_kind(name, point, dict, "a torch.nn.Module, or a dict of tensors as parameters_of makes")
    check_params(name, point, point)
    if filter_dim is None:
        return point
    return carrying(point, ruled_filter_fields(filter_dim, point, filter_fields_of(point)))


def dead_filters(reference: Params | nn.Module, filter_dim: FilterDim | None = None) -> dict[str, list[int]]:
    """Filters whose weights are all 0: they have no scale to normalize to, so filter normalization does not move them.

    Args:
        reference: A model, or a point such as `parameters_of(model)`.
        filter_dim: Along which dimension the filters of some parameters lie, as in `parameters_of`.

    Returns:
        For each tensor that has any, the numbers of the output channels whose filters are dead. A one-dimensional
        tensor is one filter. Of a pruned weight, only what its mask keeps counts.

    Raises:
        ValueError: Entries that are not finite, or a rule that does not fit.
        TypeError: `reference` is neither a model nor a dict of tensors.

    Example:
        >>> dead_filters({"weight": torch.tensor([[1.0, 2.0], [0.0, 0.0]]), "bias": torch.ones(2)})
        {'weight': [1]}

    Source: Li et al. (2018), section 4, which does not say what to do with them.
    """
    reference = as_params("reference", reference, filter_dim)
    return _dead(reference, filters_of(reference))


def _dead(reference: Params, filters: Mapping[str, Filters]) -> dict[str, list[int]]:
    norms = {name: filters[name].norms(filters[name].masked(weight)).flatten() for name, weight in reference.items()}
    return {name: (found == 0).nonzero().flatten().tolist() for name, found in norms.items() if not found.all()}


def relative_steps(
    direction: Params,
    reference: Params | nn.Module,
    method: str = "filter",
    filter_dim: FilterDim | None = None,
) -> tuple[float, float]:
    """The smallest and the largest step of a filter, or of a layer, in units of its own weights.

    A normalized direction has 1 and 1; one that was normalized to another network does not. Filters that do not
    move, and filters whose weights are all 0, are left out.

    Args:
        direction: A direction.
        reference: The point that it starts from, keyed like it, or a model.
        method: `'filter'` or `'layer'`.
        filter_dim: Along which dimension the filters of some parameters lie, as in `parameters_of`.

    Returns:
        Both ratios ‖d‖ / ‖w‖; NaN if nothing moves.

    Raises:
        ValueError: An unknown method, a direction that does not fit the reference, or a rule that does not.
        TypeError: `direction` is not a dict of tensors, or `reference` neither that nor a model.

    Example:
        >>> w = {"weight": torch.tensor([[3.0, 4.0], [0.0, 2.0]])}
        >>> relative_steps({"weight": torch.tensor([[5.0, 0.0], [0.0, 1.0]])}, w)
        (0.5, 1.0)

    Source: Dinh et al. (2017); Li et al. (2018), section 4.
    """
    check_choice("method", method, ("filter", "layer"))
    reference = as_params("reference", reference, filter_dim)
    check_params("direction", direction, reference)
    filters = filters_of(carrying(reference, joined_filter_fields(direction, reference)))

    def lengths(point: Params) -> Tensor:
        kept = {name: filters[name].masked(point[name]) for name in reference}
        norms = [filters[name].norms(t) if method == "filter" else _norm(t) for name, t in kept.items()]
        return torch.cat([norm.flatten().cpu() for norm in norms]).double()

    steps, weights = lengths(direction), lengths(reference)
    ratios = (steps / weights)[(steps > 0) & (weights > 0)]
    return (float(ratios.min()), float(ratios.max())) if len(ratios) else (float("nan"), float("nan"))


def check_ignore(ignore: object) -> None:
    """Raise a `ValueError` unless the argument is one that `normalize_direction` takes as `ignore`."""
    is_function = callable(ignore) and not isinstance(ignore, type)
    if not (ignore is None or is_function or (isinstance(ignore, str) and ignore == "one-dimensional")):
        raise ValueError(f"ignore: got {ignore!r}, wants 'one-dimensional', a function of a parameter's name, or None")


def is_ignored(name: str, tensor: Tensor, ignore: Ignore, filters: Filters = _WHOLE) -> bool:
    """Whether `ignore` leaves this tensor out of a direction.

    Weight normalization's g has as many dimensions as the weight, but one number a filter: like batch
    norm's γ it counts as one-dimensional.

    Example:
        >>> is_ignored("bias", torch.zeros(3), "one-dimensional")
        True
    """
    if callable(ignore):
        return ignore(name)
    return ignore == "one-dimensional" and (tensor.ndim <= 1 or filters.magnitude)


def _norm(tensor: Tensor) -> Tensor:
    return torch.linalg.vector_norm(widened(tensor))


def _ratio(wanted: Tensor | float, norms: Tensor) -> Tensor:
    """Factors that take filters from their norms to the wanted ones; 0 for a filter of norm 0, which stays zero."""
    return torch.where(norms == 0, 0.0, wanted / (norms + _EPSILON))


def _times(tensor: Tensor, factor: Tensor) -> Tensor:
    return (widened(tensor) * factor).to(tensor.dtype)


METHODS: dict[str, Callable[[Tensor, Tensor, Filters], Tensor]] = {
    "none": lambda d, w, own: d.clone(),
    "weight": lambda d, w, own: d * w,
    "layer": lambda d, w, own: _times(d, _ratio(_norm(w), _norm(d))),
    "filter": lambda d, w, own: own.scaled(d, _ratio(own.norms(w), own.norms(d))),
    "unit-layer": lambda d, w, own: _times(d, _ratio(1.0, _norm(d))),
    "unit-filter": lambda d, w, own: own.scaled(d, _ratio(1.0, own.norms(d))),
}
