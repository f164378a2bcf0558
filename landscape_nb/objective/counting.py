"""How many samples a batch has."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from landscape_nb._common.arrays import count_in_graph, is_graph
from landscape_nb.objective.nested import describe, inner_parts


def count_samples(batches: Sequence[Any]) -> list[int]:
    """How many samples each batch has: the first dimension of one of its tensors, the same one in all batches.

    It is the dimension that most tensors begin with; then one that most tensors have, as inputs (time, batch,
    features) have that of their targets; then the first tensor's. A packed sequence begins with its sequences,
    a graph of PyTorch Geometric counts its targets.

    Raises:
        TypeError: A batch without such tensors.

    Example:
        >>> import torch
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
    return [shape for each in inner_parts(part) for shape in _shapes(each)]


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
