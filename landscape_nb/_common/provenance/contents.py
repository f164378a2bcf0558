"""What in an object decides a result: values, settings and the user's own code, but not the internals of libraries."""

import copyreg
import enum
import functools
import types
from collections import OrderedDict, UserList, defaultdict, deque
from collections.abc import Iterable, Mapping
from operator import itemgetter
from pathlib import PurePath
from typing import Any
from weakref import ProxyTypes, ReferenceType, WeakKeyDictionary, WeakValueDictionary

import numpy as np
import torch
from torch import Tensor, nn

from landscape_nb._common.compat import children_of, forward_hooks_of, own_buffers_of, own_parameters_of, pre_hooks_of
from landscape_nb._common.provenance.installed import package_of
from landscape_nb._common.provenance.own_code import (
    class_parts,
    code_parts,
    function_parts,
    name_of,
    own_names,
    package_of_class,
)
from landscape_nb._common.provenance.tables import table
from landscape_nb._common.provenance.values import Parts, array_parts, encoded, plain_text, tensor_parts

_BARE = frozenset(vars(nn.Module()))
_VALUES = (Tensor, np.ndarray, np.generic)
_CONTAINERS = (list, tuple, deque, UserList, set, frozenset, Mapping)
_UNREAD = (
    *(WeakKeyDictionary, WeakValueDictionary, ReferenceType, *ProxyTypes),
    *(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, types.FrameType, types.TracebackType),
)
_BUILT_IN = (
    *(types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType),
    *(types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, np.ufunc),
)
_TOOLS = (
    *("logging", "threading", "_thread", "multiprocessing", "concurrent", "asyncio", "queue", "socket", "ssl", "io"),
    *("_io", "subprocess", "tempfile", "sqlite3", "weakref"),
    *("tqdm", "tensorboard", "tensorboardX", "wandb", "mlflow", "loguru"),
)
"""Packages whose objects watch, write or wait, and are not part of a value."""
_TABLES = ("pandas", "xarray")
"""Packages whose objects are values with names; they also keep caches, which fill while objects are used."""
_REDUCED = ("python", "pandas")
"""Packages with small values (a date, a `Timestamp`) that only `pickle` can read."""


def contents(part: Any, left_out: frozenset[str] = frozenset()) -> Parts:
    """An object's labels, which are plain values, and the objects it holds, which are read in turn.

    Attributes are read where they are stored, so that none of the object's own code runs: its properties,
    `__getattr__` and `__repr__` may do anything. For the same reason its class is found by `type`, not `isinstance`.

    Args:
        part: Any object but a plain value.
        left_out: If it is a module, attributes that do not count.
    """
    kind = type(part)
    if kind in _CODE:
        return _CODE[kind](part)
    for kinds, read in _READERS:
        if issubclass(kind, kinds):
            return read(part)
    if issubclass(kind, nn.Module):
        return _module_parts(part, left_out)
    return _instance_parts(part)


def is_of_library(kind: type) -> bool:
    """Whether a class is from another library, so that its instances may hold whatever that library needs."""
    if kind in _CODE or issubclass(kind, (*_VALUES, *_CONTAINERS, nn.Module, type, functools.partial)):
        return False
    return package_of_class(kind).partition(" ")[0] not in ("", "python", "landscape_nb")


def _built_in_parts(part: Any) -> Parts:
    """A function that is not written in Python, with what it is bound to."""
    bound = getattr(part, "__self__", None)
    held = [] if bound is None or issubclass(type(bound), types.ModuleType) else [bound]
    return Parts(["built in", package_of(getattr(part, "__module__", None)), name_of(part)], held)


def _module_parts(module: nn.Module, left_out: frozenset[str]) -> Parts:
    """A module's class, settings, parameters, buffers, hooks and children.

    What pruning, weight norm and parametrizations compute from parameters at each call is not a setting.
    """
    own = {name: value for name, value in vars(module).items() if name not in _BARE}
    made = {name for name in own for source in ("orig", "v") if f"{name}_{source}" in own_parameters_of(module)}
    settings = [pair for pair in _counted(type(module), own) if pair[0] not in made | left_out]
    tensors = [*own_parameters_of(module).items(), *own_buffers_of(module).items()]
    state = [pair for pair in tensors if pair[0] not in left_out]
    hooks = [*pre_hooks_of(module), *forward_hooks_of(module)]
    names, held = _split([*settings, *state, *children_of(module).items()])
    return Parts(["module", _script_of(module), len(hooks), *names], [type(module), *hooks, *held])


def _script_of(module: nn.Module) -> str:
    """The code of a scripted module, which its class does not tell."""
    scripted = isinstance(module, torch.jit.ScriptModule) and hasattr(module, "forward")
    return str(module.code) if scripted else ""


def _instance_parts(part: Any) -> Parts:
    """An object of any other class: its class, what it contains, and its attributes."""
    kind = type(part)
    package = package_of_class(kind)
    if package and kind.__module__.partition(".")[0] in _TOOLS:
        return _of_class(kind, package, [])
    if issubclass(kind, enum.Enum):
        return _of_class(kind, package, [part._name_, part._value_])
    if issubclass(kind, PurePath):
        return _of_class(kind, package, [str(part)])
    library = _library_of_values(kind)
    if library in _TABLES:
        public = [pair for pair in sorted(_stored(part).items(), key=itemgetter(0)) if pair[0][:1] != "_"]
        return _of_class(kind, package, [table(part), public if not package else []])
    if issubclass(kind, _CONTAINERS):
        return _container_parts(part, package)
    if package.partition(" ")[0] in _REDUCED and (reduced := _reduced(part)):
        return _of_class(kind, package, reduced)
    values = _values_of(part) if library else []  # before the attributes: an image file is read into them by it
    names, held = _split(_attributes(part, package))
    return _of_class(kind, package, [names, *_plain_base(part), *values, *held])


def _library_of_values(kind: type) -> str:
    """The library whose class says how instances become arrays: tables, images, arrays of other libraries; or ''."""
    for base in kind.__mro__:
        package = package_of_class(base).partition(" ")[0]
        if package and any(name in vars(base) for name in ("__array__", "__array_interface__")):
            return package
        if package in _TABLES and "variables" in vars(base):
            return package
    return ""


def _values_of(part: Any) -> list[Any]:
    try:
        return [table(part)]
    except Exception:  # one that cannot become an array still has its attributes
        return []


def _of_class(kind: type, package: str, held: list[Any]) -> Parts:
    return Parts([f"{package} {name_of(kind)}"], held) if package else Parts(["own"], [kind, *held])


def _split(pairs: Iterable[tuple[str, Any]]) -> tuple[list[str], list[Any]]:
    """Names and what they name."""
    pairs = list(pairs)
    return [name for name, _ in pairs], [value for _, value in pairs]


def _container_parts(part: Any, package: str) -> Parts:
    """A list, tuple, set or mapping; if its class is the user's own, also its attributes."""
    kind = type(part)
    plain = _as_plain(part)
    if not package:
        names, held = _split(_attributes(part, package))
        return Parts(["own"], [kind, plain, names, *held])
    label = f"{package} {name_of(kind)}"
    if isinstance(plain, dict):
        made = [part.default_factory] if issubclass(kind, defaultdict) else []
        return Parts([label], [list(plain), list(plain.values()), *made])
    text = plain_text(plain)
    if text is not None:
        return Parts([label, text], [])
    ordered = isinstance(plain, list)
    return Parts([label], plain if ordered else sorted(plain, key=_sort_key), ordered)


def _as_plain(part: Any) -> list | frozenset | dict:
    """The items of a container, read without the methods that its class may override."""
    kind = type(part)
    if issubclass(kind, set | frozenset):
        return frozenset((set if issubclass(kind, set) else frozenset).__iter__(part))
    if issubclass(kind, Mapping):
        return dict(OrderedDict.items(part)) if issubclass(kind, OrderedDict) else _items_of(part)
    base = next((base for base in (list, tuple, deque) if issubclass(kind, base)), None)
    return list(part.data if base is None else base.__iter__(part))


def _items_of(mapping: Any) -> dict:
    return dict(dict.items(mapping)) if issubclass(type(mapping), dict) else dict(mapping.items())


def _sort_key(part: Any) -> tuple[str, bytes]:
    """An order for a set's items that does not depend on their hashes."""
    return name_of(type(part)), encoded(part) or b""


def _plain_base(part: Any) -> list[Any]:
    """The plain value in an instance of a subclass of str, int, float, complex or bytes."""
    for base, read in (
        (str, str.__str__),
        (int, int.__int__),
        (float, float.__float__),
        (complex, complex.__complex__),
    ):
        if issubclass(type(part), base):
            return [read(part)]
    return [bytes.__getitem__(part, slice(None))] if issubclass(type(part), bytes) else []


def _reduced(part: Any) -> list[Any]:
    """What `pickle` would keep of an object of Python's own: `operator.itemgetter(1)`, a date, a `SimpleNamespace`."""
    kind = type(part)
    if kind in copyreg.dispatch_table:
        return list(copyreg.dispatch_table[kind](part))
    defined = {name for base in kind.__mro__[:-1] for name in ("__reduce__", "__reduce_ex__") if name in vars(base)}
    if not defined:
        return []
    found = part.__reduce_ex__(4)
    return [found] if isinstance(found, str) else [*found[:3], *map(list, filter(None, found[3:5]))]


def _attributes(part: Any, package: str) -> list[tuple[str, Any]]:
    """The attributes of an instance that count."""
    kind = type(part)
    # Copies of an object with `__setstate__` may keep as attributes what `__getstate__` says, and not what the
    # original has (numpy's polynomials). Of libraries' other objects the attributes tell more.
    restored = not package.startswith("python ") and any("__setstate__" in vars(base) for base in kind.__mro__)
    if restored or package.partition(" ")[0] in ("", "landscape_nb"):
        pickled = _pickled(part)
        if pickled is not None:
            return list(_counted(kind, pickled)) if isinstance(pickled, dict) else [("state", pickled)]
    return list(_counted(kind, _stored(part)))


def _pickled(part: Any) -> Any:
    """What `__getstate__` of a class returns for an instance, if the class has one."""
    kind: Any = type(part)
    if not any("__getstate__" in vars(base) for base in kind.__mro__[:-1]):
        return None
    try:
        return kind.__getstate__(part)
    except Exception:  # an object that cannot be pickled still has its attributes
        return None


def _stored(part: Any) -> dict[str, Any]:
    """The attributes of an instance, including those in slots."""
    kind = type(part)
    found = dict(object.__getattribute__(part, "__dict__")) if kind.__dictoffset__ else {}
    for base in kind.__mro__:
        slots = vars(base).items() if "__slots__" in vars(base) else ()
        for name, slot in slots:
            if type(slot) is types.MemberDescriptorType:
                try:
                    found.setdefault(name, slot.__get__(part))
                except AttributeError:  # a slot that is empty
                    continue
    return found


def _counted(kind: type, own: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """The attributes that are settings.

    Public attributes are settings, except cached properties, which follow from the others. In attributes that begin
    with an underscore libraries keep caches, locks and hashes, too (one of transformers' differs in every process): if
    they counted, the same model would have another fingerprint each time. So they count only where the user's own
    code names them; in modules if they are plain values or tensors; in other objects if they hold tensors; and
    always in objects whose class does not derive from a library's.
    """
    derived, named = _cached_properties(kind), None
    all_own = not issubclass(kind, nn.Module) and all(
        package_of_class(base)[:7] in ("", "python ") for base in kind.__mro__
    )
    all_own = all_own and not package_of_class(kind)
    typical = _is_plain_or_tensor if issubclass(kind, nn.Module) else _holds_tensors
    for name, value in sorted(own.items(), key=itemgetter(0)):  # unpickling may set them in another order
        if name in derived or (name[:2] == "__" and encoded(value) is not None):
            continue
        if name[:1] != "_" or all_own or typical(value):
            yield name, value
            continue
        named = own_names(kind) if named is None else named
        if name in named:
            yield name, value


def _is_plain_or_tensor(value: Any) -> bool:
    return encoded(value) is not None or issubclass(type(value), _VALUES)


def _holds_tensors(value: Any, levels: int = 3) -> bool:
    """Whether a value is a tensor or array, or a container of such, as data keep them (`_store` of torch-geometric)."""
    kind = type(value)
    if issubclass(kind, _VALUES) or levels == 0 or issubclass(kind, _UNREAD) or not issubclass(kind, _CONTAINERS):
        return issubclass(kind, _VALUES)
    inside = _as_plain(value)
    inside = inside.values() if isinstance(inside, dict) else inside
    return any(_holds_tensors(each, levels - 1) for each in inside)


@functools.lru_cache(1024)
def _cached_properties(kind: type) -> frozenset[str]:
    return frozenset(
        name for base in kind.__mro__ for name, value in vars(base).items() if type(value) is functools.cached_property
    )


_READERS = (
    (Tensor, tensor_parts),
    ((np.ndarray, np.generic), array_parts),
    (type, class_parts),
    (functools.partial, lambda part: Parts(["partial"], [part.func, part.args, part.keywords])),
    (_BUILT_IN, _built_in_parts),
    (types.ModuleType, lambda part: Parts(["module", package_of(part.__dict__.get("__name__"))], [])),
    (_UNREAD, lambda part: Parts([name_of(type(part))], [])),
)
_CODE = {
    types.FunctionType: function_parts,
    types.CodeType: code_parts,
    types.MethodType: lambda part: Parts(["method"], [part.__func__, part.__self__]),
    staticmethod: lambda part: Parts(["staticmethod"], [part.__func__]),
    classmethod: lambda part: Parts(["classmethod"], [part.__func__]),
    property: lambda part: Parts(["property"], [part.fget, part.fset]),
    functools.cached_property: lambda part: Parts(["cached property"], [part.func]),
    type(functools.lru_cache(len)): lambda part: Parts(["lru_cache"], [part.__wrapped__]),
    torch.Generator: lambda part: Parts(["Generator"], [part.get_state()]),
    torch.jit.ScriptFunction: lambda part: Parts(["script", part.code], []),
    np.random.Generator: lambda part: Parts(["Generator"], [part.bit_generator.state]),
    np.random.RandomState: lambda part: Parts(["RandomState"], [part.get_state(legacy=False)]),
}
