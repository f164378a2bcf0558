"""What a batch of data is: how it is read, counted and described."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from landscape_nb._common.arrays import count_in_graph, is_graph, with_tensors
from landscape_nb._common.checks import check_whole
from landscape_nb._common.compat import version_of
from landscape_nb._common.foreign import FAILURES
from landscape_nb.datasets import ImageData

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


def tensors_of(batch: Any) -> list[Tensor]:
    """All tensors of a batch, however nested, in order; also those in objects that move to devices, such as graphs."""
    if isinstance(batch, Tensor):
        return [batch]
    if _moves(batch):
        batch = vars(batch)
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else ()
    return [tensor for part in parts for tensor in tensors_of(part)]


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


def count_samples(batches: Sequence[Any]) -> list[int]:
    """How many samples each batch has: the first dimension of one of its tensors, the same one in all batches.

    It is the dimension that most tensors begin with; then one that most tensors have, as inputs (time, batch,
    features) have that of their targets; then the first tensor's. A packed sequence begins with its sequences,
    a graph of PyTorch Geometric counts its targets.

    Raises:
        TypeError: A batch without such tensors.

    Example:
        >>> steps_first, targets = torch.ones(7, 3, 2), torch.ones(3)
        >>> count_samples([(steps_first, targets), (torch.ones(5, 4, 2), torch.ones(4))])
        [3, 4]
    """
    if all(map(is_graph, batches)):
        return list(map(count_in_graph, batches))
    shapes = [_shapes(batch) for batch in batches]
    for batch, sizes in zip(batches, shapes, strict=True):
        if not sizes:
            raise TypeError(
                f"data: a batch is {describe(batch)}; wants tensors whose first dimension counts samples "
                "(torch.tensor makes one of lists of numbers)"
            )
    if _is_time_first(shapes):
        return [sizes[0][1] for sizes in shapes]
    if len(set(map(len, shapes))) == 1:
        number = _counting(shapes)
        return [sizes[number][0] for sizes in shapes]
    return [sizes[_counting([sizes])][0] for sizes in shapes]


def _is_time_first(shapes: Sequence[Sequence[tuple[int, ...]]]) -> bool:
    """Whether all tensors begin with (time, samples): the same time in all batches, and a smaller last batch.

    Where the second dimension varies in another way, it is as likely the time, padded batch by batch.
    """
    leads = [{shape[:2] for shape in sizes} for sizes in shapes]
    if any(len(sizes) < 2 for sizes in shapes) or any(len(lead) > 1 or len(next(iter(lead))) < 2 for lead in leads):
        return False
    times, counts = zip(*(next(iter(lead)) for lead in leads), strict=True)
    return len(set(times)) == 1 and len(set(counts[:-1])) == 1 and counts[-1] < counts[0]


def _shapes(part: Any) -> list[tuple[int, ...]]:
    """The shapes of a batch's tensors that have dimensions; of a packed sequence, how many sequences it has."""
    if isinstance(part, PackedSequence):
        return [(int(part.batch_sizes[0]),)]
    if isinstance(part, Tensor):
        return [tuple(part.shape)] if part.ndim else []
    if _moves(part):
        part = vars(part)
    inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, tuple | list) else ()
    return [shape for each in inner for shape in _shapes(each)]


def _counting(shapes: Sequence[Sequence[tuple[int, ...]]]) -> int:
    """The number of the tensor whose first dimension counts samples.

    A tensor votes for another if it has that one's first dimension in all batches, as the same dimension of its own:
    first dimensions count more.
    """
    dimensions = [list(zip(*column, strict=False)) for column in zip(*shapes, strict=True)]
    votes = []
    for firsts, *_ in dimensions:
        votes.append((sum(other[0] == firsts for other in dimensions), sum(firsts in other for other in dimensions)))
    return votes.index(max(votes))


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
