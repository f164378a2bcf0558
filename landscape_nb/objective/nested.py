"""The tensors of a batch, however nested: found, copied, moved and described."""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from landscape_nb._common.arrays import is_graph
from landscape_nb._common.compat import version_of


def tensors_of(batch: Any) -> list[Tensor]:
    """All tensors of a batch, however nested, in order; also those in objects that move to devices, such as graphs."""
    if isinstance(batch, Tensor):
        return [batch]
    return [tensor for part in inner_parts(batch) for tensor in tensors_of(part)]


def inner_parts(part: Any) -> Iterable[Any]:
    """What a container, or an object that moves to devices, holds; nothing for anything else.

    Example:
        >>> list(inner_parts({"x": 1, "y": 2}))
        [1, 2]
    """
    if _moves(part):
        part = vars(part)
    return part.values() if isinstance(part, Mapping) else part if isinstance(part, tuple | list) else ()


def _moves(part: Any) -> bool:
    """Whether this is an object with a method `to`, such as a graph, but neither a tensor nor a container."""
    known = isinstance(part, type | Tensor | Mapping | tuple | list)
    return not known and callable(getattr(part, "to", None)) and hasattr(part, "__dict__")


def _mapped(function: Callable[[Any], Any], batch: Any) -> Any:
    """The batch with a function of its tensors, packed sequences and other objects, in containers like its own."""
    if isinstance(batch, Mapping):
        return {key: _mapped(function, part) for key, part in batch.items()}
    if isinstance(batch, tuple | list) and not isinstance(batch, PackedSequence):
        parts = [_mapped(function, part) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return function(batch)


def copied(batch: Any) -> Any:
    """A copy of a batch: its containers and tensors, however nested, and objects that can move."""

    def copy_of(part: Any) -> Any:
        if isinstance(part, PackedSequence):
            orders = (part.sorted_indices, part.unsorted_indices)
            return PackedSequence(
                part.data.clone(),
                part.batch_sizes.clone(),
                *(None if order is None else order.clone() for order in orders),
            )
        if isinstance(part, Tensor):
            return part.clone()
        if is_graph(part):
            return part.clone()
        return copy.deepcopy(part) if _moves(part) else part

    return _mapped(copy_of, batch)


def is_changed(copy: Any) -> bool:
    """Whether a tensor of a copy was written to since the copy was made."""
    return any(version_of(tensor) > 0 for tensor in tensors_of(copy))


def to_device(batch: Any, device: torch.device | str) -> Any:
    """The batch with all its tensors on a device, and other objects that move there; lists become tuples."""
    if isinstance(batch, Mapping):
        return {key: to_device(part, device) for key, part in batch.items()}
    if isinstance(batch, tuple | list) and not isinstance(batch, PackedSequence):
        parts = [to_device(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return batch.to(device) if isinstance(batch, Tensor | PackedSequence) or _moves(batch) else batch


def describe(batch: Any) -> str:
    """The batch in words, for messages."""
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_of(batch))
    return f"a {type(batch).__name__} with tensors of shapes {shapes or 'none'}"
