"""Which slices of a parameter are its filters: the weights that make one output channel, neuron or token.

They lie along dimension 0 of most tensors, but along dimension 1 of the weight of a transposed convolution,
or of the `Conv1D` of Hugging Face's GPT-2. A point that `parameters_of` took from a model carries what the
modules say about that, as a `state_dict()` carries `_metadata`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from landscape_nb._common.compat import AnyConvTranspose, pre_hooks_of

FilterDim = Mapping[str | type[nn.Module], int] | Callable[[str, Tensor], int | None]
FilterFields = dict[str, dict[str, Any]]
"""Fields of `Filters` by name, where they are not the defaults. Plain, so that `torch.load` reads them as weights."""

_WANTED = "a dict from parts of names ('decoder.*') or module classes to dimensions, or a function (name, tensor)"


@dataclass(frozen=True)
class Filters:
    """How a tensor is cut into filters.

    Attributes:
        dim: The dimension along which the filters (of a group) lie.
        groups: Into how many groups the first dimension is cut, each with filters of its own, as in a grouped
            transposed convolution.
        mask: For a pruned weight, 1 where it is kept and 0 where it is pruned; None keeps all of it.
        magnitude: Whether the entries are lengths of another tensor's filters, such as weight normalization's g.
        computed: What computes a layer's weight from this tensor; None where the tensor is the weight.

    Example:
        >>> Filters(dim=1).norms(torch.tensor([[3.0, 0.0], [4.0, 2.0]]))
        tensor([[[5., 2.]]], dtype=torch.float64)
    """

    dim: int = 0
    groups: int = 1
    mask: Tensor | None = None
    magnitude: bool = False
    computed: str | None = None

    def masked(self, tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
        """The tensor with zeros where the weight is pruned."""
        return tensor if self.mask is None else tensor * self.mask.to(tensor)

    def norms(self, tensor: Shaped[Tensor, "..."]) -> Shaped[Tensor, "groups ..."]:
        """The norm of each filter, in the order of the output channels, in a shape that `scaled` takes as factors."""
        parts = self._cut(widened(tensor))
        return torch.linalg.vector_norm(parts, dim=[d for d in range(1, parts.ndim) if d != self.dim + 1], keepdim=True)

    def scaled(
        self, tensor: Shaped[Tensor, "*shape"], factors: Shaped[Tensor, "groups ..."]
    ) -> Shaped[Tensor, "*shape"]:
        """The tensor, in its number format, with each filter multiplied by a factor."""
        return (self._cut(widened(tensor)) * factors).reshape(tensor.shape).to(tensor.dtype)

    def _cut(self, tensor: Shaped[Tensor, "..."]) -> Shaped[Tensor, "groups ..."]:
        """A view whose dimensions 0 and `dim` + 1 count the filters; a tensor of one dimension is one filter."""
        if tensor.ndim <= 1:
            return tensor.reshape(1, 1, -1)
        return tensor.unflatten(0, (self.groups, tensor.shape[0] // self.groups))


def widened(tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The tensor in the number format that norms are computed in.

    Example:
        >>> widened(torch.ones(1, dtype=torch.float16)).dtype
        torch.float64
    """
    # In float16 1e-10 is 0 and 300² is infinite, in float32 the squares of 1e-25 and 1e25 are 0 and infinite.
    # Apple's GPUs (mps) have no double precision, so that there float32 has to do.
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def carrying(params: dict[str, Tensor], fields: FilterFields) -> dict[str, Tensor]:
    """The same tensors in a dict that carries what is known of their filters; a plain dict if nothing is known.

    Example:
        >>> filter_fields_of(carrying({"w": torch.ones(2, 2)}, {"w": {"dim": 1}}))
        {'w': {'dim': 1}}
    """
    if not fields:
        return dict(params)
    # An OrderedDict with an attribute, not a class of our own: torch's pytrees, `torch.func` and
    # `torch.load(weights_only=True)` know it. What makes a dict anew (`{**params}`, `params.copy()`, `params | {}`)
    # drops the attribute; `copy.copy` keeps it.
    carried: Any = OrderedDict(params)
    carried.filters = fields
    return carried


def filter_fields_of(params: Mapping[str, Tensor]) -> FilterFields:
    """What a point or direction says about its filters; nothing means that all are along dimension 0."""
    return getattr(params, "filters", {})


def filters_of(params: Mapping[str, Tensor]) -> dict[str, Filters]:
    """How each tensor of a point or direction is cut into filters."""
    fields = filter_fields_of(params)
    return {name: Filters(**fields.get(name, {})) for name in params}


def joined_filter_fields(direction: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> FilterFields:
    """What a direction and the point it starts from say together.

    The dimensions are the direction's, for its maker knew its model; masks and computed weights are the point's.
    """
    own, known = filter_fields_of(direction), filter_fields_of(reference)
    kept = {
        name: {key: value for key, value in entry.items() if name not in known or key in ("dim", "groups")}
        for name, entry in own.items()
    }
    return {name: known.get(name, {}) | kept.get(name, {}) for name in known | own}


def filter_fields_in(model: nn.Module) -> FilterFields:
    """What a model's modules say of their parameters' filters, by the first name of each parameter.

    Example:
        >>> filter_fields_in(nn.ConvTranspose2d(4, 6, 3, groups=2))
        {'weight': {'dim': 1, 'groups': 2}}
    """
    found: FilterFields = {}
    for module, names in _owned(model):
        fields = _fields_below(module)
        for below, name in names.items():
            found.setdefault(name, fields.get(below, {}))
    return {name: entry for name, entry in found.items() if entry}


def ruled_filter_fields(
    filter_dim: FilterDim, params: Mapping[str, Tensor], known: FilterFields, model: nn.Module | None = None
) -> FilterFields:
    """What is known of filters, with dimensions as a rule says.

    Args:
        filter_dim: A dict from glob patterns of names, or module classes, to dimensions; the first entry that fits
            counts. Or a function of name and tensor that returns a dimension, or None to keep what is known.
            A tensor of one dimension is one filter, whatever the rule says.
        params: The tensors by name.
        known: What is known without the rule.
        model: The model that the parameters belong to; needed where the rule names module classes.

    Raises:
        TypeError: The rule is neither a dict nor a function.
        ValueError: A name or class fits no tensor of two dimensions or more, or a tensor does not have the dimension.

    Example:
        >>> ruled_filter_fields({"w*": -1}, {"w1": torch.ones(2, 3), "b": torch.ones(2)}, {})
        {'w1': {'dim': 1, 'groups': 1}}
    """
    matrices = {name: tensor for name, tensor in params.items() if tensor.ndim > 1}
    if isinstance(filter_dim, Mapping):
        chosen = _by_pattern(filter_dim, matrices, model)
    elif callable(filter_dim) and not isinstance(filter_dim, type):
        chosen = {name: dim for name, tensor in matrices.items() if (dim := filter_dim(name, tensor)) is not None}
    else:
        got = "the class " + filter_dim.__name__ if isinstance(filter_dim, type) else type(filter_dim).__name__
        raise TypeError(f"filter_dim: got {got}, wants {_WANTED}")
    fields = dict(known)
    for name, dim in chosen.items():
        entry = known.get(name, {})
        dim = _checked_dim(name, dim, matrices[name])
        groups = entry.get("groups", 1) if dim == entry.get("dim", 0) else 1
        fields[name] = entry | {"dim": dim, "groups": groups}
    return fields


def _by_pattern(rule: Mapping, matrices: Mapping[str, Tensor], model: nn.Module | None) -> dict[str, object]:
    owned = [] if model is None else reversed(list(_owned(model)))
    owners = {name: module for module, names in owned for name in names.values()}
    chosen: dict[str, object] = {}
    for pattern, dim in rule.items():
        if isinstance(pattern, type) and model is None:
            raise ValueError(f"filter_dim: got the class {pattern.__name__}, which needs a model instead of a point")
        if isinstance(pattern, type):
            fitting = [name for name in matrices if isinstance(owners[name], pattern)]
        elif isinstance(pattern, str):
            fitting = [name for name in matrices if fnmatchcase(name, pattern)]
        else:
            raise TypeError(f"filter_dim: got a key {pattern!r}, wants {_WANTED}")
        if not fitting:
            raise ValueError(f"filter_dim: {pattern!r} fits no parameter of two dimensions or more")
        chosen = dict.fromkeys(fitting, dim) | chosen
    return chosen


def _checked_dim(name: str, dim: object, tensor: Tensor) -> int:
    if isinstance(dim, bool) or not isinstance(dim, int) or not -tensor.ndim <= dim < tensor.ndim:
        shape = tuple(tensor.shape)
        raise ValueError(f"filter_dim: got {dim!r} for {name!r}, wants a dimension of its shape {shape}")
    return dim % tensor.ndim


def _owned(model: nn.Module) -> Iterator[tuple[nn.Module, dict[str, str]]]:
    """Each module with its own parameters: their names below the module, and their first names in the model.

    The tensors that a parametrization computes from belong to the module whose weight it computes.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for module in model.modules():
        own = dict(module.named_parameters(recurse=False))
        for base, parts in _parametrizations(module).items():
            own |= {f"parametrizations.{base}.{name}": p for name, p in parts.named_parameters(recurse=False)}
        yield module, {below: names[id(parameter)] for below, parameter in own.items()}


def _parametrizations(module: nn.Module) -> dict[str, Any]:
    """What a module's tensors are computed by, by their names."""
    parametrizations: Any = module.parametrizations if is_parametrized(module) else {}
    return dict(parametrizations.items())


def _fields_below(module: nn.Module) -> FilterFields:
    """What a module says of its own parameters, by their names below it.

    A pruned weight is kept as `weight_orig` beside the buffer `weight_mask`. Weight and spectral normalization come in
    two kinds: a hook that sets `weight` before each call, or a parametrization, of which a weight may have several.
    """
    fields: FilterFields = {name: _of_kind(module, name) for name, _ in module.named_parameters(recurse=False)}
    for name, mask in module.named_buffers(recurse=False):
        if name.endswith("_mask") and (pruned := f"{name.removesuffix('_mask')}_orig") in fields:
            fields[pruned] = fields[pruned] | {"mask": mask.detach().clone()}
    for hook in pre_hooks_of(module):
        if isinstance(hook, WeightNorm):
            fields |= _weight_norm(module, hook.name, hook.dim, f"{hook.name}_g", f"{hook.name}_v")
        if isinstance(hook, SpectralNorm):
            fields[f"{hook.name}_orig"] = _of_kind(module, hook.name) | {"computed": "SpectralNorm"}
    for base, parts in _parametrizations(module).items():
        names = [f"parametrizations.{base}.{name}" for name, _ in parts.named_parameters(recurse=False)]
        kinds = [type(part).__name__.lstrip("_") for part in parts]
        fields |= {name: _of_kind(module, base) | {"computed": " of ".join(reversed(kinds))} for name in names}
        if kinds == ["WeightNorm"] and len(names) == 2:
            fields |= _weight_norm(module, base, parts[0].dim, *names)
    return fields


def _of_kind(module: nn.Module, name: str) -> dict[str, int]:
    """Along which dimension the filters of a module's tensor lie, from the module's class."""
    if name.split("_")[0] != "weight":
        return {}
    if isinstance(module, AnyConvTranspose):
        return {"dim": 1} | ({"groups": module.groups} if module.groups > 1 else {})
    # GPT-2's layer, whose package need not be there: it multiplies with a weight of shape (inputs, outputs).
    is_conv1d = any(c.__name__ == "Conv1D" and c.__module__.startswith("transformers.") for c in type(module).__mro__)
    return {"dim": 1} if is_conv1d else {}


def _weight_norm(module: nn.Module, base: str, dim: int | None, magnitudes: str, vectors: str) -> FilterFields:
    """The weight is g · v / ‖v‖, with one g for each slice of v along `dim`: those are v's filters."""
    whole = dim in (None, -1)
    filters = _of_kind(module, base) if whole else {"dim": dim} if dim else {}
    computed = {"computed": "WeightNorm"}
    return {magnitudes: computed | {"magnitude": True}, vectors: filters | computed}
