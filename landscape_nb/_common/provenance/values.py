"""Values as bytes: plain ones, tensors and arrays of any kind."""

import functools
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from landscape_nb._common.compat import is_traceable_wrapper_subclass, unwrapped


class Parts(NamedTuple):
    """What an object is made of.

    Attributes:
        labels: Plain values, and bytes in memory.
        held: The objects it holds, which may be plain values, too.
        ordered: Whether the order of `held` counts.
    """

    labels: list[Any]
    held: list[Any]
    ordered: bool = True


_SHOWN = (torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, type(...), type(NotImplemented))
_COMPRESSED = {
    torch.sparse_csr: (Tensor.crow_indices, Tensor.col_indices),
    torch.sparse_bsr: (Tensor.crow_indices, Tensor.col_indices),
    torch.sparse_csc: (Tensor.ccol_indices, Tensor.row_indices),
    torch.sparse_bsc: (Tensor.ccol_indices, Tensor.row_indices),
}
_PER_CHANNEL = (torch.per_channel_affine, torch.per_channel_affine_float_qparams)

_ENCODERS: dict[type, Any] = {
    str: lambda part: part.encode("utf-8", "surrogatepass"),
    bytes: bytes,
    int: lambda part: hex(part).encode(),  # repr refuses numbers of more than 4300 digits
    **{kind: lambda part: repr(part).encode() for kind in (bool, type(None), float, complex, *_SHOWN)},
}
_SCALARS = frozenset((bool, int, float, complex, str, bytes, type(None)))
_NESTED = frozenset((list, tuple, dict))
_WRITTEN_OUT = _SCALARS | _NESTED
_LEVELS, _MOST = 5, 2**22
"""How deep, and how many at one level, plain values are written as one text."""


def encoded(part: Any) -> bytes | None:
    """A plain value with its type as bytes; None for anything else, including instances of subclasses.

    Example:
        >>> encoded(255), encoded("a"), encoded([])
        (b'int:0xff', b'str:a', None)
    """
    encoder = _ENCODERS.get(type(part))
    return None if encoder is None else b"%b:%b" % (type(part).__name__.encode(), encoder(part))


def array_parts(array: np.ndarray | np.generic) -> Parts:
    """An array or a number of numpy's: dtype, shape and bytes, or the objects in it."""
    labels = ["array", repr(array.dtype), repr(array.shape)]
    if array.dtype.hasobject:
        return Parts(labels, [np.asarray(array).tolist()])
    masked = [np.ma.getmaskarray(array)] if isinstance(array, np.ma.MaskedArray) else []
    plain = np.ascontiguousarray(array.data if masked else array)
    return Parts([*labels, plain.reshape(-1).view(np.uint8).data], masked)


def tensor_parts(tensor: Tensor) -> Parts:
    """A tensor of any kind: dtype, shape and the bytes of its values, wherever and however they are kept."""
    tensor = unwrapped(tensor)
    shape = tensor.dim() if tensor.is_nested else tuple(tensor.shape)  # the ragged length has a number of its own
    labels = ["tensor", repr(tensor.dtype), repr(shape)]
    if tensor.is_meta:
        return Parts(labels, [])
    inner = _inner(tensor)
    return Parts(labels, inner) if inner else Parts([*labels, _memory(tensor)], [])


def _inner(tensor: Tensor) -> list[Any]:
    """The parts that a nested, wrapped, quantized or sparse tensor is made of; nothing for an ordinary one."""
    if tensor.is_nested:
        return [list(tensor.unbind())]
    if is_traceable_wrapper_subclass(tensor):
        return [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
    tensor = tensor.detach()
    if tensor.is_quantized:
        names = ("q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis")
        scales = names if tensor.qscheme() in _PER_CHANNEL else ("q_scale", "q_zero_point")
        return [repr(tensor.qscheme()), tensor.int_repr(), *(getattr(tensor, name)() for name in scales)]
    if tensor.layout is torch.sparse_coo:
        return ["coo", tensor.coalesce().indices(), tensor.coalesce().values()]
    if tensor.layout in _COMPRESSED:
        return [repr(tensor.layout), *(read(tensor) for read in _COMPRESSED[tensor.layout]), tensor.values()]
    return []


def _memory(tensor: Tensor) -> memoryview:
    """The bytes of a tensor's values in order; they are copied only if they are not contiguous on the CPU."""
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    plain = dense.resolve_conj().resolve_neg().cpu().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().data


def plain_text(items: list[Any] | frozenset) -> str | None:
    """Many plain values as one text, as Python writes them (a set sorted); None if other values are among them.

    Example:
        >>> plain_text([1, ("a", None)]), plain_text(frozenset({2, 1})), plain_text([print])
        ("[1, ('a', None)]", '1, 2', None)
    """
    if not _are_plain(items):
        return None
    try:
        return repr(items) if type(items) is list else ", ".join(sorted(map(repr, items)))
    except ValueError:  # a number of more than 4300 digits
        return None


def _are_plain(items: Iterable[Any]) -> bool:
    """Whether all are plain values, or lists, tuples and dicts of such, down to a few levels.

    A list that is shared a thousand times would be written a thousand times. Bounds are on what would be written,
    not on what is in memory, so that shared and copied lists give the same; what is larger is read object by object.
    """
    for _ in range(_LEVELS):
        kinds = set(map(type, items))
        if not kinds <= _WRITTEN_OUT:
            return False
        inner = [each for each in items if type(each) in _NESTED] if kinds & _NESTED else []
        if not inner:
            return True
        if sum(map(len, inner)) > _MOST:
            return False
        mappings = [each.values() for each in inner if type(each) is dict] if dict in kinds else []
        items = list(chain(chain.from_iterable(inner), chain.from_iterable(mappings)))
    return False


@functools.lru_cache(4096)
def shallow_key(kind: type) -> bytes:
    """A class's name, to sort by."""
    return type.__dict__["__qualname__"].__get__(kind).encode("utf-8", "surrogatepass")
