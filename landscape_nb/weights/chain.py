"""Which layers of a network follow one another in a chain, and which tensors hold the units of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from landscape_nb._common.compat import forward_hooks_of, pre_hooks_of
from landscape_nb._common.rng import preserved_rng
from landscape_nb.weights.copies import copied_model

_CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d
_WEIGHTED = nn.Linear, *_CONVOLUTIONS
_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d
_POINTWISE = {
    nn.CELU, nn.Dropout, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Identity, nn.LeakyReLU,
    nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softsign, nn.Tanh,
    F.dropout, F.elu, F.gelu, F.leaky_relu, F.relu, F.sigmoid, F.silu, F.tanh, torch.relu, torch.sigmoid, torch.tanh,
    Tensor.relu, Tensor.sigmoid, Tensor.tanh,
}  # fmt: skip
_POOLING = {
    nn.Conv1d: {
        nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d, nn.AvgPool1d, nn.Dropout1d, nn.MaxPool1d, F.adaptive_avg_pool1d,
        F.avg_pool1d, F.max_pool1d,
    },
    nn.Conv2d: {
        nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.Dropout2d, nn.MaxPool2d, F.adaptive_avg_pool2d,
        F.adaptive_max_pool2d, F.avg_pool2d, F.max_pool2d,
    },
    nn.Conv3d: {nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d, nn.AvgPool3d, nn.Dropout3d, nn.MaxPool3d},
}  # fmt: skip
"""What treats each channel of an image alike, and by itself. With one more dimension than the convolution has it would
take a batch for one image, and its channels for rows of pixels."""
_FLATTENS = {nn.Flatten, torch.flatten, Tensor.flatten}
_SUPPORTED = (
    "supported are Linear and Conv layers in one chain, between them BatchNorm, pointwise activations, Dropout, "
    "pooling and Flatten"
)


class Part(NamedTuple):
    """A tensor along one of whose axes a layer's units lie: one entry, or a block of as many for each."""

    name: str
    axis: int


class HiddenLayer(NamedTuple):
    """A layer whose units may change places: how many there are, and the tensors that must follow."""

    units: int
    parts: tuple[Part, ...]


def hidden_layers(model: nn.Module, name: str = "model") -> list[HiddenLayer]:
    """The layers of a chain whose units another layer reads, in order.

    The forward pass is traced, not run: every layer with weights must be called once, and from the first of them to the
    last each result must be read by the next call and by nothing else.

    Args:
        model: The network; it stays as it is. Its layers get a batch: the first axis of what they get is that of the
            samples, and a batch norm behind a Linear layer gets a matrix.
        name: What the caller calls the argument, for the message.

    Raises:
        ValueError: The model is not such a chain; the message names the module where it ends.
        TypeError: Something in the model cannot be copied.

    Example:
        >>> hidden_layers(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))[0].parts
        (Part(name='0.weight', axis=0), Part(name='0.bias', axis=0), Part(name='2.weight', axis=1))
    """
    try:
        return _read_chain(copied_model(model, name).eval())
    except _NoChainError as error:
        raise ValueError(f"{name}: {error}; {_SUPPORTED}") from error


class _NoChainError(Exception):
    """A model is not a chain of supported layers; the message says where."""


def _read_chain(model: nn.Module) -> list[HiddenLayer]:
    calls, modules = _traced(model), dict(model.named_modules())
    _check_modules(modules, calls)
    _check_parameters(model, calls)
    weighted = [n for n, call in enumerate(calls) if _kind(call, modules) in _WEIGHTED]
    for first, last in pairwise(weighted):
        for before, after in pairwise(calls[first : last + 1]):
            _check_follows(before, after)
    return [_hidden_layer(calls[first : last + 1], modules) for first, last in pairwise(weighted)]


class _OneInput(nn.Module):
    """Calls a model with one input, so that its other arguments have their default values in the trace."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Any:
        return self.model(inputs)


def _traced(model: nn.Module) -> list[fx.Node]:
    """What a model calls, in order, by the names that it has in the model."""
    try:
        with preserved_rng():
            nodes = list(fx.Tracer().trace(_OneInput(model)).nodes)
    except Exception as error:
        raise _NoChainError(f"its forward pass cannot be traced ({error})") from error
    for node in nodes:
        if node.op in ("call_module", "get_attr"):
            node.target = _in_model(str(node.target))
    return nodes


def _in_model(path: str) -> str:
    return path.removeprefix("model").removeprefix(".")


def _kind(call: fx.Node, modules: Mapping[str, nn.Module]) -> Any:
    """The class of the module, or the function, that is called."""
    if call.op == "call_module":
        return type(modules[str(call.target)])
    return getattr(Tensor, str(call.target), None) if call.op == "call_method" else call.target


def _where(call: fx.Node) -> str:
    """A call in words: the module's name, or the function's and the module that calls it."""
    if call.op == "call_module":
        return repr(call.target)
    called = call.target if isinstance(call.target, str) else getattr(call.target, "__name__", call.name)
    *_, inside = "", *map(_in_model, call.meta.get("nn_module_stack", {}))
    return f"{called!r} in {inside!r}" if inside else repr(called)


def _check_modules(modules: Mapping[str, nn.Module], calls: Sequence[fx.Node]) -> None:
    """Raise unless what has weights is supported, does what its class does, and is called once."""
    times = Counter(str(call.target) for call in calls if call.op == "call_module")
    for name, module in modules.items():
        if [*forward_hooks_of(module), *pre_hooks_of(module)] or "forward" in vars(module):
            raise _NoChainError(f"{name!r} has hooks, or a forward of its own, which may do anything")
    for name, count in times.items():
        module = modules[name]
        if any(True for _ in module.parameters()) and type(module) not in (*_WEIGHTED, *_NORMS):
            raise _NoChainError(f"{name!r} is a {type(module).__name__}")
        if getattr(module, "groups", 1) != 1:
            raise _NoChainError(f"{name!r} is a grouped convolution")
        if type(module) in (*_WEIGHTED, *_NORMS) and count > 1:
            raise _NoChainError(f"{name!r} is called {count} times")


def _check_parameters(model: nn.Module, calls: Sequence[fx.Node]) -> None:
    """Raise unless each parameter belongs to one layer, which is called, and nothing else reads what is the layer's."""
    own = {name for name, _ in model.named_parameters()}
    called = {str(call.target) for call in calls if call.op == "call_module"}
    read = {str(call.target) for call in calls if call.op == "get_attr"}
    of_layers = (*_WEIGHTED, *_NORMS)
    for layer in (layer for layer, module in model.named_modules() if isinstance(module, of_layers)):
        if found := sorted(name for name in read if name.rpartition(".")[0] == layer):
            raise _NoChainError(f"{found[0]!r} is read outside its layer")
    for name, _ in model.named_parameters(remove_duplicate=False):
        if name not in own:
            raise _NoChainError(f"{name!r} is shared")
        if name in read:
            raise _NoChainError(f"{name!r} is read outside a layer")
        if name.rpartition(".")[0] not in called:
            raise _NoChainError(f"{name!r} is not used by any layer that forward calls")


def _check_follows(before: fx.Node, after: fx.Node) -> None:
    """Raise unless a call reads the result of the one before it, as its first argument, and nothing else reads that."""
    if len(before.users) > 1:
        raise _NoChainError(f"the result of {_where(before)} goes to {' and to '.join(map(_where, before.users))}")
    if after.all_input_nodes != [before] or not after.args or after.args[0] is not before:
        raise _NoChainError(f"{_where(after)} does not follow {_where(before)} alone")


def _hidden_layer(calls: Sequence[fx.Node], modules: Mapping[str, nn.Module]) -> HiddenLayer:
    """A layer with weights, from its call to that of the next."""
    first, *between, last = calls
    has_images, is_flat = _kind(first, modules) in _CONVOLUTIONS, False
    pooling = _POOLING.get(_kind(first, modules), set())
    tensors = _own_tensors(first, modules)
    for call in between:
        kind = _kind(call, modules)
        if kind in _FLATTENS and _keeps_samples(call, modules):
            is_flat = True
        elif kind in _NORMS and (has_images or kind is nn.BatchNorm1d):
            tensors |= _own_tensors(call, modules)
        elif not (kind in _POINTWISE or (kind in pooling and not is_flat)):
            raise _NoChainError(f"{_where(call)} lies between {_where(first)} and {_where(last)}")
    weights, units = _own_tensors(last, modules)[f"{last.target}.weight"], len(tensors[f"{first.target}.weight"])
    sizes = {weights.shape[1], *map(len, tensors.values())}
    reads_images = _kind(last, modules) in _CONVOLUTIONS
    is_block = has_images and is_flat  # a channel became all its pixels, which lie beside each other
    fits = all(size % units == 0 if is_block else size == units for size in sizes)
    if not fits or reads_images != (has_images and not is_flat):
        raise _NoChainError(f"{_where(last)} does not read what {_where(first)} writes, unit by unit")
    return HiddenLayer(units, (*(Part(name, 0) for name in tensors), Part(f"{last.target}.weight", 1)))


def _own_tensors(call: fx.Node, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The parameters and buffers of a layer that have an entry, or a row, for each of its units."""
    module = modules[str(call.target)]
    own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {f"{call.target}.{key}": tensor for key, tensor in own if tensor.ndim}


def _keeps_samples(call: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a call of flatten makes a row of each sample."""
    if call.op == "call_module":
        module: Any = modules[str(call.target)]
        return (module.start_dim, module.end_dim) == (1, -1)
    said = {"start_dim": 0, "end_dim": -1, **dict(zip(("start_dim", "end_dim"), call.args[1:], strict=False))}
    return {**said, **call.kwargs} == {"start_dim": 1, "end_dim": -1}
