"""What a result was made from: fingerprints of weights, data and code, and the versions that ran."""

import functools
import hashlib
import platform
import re
import sys
import types
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PACKAGES = ("landscape-nb", "torch", "numpy", "xarray")
_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device, torch.Size)

_VALUES = (*_PLAIN, Tensor, np.ndarray)
_LIBRARIES = ("torch", "numpy", "scipy", "sklearn", "xarray", "matplotlib")
_TOLD = (*_VALUES, Mapping, list, tuple, set, frozenset, functools.partial, types.SimpleNamespace, nn.Module)
_METHODS = ("__call__", "__init__", "__getattr__")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_BARE = frozenset(vars(nn.Module()))


def fingerprint(*parts: Any) -> str:
    """Hash everything that determines a result into 16 hexadecimal digits.

    Tensors and arrays count with dtype, shape and bytes; a module with its code, its settings, its
    parameters and its buffers; a function with its bytecode, defaults, closure and what it names around it; a
    class with its attributes; containers and other objects with what they hold.

    Args:
        *parts: Whatever determines the result, in order.

    Returns:
        16 hexadecimal digits of a BLAKE2b hash.

    Example:
        >>> import torch
        >>> fingerprint(torch.zeros(3), "sgd") == fingerprint(torch.zeros(3), "sgd")
        True
        >>> fingerprint(torch.zeros(3)) == fingerprint(torch.zeros(3, 1))
        False
    """
    return _digest(parts, {}).hex()[:16]


@functools.cache
def versions() -> str:
    """Name the packages that decide a result's digits, with their versions.

    Example:
        >>> versions().split(", ")[0].startswith("python ")
        True
    """
    found = [f"{name} {version(name)}" for name in _PACKAGES]
    return ", ".join([f"python {platform.python_version()}", *found])


def _digest(part: Any, known: dict[int, tuple[Any, bytes]]) -> bytes:
    """The hash of a part; `known` keeps those of objects that were met before, so that each is hashed once."""
    if isinstance(part, _PLAIN):
        return _hash(type(part).__qualname__, repr(part))
    if id(part) not in known:
        known[id(part)] = part, b"around itself"
        known[id(part)] = part, _hash(type(part).__qualname__, *_pieces(part, known))
    return known[id(part)][1]


def _hash(*pieces: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece if isinstance(piece, bytes | memoryview) else str(piece).encode())
        digest.update(b"\0")
    return digest.digest()


def _pieces(part: Any, known: dict[int, tuple[Any, bytes]]) -> list[Any]:
    """What makes an object what it is: texts and bytes, or hashes of what it holds."""
    if isinstance(part, Tensor):
        array = part.detach().cpu().contiguous()
        return [(array.dtype, tuple(array.shape)), memoryview(array.reshape(-1).view(torch.uint8).numpy())]
    if isinstance(part, np.ndarray) and part.dtype != object:
        return [(part.dtype, part.shape), memoryview(np.ascontiguousarray(part).reshape(-1).view(np.uint8))]
    if isinstance(part, set | frozenset):
        return [sorted(map(repr, part))]
    if isinstance(part, type) or (callable(part) and hasattr(part, "__qualname__") and not _has_code(part)):
        return [
            f"{getattr(part, '__module__', None)}.{part.__qualname__}",
            *(_digest(item, known) for item in _own_attributes(part)),
        ]
    return [_digest(item, known) for item in _held(part)]


def _has_code(part: Any) -> bool:
    return isinstance(part, types.MethodType | types.FunctionType | staticmethod | classmethod)


def _held(part: Any) -> list[Any]:
    """What an object holds."""
    if isinstance(part, nn.Module):
        return _module_parts(part)
    if isinstance(part, Mapping):
        return [item for pair in part.items() for item in pair]
    if isinstance(part, list | tuple | np.ndarray):
        return list(part)
    if isinstance(part, functools.partial):
        return [part.func, part.args, part.keywords]
    if isinstance(part, types.MethodType):
        return [part.__func__, part.__self__]
    if isinstance(part, types.FunctionType):
        cells = [cell.cell_contents for cell in part.__closure__ or ()]
        return [part.__code__, part.__defaults__, part.__kwdefaults__, cells, _globals(part)]
    if isinstance(part, types.CodeType):
        return [part.co_code, part.co_names, part.co_consts]
    if isinstance(part, property | staticmethod | classmethod):
        return [getattr(part, name, None) for name in ("fget", "__func__")]
    if isinstance(part, torch.Generator):
        return [part.get_state()]
    if hasattr(part, "__dict__"):
        return [part.__getstate__() if "__getstate__" in vars(type(part)) else vars(part), type(part)]
    return [_ADDRESS.sub("", repr(part)), type(part)]


def _own_attributes(part: Any) -> list[Any]:
    """What a class that is no library's own says of itself and its bases."""
    if not isinstance(part, type) or _is_of_library(part):
        return []
    classes = [c for c in part.__mro__ if not _is_of_library(c)]
    return [pair for c in classes for pair in vars(c).items() if pair[0] in _METHODS or not pair[0].startswith("__")]


def _is_of_library(part: Any) -> bool:
    """Whether a class or function comes with Python or a library, whose versions are told apart otherwise."""
    module = (getattr(part, "__module__", None) or "builtins").split(".")[0]
    return module in _LIBRARIES or module in sys.stdlib_module_names


def _globals(function: types.FunctionType) -> dict[str, Any]:
    """What a function that is no library's own names around it: values, containers of them, functions, settings."""
    if _is_of_library(function) or function.__module__.startswith("landscape_nb."):
        return {}
    known = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    return {n: v for n, v in known.items() if isinstance(v, _TOLD) or not _is_of_library(v if _named(v) else type(v))}


def _named(part: Any) -> bool:
    return isinstance(part, type) or hasattr(part, "__qualname__")


def _names(code: types.CodeType) -> list[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return sorted({*code.co_names, *(name for part in inner for name in _names(part))})


def _module_parts(module: nn.Module) -> list[Any]:
    """List a module's classes, settings and state."""
    parts: list[Any] = [dict(module.state_dict())]
    for name, child in module.named_modules():
        own = {k: v for k, v in vars(child).items() if k not in _BARE}
        derived = {k for k in own for made_of in ("orig", "v") if f"{k}_{made_of}" in child._parameters}
        settings = {k: v for k, v in own.items() if k not in derived and (k[0] != "_" or isinstance(v, _VALUES))}
        hooks = [*child._forward_pre_hooks.values(), *child._forward_hooks.values()]
        parts.append((name, type(child), settings, hooks))
    return parts
