"""What a batch of data is: how it is read, counted and described."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset

from landscape_nb.arguments import check_whole
from landscape_nb.datasets import ImageData


@dataclass(frozen=True)
class Batches:
    """Data as a list of batches on a device.

    Attributes:
        batches: The batches, in order.
        counts: How many samples each has.
        fragile: Whether who gets a batch changes it, so that copies are given out.
    """

    batches: list[Any]
    counts: list[int]
    fragile: bool = False

    @classmethod
    def read(cls, data: Any, batch_size: int, device: torch.device | str) -> "Batches":
        """Read data of any kind that an `Objective` takes, once.

        Raises:
            TypeError: Data of no such kind.
            ValueError: No samples, or inputs and targets of different length.
        """
        batches = [to_device(batch, device) for batch in read_batches(data, batch_size)]
        counts = [count_samples(batch) for batch in batches]
        if not sum(counts):
            raise ValueError("data: got no samples")
        return cls(batches, counts)

    def rearranged(self, size: int, memory_format: torch.memory_format) -> "Batches":
        """The same samples in batches of at most `size`, images laid out as asked; only pairs of tensors change."""
        if not self.divisible:
            return self
        inputs, targets = (torch.cat(parts) for parts in zip(*self.batches, strict=True))
        parts = [x.contiguous(memory_format=memory_format) if x.ndim == 4 else x for x in inputs.split(size)]
        return Batches(list(zip(parts, targets.split(size), strict=True)), list(map(len, parts)))

    @property
    def divisible(self) -> bool:
        """Whether samples may go into other batches: all are pairs of tensors of one shape, one target an input."""
        pairs = all(is_pair(batch) and all(isinstance(part, Tensor) for part in batch) for batch in self.batches)
        if not pairs or len({(x.shape[1:], y.shape[1:]) for x, y in self.batches}) > 1:
            return False
        return all(len(inputs) == len(targets) for inputs, targets in self.batches)

    @property
    def samples(self) -> int:
        """How many samples there are in all."""
        return sum(self.counts)

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        return zip(map(copied, self.batches) if self.fragile else self.batches, self.counts, strict=True)


def read_batches(data: Any, batch_size: int) -> list[Any]:
    """The batches of data of any kind that an `Objective` takes."""
    if isinstance(data, ImageData):
        data = data.train
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size)
    if is_pair(data) and all(isinstance(part, Tensor) for part in data):
        inputs, targets = data
        if len(inputs) != len(targets):
            raise ValueError(f"data: got {len(inputs)} inputs and {len(targets)} targets")
        return split_pair(inputs, targets, check_whole("batch_size", batch_size, 1))
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: got {type(data).__name__}, wants a pair of tensors (inputs, targets) or an iterable of batches"
        )
    return list(data)


def split_pair(inputs: Tensor, targets: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of a size; a last one of one sample joins its neighbour, for batch norm needs two.

    Example:
        >>> [len(x) for x, _ in split_pair(torch.ones(5, 1), torch.ones(5), 2)]
        [2, 3]
    """
    edges = [*range(0, len(inputs), size), len(inputs)]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1 < size:
        del edges[-2]
    return [(inputs[low:high], targets[low:high]) for low, high in pairwise(edges)]


def is_pair(batch: Any) -> bool:
    """Whether a batch is read as (inputs, targets)."""
    return isinstance(batch, tuple | list) and len(batch) == 2


def tensors_of(batch: Any) -> list[Tensor]:
    """All tensors of a batch, however nested, in order."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else ()
    return [tensor for part in parts for tensor in tensors_of(part)]


def copied(batch: Any) -> Any:
    """A copy of a batch: its containers and tensors, however nested."""
    return tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, batch)


def is_changed(copy: Any) -> bool:
    """Whether something in a copy's tensors was written since it was made."""
    return any(tensor._version > 0 for tensor in tensors_of(copy))


def count_samples(batch: Any) -> int:
    """How many samples a batch has: the first dimension of its first tensor that has one."""
    tensors = [tensor for tensor in tensors_of(batch) if tensor.ndim]
    if not tensors:
        raise TypeError(f"data: a batch is {describe(batch)}; wants tensors whose first dimension counts samples")
    return len(tensors[0])


def to_device(batch: Any, device: torch.device | str) -> Any:
    """The batch with all its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: to_device(part, device) for key, part in batch.items()}
    if isinstance(batch, tuple | list):
        parts = [to_device(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return batch


def describe(batch: Any) -> str:
    """The batch in words, for messages."""
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_of(batch))
    return f"a {type(batch).__name__} with tensors of shapes {shapes or 'none'}"
