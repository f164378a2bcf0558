"""Copies of models that share nothing with the caller's, and the kinds of model that cannot be copied so."""

import copy
import functools
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cloudpickle
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from landscape_nb._common.checks import check_kind
from landscape_nb._common.compat import WRAPPED_BY_COMPILE, children_of, is_compiled, own_buffers_of, storage_id
from landscape_nb.models import Net
from landscape_nb.weights.params import is_same

CONTAINERS = dict, OrderedDict, defaultdict, list, set, deque
_WRAPPERS = {nn.DataParallel: "module", DistributedDataParallel: "module"}


def check_model(name: str, model: Any) -> None:
    """Raise unless a model is a module whose weights can be read and replaced.

    Args:
        name: What the caller calls the argument, for the message.
        model: The model to check.

    Raises:
        TypeError: It is not a module, or a scripted or traced one.
        ValueError: It wraps the module that is wanted, or weights have no values yet.

    Example:
        >>> check_model("model", nn.LazyLinear(3))
        Traceback (most recent call last):
        ...
        ValueError: model: 'weight' has no values yet; call the model once on a batch first
    """
    check_kind(name, model, nn.Module, "a torch.nn.Module")
    inside = next((inner for kind, inner in _WRAPPERS.items() if isinstance(model, kind)), None)
    inside = WRAPPED_BY_COMPILE if WRAPPED_BY_COMPILE in children_of(model) else inside
    if inside:
        raise ValueError(f"{name}: got {type(model).__name__}, wants the module that it wraps, model.{inside}")
    for path, module in model.named_modules():
        where = f" in {path!r}" if path else ""
        if is_compiled(vars(module).get("forward")):
            raise ValueError(f"{name}: got a compiled forward{where}, wants the module without it: del module.forward")
        if isinstance(module, torch.jit.ScriptModule):
            raise TypeError(
                f"{name}: got a scripted or traced module{where}, whose weights cannot be replaced; "
                "wants the torch.nn.Module that it was made from"
            )
    for path, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(f"{name}: {path!r} has no values yet; call the model once on a batch first")
        if tensor.is_meta:
            raise ValueError(f"{name}: {path!r} is on the device 'meta' and has no values; load the weights first")
    _check_aliases(name, model)


def _check_aliases(name: str, model: nn.Module) -> None:
    """Raise where an attribute shares a parameter's memory: in a copy, or at another point, it no longer would."""
    parameters = {id(p) for p in model.parameters()}
    owners = {storage_id(p): path for path, p in model.named_parameters() if _has_storage(p)}
    for path, module in model.named_modules():
        for attribute, value in (vars(module) | own_buffers_of(module)).items():
            shares = isinstance(value, Tensor) and id(value) not in parameters and _has_storage(value)
            where = f"{path}.{attribute}" if path else attribute
            owner = owners.get(storage_id(value)) if shares and value.grad_fn is None else None
            if owner and not owner.startswith(f"{where}_"):  # a hook makes `weight` of `weight_orig` at every call
                raise ValueError(
                    f"{name}: its attribute {where!r} shares memory with the parameter {owner!r} and would stay behind "
                    "when that moves; make it a view in forward"
                )


def _has_storage(tensor: Tensor) -> bool:
    return not is_lazy(tensor) and tensor.layout is torch.strided and not tensor.is_meta and tensor.numel() > 0


def copied_model(model: Net, name: str = "model") -> Net:
    """A copy that shares nothing with the model.

    Tensors that a forward pass left in modules are copied without their graph. Functions that a model
    keeps (a lambda over `self`, a hook) call the copy's layers, not the model's.

    Args:
        model: The model; it stays as it is.
        name: What the caller calls the argument, for the message.

    Raises:
        TypeError: Something in the model cannot be copied; the message says which attribute.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = nn.Linear(1, 1)
        ...         self.forward = lambda x: self.layer(x)
        >>> net = Net()
        >>> copied = copied_model(net)
        >>> _ = nn.init.zeros_(net.layer.weight), nn.init.zeros_(net.layer.bias)
        >>> bool(copied(torch.ones(1, 1)) == 0)
        False
    """
    try:
        with _WithoutGraphs():
            copied = copy.deepcopy(model)
    except Exception as error:
        raise TypeError(f"{name}: {_what_cannot_be_copied(model)} ({error})") from error
    if own := {id(p) for p in copied.parameters()} & {id(p) for p in model.parameters()}:
        shared = next(path for path, p in model.named_parameters() if id(p) in own)
        raise TypeError(
            f"{name}: a copy of it shares {shared!r} with it: one of its classes defines its own way to be copied"
        )
    return _pickled_copy(model, name) if _reaches(copied, model) else copied


class _WithoutGraphs(TorchFunctionMode):
    """Copies results of a computation without their graph: torch refuses to copy them with it."""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        if function is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = tensor.detach().clone()
            return memo[id(tensor)]
        return function(*args, **(kwargs or {}))


def _pickled_copy(model: Net, name: str) -> Net:
    """A copy made by cloudpickle, which copies closures too; `copy.deepcopy` keeps the same function."""
    try:
        return cloudpickle.loads(cloudpickle.dumps(model))
    except Exception as error:
        raise TypeError(
            f"{name}: it keeps functions that call its own layers, and cannot be copied with them ({error}); "
            "make these functions methods of its class"
        ) from error


def _reaches(copied: nn.Module, model: nn.Module) -> bool:
    """Whether something that a copy keeps leads to a module or parameter of the model.

    `copy.deepcopy` takes a function for a constant. A lambda over `self` in a copy therefore calls the layers of the
    original: the copy would compute with the caller's weights, whatever its own are, and no error would say so.
    """
    originals = {id(part) for part in (*model.modules(), *model.parameters())}
    originals -= {id(part) for part in copied.modules()}  # modules without parameters may be shared on purpose
    waiting = [part for module in copied.modules() for part in vars(module).values()]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in originals:
            return True
        if id(part) not in seen:
            seen.add(id(part))
            waiting += _held(part)
    return False


def _held(part: Any) -> Iterable[Any]:
    """The objects that an object refers to, apart from a function's globals."""
    if isinstance(part, types.FunctionType):
        cells = [cell.cell_contents for cell in part.__closure__ or () if _is_filled(cell)]
        return [*cells, *(part.__defaults__ or ()), *(part.__kwdefaults__ or {}).values()]
    if isinstance(part, types.MethodType):
        return [part.__self__]
    if isinstance(part, functools.partial):
        return [part.func, *part.args, *part.keywords.values()]
    if isinstance(part, Mapping):
        return list(part.values())
    if isinstance(part, tuple | list | set | frozenset | deque):
        return list(part)
    if isinstance(part, type | types.ModuleType | Tensor):
        return []
    return list(vars(part).values()) if hasattr(part, "__dict__") else []


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _what_cannot_be_copied(model: nn.Module) -> str:
    """The first attribute that `copy.deepcopy` refuses, in words."""
    known = {id(part): part for part in (*model.modules(), *model.parameters(), *model.buffers())}
    for path, module in model.named_modules():
        for attribute, value in vars(module).items():
            try:
                with _WithoutGraphs():
                    copy.deepcopy(value, dict(known))
            except Exception:
                where = f"{path}.{attribute}" if path else attribute
                return f"its attribute {where!r}, a {type(value).__name__}, cannot be copied; remove it first"
    return f"a {type(model).__name__} cannot be copied"


class ModuleSnapshot:
    """What the modules of a model keep besides their weights, so that it can be put back after a call.

    It holds attributes, the items of their lists, dicts, sets and deques (one level deep), and tensors' values.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> snapshot = ModuleSnapshot(model)
        >>> model.calls = 1
        >>> snapshot.changed()
        frozenset({('', 'calls')})
        >>> snapshot.restore()
        >>> hasattr(model, "calls")
        False
    """

    def __init__(self, model: nn.Module):
        self.attributes = [(path, module, dict(vars(module))) for path, module in model.named_modules()]
        kept = [((path, key), value) for path, _, own in self.attributes for key, value in own.items()]
        self.containers = [(where, value, copy.copy(value)) for where, value in kept if type(value) in CONTAINERS]
        tensors = [(where, value) for where, value in kept if isinstance(value, Tensor)]
        self.tensors = [(where, value, value.detach().clone()) for where, value in tensors]

    def changed(self) -> frozenset[tuple[str, str]]:
        """Which attributes were replaced, or have other contents, as pairs (path of the module, name)."""
        found = set()
        for path, module, own in self.attributes:
            now = vars(module)
            found |= {(path, key) for key in own.keys() | now.keys() if own.get(key, own) is not now.get(key, now)}
        found |= {where for where, value, content in self.containers if not _same(value, content)}
        return frozenset(found | {where for where, value, content in self.tensors if not is_same(value, content)})

    def forget_unwritten(self) -> None:
        """Keep only the values of tensors that have been written since: most are replaced, or just read."""
        self.tensors = [
            (where, value, content) for where, value, content in self.tensors if not is_same(value, content)
        ]

    def restore(self) -> None:
        """Put everything back."""
        for _, module, own in self.attributes:
            vars(module).clear()
            vars(module).update(own)
        for _, value, content in self.containers:
            value.clear()
            value.extend(content) if isinstance(value, list | deque) else value.update(content)
        with torch.no_grad():
            for _, value, content in self.tensors:
                value.copy_(content)


def _same(container: Any, content: Any) -> bool:
    """Whether two containers hold the same objects."""
    if isinstance(container, set):
        return set(map(id, container)) == set(map(id, content))
    pairs = [list(each.items()) if isinstance(each, dict) else list(enumerate(each)) for each in (container, content)]
    return len(pairs[0]) == len(pairs[1]) and all(a[0] == b[0] and a[1] is b[1] for a, b in zip(*pairs, strict=True))
