"""What a result was made from: fingerprints of weights, data and code, and the versions that ran."""

import functools
import hashlib
import platform
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
_LIBRARIES = ("torch", "numpy", "scipy", "landscape_nb")
_BARE = frozenset(vars(nn.Module()))


def fingerprint(*parts: Any) -> str:
    """Hash everything that determines a result into 16 hexadecimal digits.

    Tensors and arrays count with dtype, shape and bytes; a module with its code, its settings, its
    parameters and its buffers; a function with its bytecode, defaults, closure and the values it names; containers and
    other objects with what they hold.

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
    digest = hashlib.blake2b(digest_size=8)
    _feed(digest, parts, set())
    return digest.hexdigest()


@functools.cache
def versions() -> str:
    """Name the packages that decide a result's digits, with their versions.

    Example:
        >>> versions().split(", ")[0].startswith("python ")
        True
    """
    found = [f"{name} {version(name)}" for name in _PACKAGES]
    return ", ".join([f"python {platform.python_version()}", *found])


def _feed(digest: Any, part: Any, seen: set[int]) -> None:
    """Update `digest` with `part`; `seen` holds the ids of the objects being hashed around it."""

    def put(text: object) -> None:
        digest.update(str(text).encode() + b"\0")

    put(type(part).__qualname__)
    if isinstance(part, _PLAIN):
        put(repr(part))
        return
    if id(part) in seen:
        put("already seen")
        return
    inside = seen | {id(part)}
    if isinstance(part, Tensor):
        array = part.detach().cpu().contiguous()
        put((array.dtype, tuple(array.shape)))
        digest.update(array.reshape(-1).view(torch.uint8).numpy())
    elif isinstance(part, np.ndarray) and part.dtype != object:
        put((part.dtype, part.shape))
        digest.update(np.ascontiguousarray(part).data)
    elif isinstance(part, nn.Module):
        _feed(digest, _module_parts(part), inside)
    elif isinstance(part, Mapping):
        for key, value in part.items():
            _feed(digest, key, inside)
            _feed(digest, value, inside)
    elif isinstance(part, list | tuple | np.ndarray):
        for item in part:
            _feed(digest, item, inside)
    elif isinstance(part, set | frozenset):
        put(sorted(map(repr, part)))
    elif isinstance(part, functools.partial):
        _feed(digest, (part.func, part.args, part.keywords), inside)
    elif isinstance(part, types.MethodType):
        _feed(digest, (part.__func__, part.__self__), inside)
    elif isinstance(part, types.FunctionType):
        cells = [cell.cell_contents for cell in part.__closure__ or ()]
        _feed(digest, (part.__code__, part.__defaults__, part.__kwdefaults__, cells, _globals(part)), inside)
    elif isinstance(part, types.CodeType):
        _feed(digest, (part.co_code, part.co_names, part.co_consts), inside)
    elif isinstance(part, type) or (callable(part) and hasattr(part, "__qualname__")):
        put(f"{part.__module__}.{part.__qualname__}")
    else:
        _feed(digest, (getattr(part, "__dict__", repr(part)), vars(type(part)).get("__call__")), inside)


def _globals(function: types.FunctionType) -> dict[str, Any]:
    """The numbers, texts, tensors and functions around a function that it names, if it is not a library's own."""
    if function.__module__ is None or function.__module__.split(".")[0] in _LIBRARIES:
        return {}
    known = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    return {name: value for name, value in known.items() if isinstance(value, (*_VALUES, types.FunctionType))}


def _names(code: types.CodeType) -> list[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return sorted({*code.co_names, *(name for part in inner for name in _names(part))})


def _module_parts(module: nn.Module) -> list[Any]:
    """List a module's classes (with their code where it is not torch's), settings and state."""
    parts: list[Any] = [dict(module.state_dict())]
    for name, child in module.named_modules():
        own = {k: v for k, v in vars(child).items() if k not in _BARE}
        derived = {k for k in own for made_of in ("orig", "v") if f"{k}_{made_of}" in child._parameters}
        settings = {k: v for k, v in own.items() if k not in derived and (k[0] != "_" or isinstance(v, _VALUES))}
        classes = [c for c in type(child).__mro__ if not c.__module__.startswith(("torch.", "builtins"))]
        code = [(k, f) for c in classes for k, f in vars(c).items() if isinstance(f, types.FunctionType)]
        hooks = [*child._forward_pre_hooks.values(), *child._forward_hooks.values()]
        parts.append((name, type(child).__qualname__, settings, code, hooks))
    return parts
