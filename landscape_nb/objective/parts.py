"""Whether the values of a batch are those of its samples: the first batch gives the same whole and in two parts.

A batch norm without running statistics, or a loss that compares the samples of a batch, does not: its values
depend on how the data are cut into batches.

The parts are uneven, for equal parts would hide what batches are weighted by. At most 32 samples are tried, to save
time: what couples samples only in larger batches, or more weakly than rounding, is missed. A model that takes batches
of one size only cannot be tried: what its metrics say is then believed, but not what its forward pass says of weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from landscape_nb._common.compat import tree_flatten, tree_leaves, tree_map
from landscape_nb.objective.nested import copied
from landscape_nb.objective.reductions import SUM, WEIGHTED, Metric, Trace, as_number, is_weighed, sum_and_weight

_MOST = 32
_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""How much rounding changes values in these formats, relatively: other sizes of batches take other kernels."""
_ON_ACCELERATORS = 1e-2
"""The same where float32 may be computed with TF32's ten bits."""


def counting_dim(parts: Any, count: int) -> int | None:
    """The dimension, first or second, that counts samples in all tensors; None if there is not exactly one.

    Example:
        >>> counting_dim((torch.ones(5, 3), torch.ones(5)), 5), counting_dim((torch.ones(7, 5, 2), torch.ones(7, 5)), 5)
        (0, 1)
    """
    if isinstance(parts, PackedSequence):
        return None
    leaves = tree_leaves(parts, is_leaf=lambda part: isinstance(part, PackedSequence))
    if not leaves or not all(isinstance(leaf, Tensor | str | None) for leaf in leaves):
        return None
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if not tensors or any(tensor.is_nested or tensor.layout is not torch.strided for tensor in tensors):
        return None
    dims = [dim for dim in (0, 1) if all(t.ndim > dim and t.shape[dim] == count for t in tensors)]
    return dims[0] if len(dims) == 1 else None


def swapped(parts: Any) -> Any:
    """Tensors with their first two dimensions swapped, where they have two.

    Example:
        >>> swapped(torch.ones(7, 5, 2)).shape
        torch.Size([5, 7, 2])
    """
    return tree_map(lambda part: part.transpose(0, 1) if isinstance(part, Tensor) and part.ndim > 1 else part, parts)


def _taken(parts: Any, dim: int, count: int, low: int, high: int) -> Any:
    """Some samples: those parts of tensors that count samples."""

    def some(part: Any) -> Any:
        counts = isinstance(part, Tensor) and part.ndim > dim and part.shape[dim] == count
        return part.narrow(dim, low, high - low) if counts else part

    return tree_map(some, parts)


def is_close(found: Any, wanted: Any) -> bool:
    """Whether numbers are the same up to rounding in numbers of the largest one's size, where they are finite.

    Example:
        >>> is_close(torch.tensor([1.0, 1e-6]), torch.tensor([1.0, 0.0])), is_close(torch.ones(1), torch.zeros(1))
        (True, False)
    """
    if not (found.is_floating_point() or found.is_complex()):
        return True  # classes and indices may differ where scores tie
    tolerance = _TOLERANCES.get(found.dtype, _TOLERANCES[torch.float64])
    if found.device.type != "cpu":
        tolerance = max(tolerance, _ON_ACCELERATORS)
    found, wanted = (part.detach().cpu().to(torch.complex128) for part in (found, wanted))
    finite = found.isfinite() & wanted.isfinite()
    found, wanted = found[finite], wanted[finite]
    if not found.numel():
        return True
    return bool((found - wanted).abs().max() <= tolerance * torch.maximum(found.abs().max(), wanted.abs().max()))


def has_coupled_samples(outputs: Any, part: Any, dim: int, count: int, low: int, high: int) -> bool | None:
    """Whether a part of a batch has other outputs alone than among the others.

    Args:
        outputs: The outputs of the whole batch.
        part: The outputs of its samples from `low` to before `high`, evaluated alone.
        dim: The dimension that counts samples.
        count: How many the batch has.
        low: The part's first sample.
        high: The one after its last.

    Returns:
        None where that cannot be told: the outputs hold other things than values of samples and constants.

    Example:
        >>> x = torch.arange(6.0)
        >>> has_coupled_samples(2 * x, 2 * x[4:], 0, 6, 4, 6)
        False
        >>> has_coupled_samples(x - x.mean(), x[4:] - 4.5, 0, 6, 4, 6)
        True
        >>> has_coupled_samples(x.mean(), x[4:].mean(), 0, 6, 4, 6) is None
        True
    """
    wanted, shape = tree_flatten(_taken(outputs, dim, count, low, high))
    found, other = tree_flatten(part)
    if shape != other:
        return None
    unclear = False
    for one, two in zip(found, wanted, strict=True):
        if not (isinstance(one, Tensor) and isinstance(two, Tensor)):
            unclear = unclear or not (one is two or (isinstance(one, int | float | str) and one == two))
        elif one.shape != two.shape:
            unclear = True
        elif not is_close(one, two):
            if one.ndim > dim and one.shape[dim] == high - low:
                return True
            unclear = True
    return None if unclear else False


@dataclass(frozen=True)
class Evaluated:
    """Some samples, and the function that gives their outputs: from the model, or from those of the whole batch."""

    outputs_of: Callable[[], Any]
    targets: Any
    count: int

    def sums(self, metrics: Mapping[str, Metric], reductions: Mapping[str, str]) -> dict[str, Float[Tensor, "2"]]:
        """What each metric adds to the sum and to the weight of all data, without metrics that refuse these samples."""
        result = {}
        with Trace() as trace:
            outputs = self.outputs_of()
            for name, metric in metrics.items():
                try:
                    value = metric(outputs, self.targets)
                    result[name] = self._sum(name, value, reductions[name], trace)
                except Exception:
                    continue
        return result

    def _sum(self, name: str, value: Any, reduction: str, trace: Trace) -> Float[Tensor, "2"]:
        if reduction == WEIGHTED:
            return sum_and_weight(name, value, trace).cpu()
        weight = 1 if reduction == SUM else self.count
        total = float(as_number(value)) * weight
        return torch.tensor([total, weight], dtype=torch.float64)


@dataclass(frozen=True)
class Cut:
    """The first samples of a batch, to be evaluated whole and in two uneven parts.

    Attributes:
        batch: All of the batch.
        count: How many samples it has.
        dim: The dimension that counts them.
        outputs_of: From a batch to the model's outputs.
        targets_of: From a batch to what metrics get besides the outputs.
    """

    batch: Any
    count: int
    dim: int
    outputs_of: Callable[[Any], Any]
    targets_of: Callable[[Any], Any]

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Where the whole, its larger and its smaller part begin and end."""
        size = min(self.count, _MOST)
        cut = size - max(-(-size // 3), min(2, size - 1))
        return (0, size), (0, cut), (cut, size)

    def part(self, low: int, high: int) -> Any:
        """Some samples of the batch, copied, for a model may write what it is given."""
        return copied(_taken(self.batch, self.dim, self.count, low, high))

    def among(self, outputs: Any, low: int, high: int) -> Evaluated:
        """Some samples with the outputs that they have among the others."""
        taken = _taken(outputs, self.dim, self.count, low, high)
        return Evaluated(lambda: taken, self.targets_of(self.part(low, high)), high - low)

    def alone(self, low: int, high: int) -> Evaluated:
        """Some samples, evaluated without the others."""
        part = self.part(low, high)
        return Evaluated(lambda: self.outputs_of(part), self.targets_of(part), high - low)


def differing(
    parts: list[Evaluated], metrics: Mapping[str, Metric], reductions: Mapping[str, str], precise: torch.dtype
) -> set[str]:
    """The metrics whose values of two parts, combined by their reductions, are not the value of the whole.

    Args:
        parts: The whole, then its two parts.
        metrics: The metrics by name.
        reductions: How the values of batches become one, by name.
        precise: The least precise format of the weights.

    Example:
        >>> x = torch.arange(6.0)
        >>> bounds = (0, 6), (0, 4), (4, 6)
        >>> parts = [Evaluated(lambda a=a, b=b: x[a:b], None, b - a) for a, b in bounds]
        >>> metrics = {"mean": lambda o, _: o.mean(), "spread": lambda o, _: o.std()}
        >>> differing(parts, metrics, dict.fromkeys(metrics, "mean over samples"), torch.float32)
        {'spread'}
    """
    whole, *rest = (part.sums(metrics, reductions) for part in parts)
    result = set()
    for name, wanted in whole.items():
        if any(name not in part for part in rest):
            continue
        total = torch.stack([part[name] for part in rest]).sum(0)
        pairs = (total[0], wanted[0]) if reductions[name] == SUM else (total[0] / total[1], wanted[0] / wanted[1])
        if not is_close(*(part.to(precise) for part in pairs)):
            result.add(name)
    return result


def is_pair_of_means(metric: Metric, outputs: Any, targets: Any, count: int) -> bool:
    """Whether a metric's pair is not (sum, weight): its second number is a share, such as an accuracy.

    Weights of two parts add up to that of the whole, or all are one; those from 0 to 1 that do neither are shares.

    Example:
        >>> metric = lambda o, t: ((o - t).square().mean(), (o > t).float().mean())
        >>> is_pair_of_means(metric, torch.arange(6.0), torch.full((6,), 2.5), 6)
        True
        >>> is_pair_of_means(lambda o, t: ((o - t).sum(), len(o)), torch.ones(6), torch.zeros(6), 6)
        False
    """
    if counting_dim((outputs, targets), count) != 0 or count < 2:
        return False
    cut = count - -(-count // 3)
    weights = []
    for low, high in ((0, count), (0, cut), (cut, count)):
        try:
            value = metric(*_taken((outputs, targets), 0, count, low, high))
        except Exception:
            return False
        if not is_weighed(value):
            return False
        weights.append(float(as_number(value[1])))
    whole, *parts = weights
    return max(weights) <= 1 and weights != [1.0] * 3 and abs(sum(parts) - whole) > 1e-4 * whole
