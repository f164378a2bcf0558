"""What a batch of data is: how it is read, counted and described."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset

from landscape_nb.arguments import check_whole
from landscape_nb.datasets import ImageData
from landscape_nb.program import FAILURES

Measure = Callable[[Any, Any], Tensor]


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


def per_sample(measure: Measure, outputs: Any, targets: Any) -> Shaped[Tensor, "n"]:
    """The values of a measure that is a mean over samples, for each sample.

    Example:
        >>> accuracy = lambda outputs, targets: (outputs.argmax(-1) == targets).float().mean()
        >>> per_sample(accuracy, torch.eye(2), torch.tensor([0, 0]))
        tensor([1., 0.])
    """

    def one(*sample: Any) -> Tensor:
        return measure(*tree_map(lambda tensor: tensor[None], sample)).reshape(())

    return torch.vmap(one)(outputs, targets)


def sample_measure(measure: Measure, outputs: Any, targets: Any, count: int) -> Measure | None:
    """What gives a measure's value for each sample, if it is a mean over samples.

    Args:
        measure: A measure of a batch.
        outputs: Outputs of a batch to try it on.
        targets: Targets of the same batch.
        count: How many samples it has.

    Returns:
        The measure with `reduction="none"` if it has that (torch's losses do), else `per_sample` of
        it; None where neither has the batch's measure for its mean.

    Example:
        >>> outputs, targets = torch.diag(torch.arange(3.0)), torch.tensor([0, 1, 1])
        >>> sample_measure(torch.nn.functional.cross_entropy, outputs, targets, 3)(outputs, targets).shape
        torch.Size([3])
        >>> sample_measure(lambda outputs, targets: outputs.max(), outputs, targets, 3) is None
        True
    """
    forms = partial(measure, reduction="none"), partial(per_sample, measure)
    return next((form for form in forms if is_mean_of(form, measure, outputs, targets, count)), None)


def is_mean_of(form: Measure, measure: Measure, outputs: Any, targets: Any, count: int) -> bool:
    """Whether a measure is the mean of what `form` gives for each sample: of these outputs, and of others like them.

    Example:
        >>> squares = partial(torch.nn.functional.mse_loss, reduction="none")
        >>> root = lambda outputs, targets: torch.nn.functional.mse_loss(outputs, targets).sqrt()
        >>> is_mean_of(squares, torch.nn.functional.mse_loss, torch.zeros(3), torch.zeros(3), 3)
        True
        >>> is_mean_of(squares, root, torch.zeros(3), torch.zeros(3), 3)
        False
    """
    generator = torch.Generator().manual_seed(0)
    others = [tree_map(partial(change, generator=generator), outputs) for change in (_mixed, _shaken)]
    for scores in (outputs, *others):
        try:
            wanted = torch.as_tensor(measure(scores, targets)).double()
        except FAILURES:  # no scores that this measure takes
            continue
        try:
            values = form(scores, targets).double()
        except FAILURES:
            return False
        if not (values.shape == (count,) and torch.allclose(values.mean(), wanted, rtol=1e-4, equal_nan=True)):
            return False
    return True


def _mixed(part: Any, generator: torch.Generator) -> Any:
    """Scores between those of two samples each: probabilities stay probabilities."""
    if not (isinstance(part, Tensor) and part.is_floating_point() and part.ndim):
        return part
    part = part.nan_to_num(0.0, 1.0, -1.0)
    share = torch.rand(len(part), generator=generator).to(part).view(-1, *[1] * (part.ndim - 1))
    return (1 - share) * part + share * part.flip(0)


def _shaken(part: Any, generator: torch.Generator) -> Any:
    """Scores with noise."""
    if not (isinstance(part, Tensor) and part.is_floating_point()):
        return part
    part = part.nan_to_num(0.0, 1.0, -1.0)
    return part + 0.1 * (1 + part.abs()) * torch.randn(part.shape, generator=generator).to(part)


def mean_and_error(
    values: list[Float[Tensor, "*points size"]], counts: list[int], by_sample: bool
) -> tuple[Float[Tensor, "*points"], Float[Tensor, "*points"]]:
    """The mean over all samples and its standard error, in float64.

    Args:
        values: For each batch, its values along the last dimension: one a sample, or its mean alone.
        counts: How many samples each batch has.
        by_sample: Whether there is one value a sample, else one a batch.

    Returns:
        The mean, weighted by samples, and its standard error from the values' spread (NaN for one value).

    Example:
        >>> mean, error = mean_and_error([torch.tensor([0.0, 1.0]), torch.tensor([2.0])], [2, 1], by_sample=True)
        >>> round(mean.item(), 4), round(error.item(), 4)
        (1.0, 0.5774)
    """
    joined = torch.cat(values, -1).double()
    size = joined.shape[-1]
    if size == 1:
        return joined[..., 0], torch.full_like(joined[..., 0], torch.nan)
    if by_sample:
        return joined.mean(-1), joined.std(-1) / size**0.5
    shares = torch.tensor(counts, dtype=torch.float64, device=joined.device) / sum(counts)
    mean = (shares * joined).sum(-1)
    spread = (shares**2 * (joined - mean[..., None]) ** 2).sum(-1)
    return mean, (spread * size / (size - 1)).sqrt()
