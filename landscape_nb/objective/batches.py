"""What a batch of data is: how it is read, cut and named."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from landscape_nb._common.arrays import is_graph, with_tensors
from landscape_nb._common.checks import check_whole
from landscape_nb._common.foreign import FAILURES
from landscape_nb.datasets import ImageData
from landscape_nb.objective.counting import count_samples
from landscape_nb.objective.nested import copied, describe, tensors_of, to_device

_MOST_BATCHES = 1_000_000
_SHARE_OF_MEMORY = 0.25
_SILENT_SECONDS = 2
_BYTES_BESIDE = 1000
"""Bytes that a batch takes besides the numbers in its tensors."""


@dataclass(frozen=True)
class Batches:
    """Data as a list of batches on a device.

    Attributes:
        batches: The batches, in order.
        counts: How many samples each has.
        fragile: Whether the model or a metric changes the batches that it is given; then it gets copies.
    """

    batches: list[Any]
    counts: list[int]
    fragile: bool = False

    @classmethod
    def read(
        cls, data: Any, batch_size: int, device: torch.device | str, dtype: torch.dtype = torch.float32
    ) -> "Batches":
        """Read data of any kind that an `Objective` takes, once.

        NumPy's arrays become tensors, those of float64 in `dtype`.

        Raises:
            TypeError: Data of another kind.
            ValueError: No samples, or inputs and targets of different length.
        """
        if is_pair(data):
            data = with_tensors(data, dtype)
        batches = [to_device(with_tensors(batch, dtype), device) for batch in read_batches(data, batch_size)]
        counts = count_samples(batches)
        if not sum(counts):
            raise ValueError("data: got no samples")
        full = [(batch, count) for batch, count in zip(batches, counts, strict=True) if count]
        return cls([batch for batch, _ in full], [count for _, count in full])

    def rearranged(self, size: int, memory_format: torch.memory_format) -> "Batches":
        """The same samples in batches of at most `size`, images laid out as asked; only pairs of tensors change."""
        if not self.divisible:
            return self
        inputs, targets = (torch.cat(parts) for parts in zip(*self.batches, strict=True))
        parts = [x.contiguous(memory_format=memory_format) if x.ndim == 4 else x for x in inputs.split(size)]
        return Batches(list(zip(parts, targets.split(size), strict=True)), list(map(len, parts)))

    @property
    def divisible(self) -> bool:
        """Whether samples may go into other batches: all are pairs of tensors alike, with a target for each input."""
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
        if not inputs.ndim or not targets.ndim:
            raise ValueError("data: got a tensor without dimensions, wants one whose first dimension counts samples")
        if len(inputs) != len(targets):
            raise ValueError(f"data: got {len(inputs)} inputs and {len(targets)} targets")
        return split_pair(inputs, targets, check_whole("batch_size", batch_size, 1))
    if is_graph(data):
        return [data]
    if isinstance(data, Tensor | str | Mapping) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: got {type(data).__name__}, wants a pair of tensors (inputs, targets) or an iterable of batches"
        )
    return list(data) if _has_length(data) else list(_limited(data))


def _has_length(data: Any) -> bool:
    try:
        len(data)
    except (TypeError, NotImplementedError):
        return False
    return True


def _limited(data: Iterable) -> Iterator[Any]:
    """The batches of data without a length, with a progress bar and up to a limit, for they may never end.

    Raises:
        ValueError: They take more than a quarter of the memory that was free, or are a million.
    """
    most, taken = _SHARE_OF_MEMORY * psutil.virtual_memory().available, 0
    shown = {"desc": "Reading data", "unit": " batches", "delay": _SILENT_SECONDS, "leave": False}
    for number, batch in enumerate(tqdm(data, **shown), 1):
        taken += _BYTES_BESIDE + sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(batch))
        if taken > most or number > _MOST_BATCHES:
            raise ValueError(
                f"data: they have no length, and do not end within {number - 1} batches or {taken / 2**30:.2g} GiB; "
                f"at most {_MOST_BATCHES} batches and a quarter of the free memory are read. Pass n batches as "
                f"list(itertools.islice(data, n))"
            )
        yield batch


def split_pair(inputs: Tensor, targets: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of a size, as `batch_slices` cuts them.

    Example:
        >>> [len(x) for x, _ in split_pair(torch.ones(5, 1), torch.ones(5), 2)]
        [2, 3]
    """
    return [(inputs[part], targets[part]) for part in batch_slices(len(inputs), size)]


def batch_slices(samples: int, size: int) -> list[slice]:
    """Where batches of a size begin and end. A single sample left over joins the last batch: batch norm needs two.

    Example:
        >>> batch_slices(5, 2)
        [slice(0, 2, None), slice(2, 5, None)]
    """
    edges = [*range(0, samples, size), samples]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1 < size:
        del edges[-2]
    return [slice(low, high) for low, high in pairwise(edges)]


def is_pair(batch: Any) -> bool:
    """Whether a batch is read as (inputs, targets)."""
    return isinstance(batch, tuple | list) and len(batch) == 2


def targets_of(batch: Any) -> Any:
    """What metrics get besides the outputs: the targets, or all of a batch that is not a pair."""
    return batch[1] if is_pair(batch) else batch


@contextmanager
def naming(
    groups: Mapping[str, Batches], prefix: str, number: int, kinds: tuple[type[Exception], ...] = FAILURES
) -> Iterator[None]:
    """Name the batch that cannot be evaluated, unless the error already names what is wrong.

    Args:
        groups: The batches of each data set, by prefix.
        prefix: Which data set.
        number: Which batch of it.
        kinds: The kinds of errors that are put into such words.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except kinds as error:
        if str(error).startswith(("data: ", "extra_data", "model: ", "criterion: ", "loss: ", "metrics")):
            raise
        batches = groups[prefix].batches
        where = f"extra_data[{prefix[:-1]!r}]" if prefix else "data"
        raise ValueError(
            f"{where}: batch {number + 1} of {len(batches)}, {describe(batches[number])}, cannot be evaluated: {error}"
        ) from error
