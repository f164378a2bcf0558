"""How much a batch's value counts among those of all batches: read off the calls that a metric makes.

The mean that one of torch's losses takes over a batch divides by a number of its own: elements, samples,
class weights, targets that are not ignored. With this number as the batch's weight, the weighted mean of
the batches is the loss of all data at once.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode

from landscape_nb._common.compat import version_of

Metric = Callable[[Any, Any], Any]
"""A function of outputs and targets, such as the loss: it gives a number, or a pair (sum, weight)."""
MEAN, WEIGHTED, SUM, BATCHES = "mean over samples", "weighted mean", "sum", "mean over batches"
"""How the values of batches become the value of all data."""

_OF_CLASSES = {F.cross_entropy, F.nll_loss, getattr(F, "linear_cross_entropy", F.cross_entropy)}
_OF_ELEMENTS = {
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits,
    F.kl_div, F.poisson_nll_loss, F.gaussian_nll_loss, F.ctc_loss, F.hinge_embedding_loss, F.margin_ranking_loss,
    F.multi_margin_loss, F.multilabel_margin_loss, F.multilabel_soft_margin_loss, F.soft_margin_loss,
    F.cosine_embedding_loss, F.triplet_margin_loss, F.triplet_margin_with_distance_loss,
}  # fmt: skip
_SHARING_WEIGHTS = {F.mse_loss, F.l1_loss}
"""Those that divide by the sum of `weight`; the others that have one divide by the number of elements."""
_UNCHANGED = {
    "to", "type", "float", "double", "half", "bfloat16", "cpu", "cuda", "clone", "detach", "contiguous", "squeeze",
    "unsqueeze", "view", "view_as", "reshape", "flatten", "item", "__float__",
}  # fmt: skip
_SCALED, _DIVIDED = {"mul", "multiply", "mul_"}, {"div", "true_divide", "divide", "div_"}
_SHIFTED = {"add", "add_", "sub", "sub_", "subtract", "rsub", "__rsub__"}


@dataclass(frozen=True)
class Source:
    """Where a number comes from.

    Attributes:
        kind: `'mean'`, `'sum'`, or `'elements'` for what a loss gives before it is reduced.
        weight: What a mean divides by.
        exact: Whether one of torch's losses says so; otherwise it is a guess from the calls, which has to be tried.
    """

    kind: str
    weight: Any = None
    exact: bool = True


# The value of a mean does not tell what it was divided by. A loss of torch's does, by its arguments, and what a
# metric makes of that loss is followed from call to call. Numbers are known by `id`, which is right only as long as
# they are kept here: a freed one's id is given to the next. They are known by their version, too, as a call in place
# changes the number behind it. What is computed outside of torch's functions is not seen: the metric then counts as
# unknown. What a metric divides by itself is a guess (`exact=False`), for it may have another meaning; such guesses
# are tried on parts of made-up data (`made_up.adds_up`).
class Trace(TorchFunctionMode):
    """Remembers which numbers are torch's losses, and what these divide by.

    Example:
        >>> with Trace() as trace:
        ...     loss = F.cross_entropy(torch.eye(3), torch.tensor([0, 1, -100]))
        >>> trace.source(loss).weight.item(), trace.source(2 * loss)
        (2.0, None)
    """

    def __init__(self):
        super().__init__()
        self._known: dict[int, tuple[Any, int, Source]] = {}

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        # Looked up before the call: one in place changes the version of what it is given.
        sources = [self.source(arg) for arg in args[:2]]
        result = function(*args, **(kwargs or {}))
        if function in _OF_CLASSES or function in _OF_ELEMENTS:
            found = _of_loss(function, args, kwargs or {})
        elif isinstance(result, Tensor | float):
            found = _derived(function, sources, args, kwargs or {}, result)
        else:
            found = None
        if found is not None:
            self._known[id(result)] = result, _version(result), found
        return result

    def source(self, value: Any) -> Source | None:
        """Where a value comes from, if it is what a remembered call returned and was not written since."""
        known, version, source = self._known.get(id(value), (None, 0, None))
        return source if known is value and version == _version(value) else None

    def __len__(self) -> int:
        return len(self._known)


def _version(value: Any) -> int:
    return version_of(value) if isinstance(value, Tensor) else 0


def _derived(function: Callable, sources: list[Source | None], args: tuple, kwargs: Mapping, result: Any):
    """Where the result of a call comes from that is not a loss."""
    name, first = getattr(function, "__name__", ""), next(iter(sources), None)
    size = result.numel() if isinstance(result, Tensor) else 1
    if name in ("mean", "sum") and len(args) == 1 and not kwargs.keys() - {"dtype"} and isinstance(args[0], Tensor):
        return _reduced(name, first, args[0])
    if name in _UNCHANGED and first and (first.kind == "elements" or size == 1):
        return first
    if size != 1 or not any(sources) or len(args) < 2:
        return None
    other = args[1]
    if name in _DIVIDED and first and _is_number(other):
        return Source("mean", other if first.kind == "sum" else first.weight, exact=False)
    if name in _SHIFTED or (name in _SCALED and any(not isinstance(arg, Tensor) for arg in args[:2])):
        return replace(next(filter(None, sources)), exact=False)
    return None


def _reduced(name: str, source: Source | None, given: Tensor) -> Source:
    """Where the mean or the sum of all entries comes from."""
    if source and source.kind != "elements":
        return source
    exact = source is not None and source.exact
    return Source("mean", given.numel(), exact) if name == "mean" else Source("sum", None, exact)


def _is_number(value: Any) -> bool:
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, int | float)


@cache
def _signature(function: Callable) -> inspect.Signature:
    return inspect.signature(function)


def _of_loss(function: Callable, args: tuple, kwargs: Mapping) -> Source:
    """What one of torch's losses does with the elements of a batch."""
    bound = _signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    reduction = _reduction(given)
    if reduction != "mean":
        return Source("mean", len(given["input"])) if reduction == "batchmean" else Source(_KINDS[reduction])
    with torch.no_grad():
        if function in _OF_CLASSES:
            return Source("mean", _weight_of_classes(given))
        if function in _SHARING_WEIGHTS and given.get("weight") is not None:
            return Source("mean", given["weight"].double().sum())
        legacy = {name: None for name in ("size_average", "reduce") if name in given}
        given |= {"reduction": "none"} | legacy
        return Source("mean", function(*bound.args, **bound.kwargs).numel())


_KINDS = {"none": "elements", "sum": "sum"}


def _reduction(given: Mapping[str, Any]) -> str:
    """The reduction, with the older arguments for it taken into account."""
    average, reduce = given.get("size_average"), given.get("reduce")
    if average is None and reduce is None:
        return given["reduction"]
    return "none" if reduce is False else "sum" if average is False else "mean"


def _weight_of_classes(given: Mapping[str, Any]) -> Float[Tensor, ""]:
    """The weights of all targets that count; class probabilities count as one each, whatever their weights."""
    target, weight = given["target"], given["weight"]
    if target.is_floating_point():
        classes = target.shape[1] if target.ndim > 1 else target.shape[0]
        return torch.tensor(target.numel() / classes, dtype=torch.float64, device=target.device)
    ignored = -100 if given["ignore_index"] is None else given["ignore_index"]
    counts = target != ignored
    if weight is None:
        return counts.double().sum()
    return torch.where(counts, weight.double()[torch.where(counts, target, 0)], 0.0).sum()


def is_weighed(value: Any) -> bool:
    """Whether a metric gives its weight itself, by returning a pair (sum, weight).

    Example:
        >>> is_weighed((3.0, 2)), is_weighed(torch.ones(2))
        (True, False)
    """
    return isinstance(value, tuple | list) and len(value) == 2


def batch_value(value: Any) -> Any:
    """A metric's value of one batch: what it returned, or sum / weight where it returned these.

    Example:
        >>> batch_value((3.0, 2)), batch_value(0.5)
        (1.5, 0.5)
    """
    if not is_weighed(value):
        return value
    total, weight = value
    return torch.as_tensor(total) / weight if isinstance(weight, Tensor) else total / weight if weight else torch.nan


def weight_in(trace: Trace, value: Any) -> float | None:
    """What a mean divides by, if that is known; NaN for a sum.

    Example:
        >>> with Trace() as trace:
        ...     loss = F.mse_loss(torch.ones(3, 2), torch.zeros(3, 2))
        >>> weight_in(trace, loss), weight_in(trace, 1.0)
        (6.0, None)
    """
    source = trace.source(value)
    if source is None or source.kind == "elements":
        return None
    return float(source.weight) if source.kind == "mean" else float("nan")


def as_number(value: Any) -> Tensor:
    """A metric's value as a tensor; a number of Python's keeps its digits.

    Example:
        >>> as_number(0.5).dtype, as_number(torch.ones(1)).dtype
        (torch.float64, torch.float32)
    """
    return torch.tensor(value, dtype=torch.float64) if isinstance(value, int | float) else torch.as_tensor(value)


def sum_and_weight(name: str, value: Any, trace: Trace) -> Float[Tensor, "2"]:
    """A batch's value times its weight, and the weight, in float64; a batch of weight 0 counts nothing.

    Args:
        name: What the metric is called, for messages.
        value: What it returned for a batch.
        trace: What was called meanwhile.

    Raises:
        ValueError: Nothing says the weight.

    Example:
        >>> sum_and_weight("loss", (3.0, 2), Trace())
        tensor([3., 2.], dtype=torch.float64)
    """
    if is_weighed(value):
        total, weight = (_double(part) for part in value)
    else:
        source = trace.source(value)
        if source is None or source.kind != "mean":
            raise ValueError(
                f"{name}: its weight was known for the first batch, and is not for a later one; let it return "
                f"(sum, weight) for every batch"
            )
        total = _double(value)
        weight = _double(source.weight)
        total = total * weight.to(total.device)
    weight = weight.to(total.device)
    return torch.stack([torch.where(weight == 0, 0.0, total), weight])


def _double(value: Any) -> Float[Tensor, ""]:
    return as_number(value).double().reshape(())


def combined(
    values: list[Float[Tensor, "*points size"]], counts: list[int], reduction: str, by_sample: bool = False
) -> tuple[Float[Tensor, "*points"], Float[Tensor, "*points"]]:
    """The value of all data from those of its batches, and its standard error, in float64.

    With one value a sample, the error is their spread divided by the root of their number. Else it is found
    from the B batches that count, as that of a ratio r = Σ sₖ / Σ wₖ: √(B/(B−1) Σ (sₖ − r wₖ)²) / Σ wₖ, where
    the weight wₖ of a batch is its samples if it says no other; a sum has this error times Σ wₖ.

    Args:
        values: For each batch, along the last dimension: one value a sample; or (sum, weight) for a weighted
            mean; or one number.
        counts: How many samples each batch has.
        reduction: How the values of batches become one.
        by_sample: Whether there is one value a sample.

    Returns:
        The value, and its standard error (NaN where it comes from a single value).

    Example:
        >>> value, error = combined([torch.tensor([2.0, 2.0]), torch.tensor([3.0, 1.0])], [5, 5], WEIGHTED)
        >>> round(value.item(), 4), round(error.item(), 4)
        (1.6667, 0.8889)
        >>> combined([torch.tensor([2.0]), torch.tensor([3.0])], [5, 5], SUM)[0].item()
        5.0
        >>> mean, error = combined([torch.tensor([0.0, 1.0]), torch.tensor([2.0])], [2, 1], MEAN, by_sample=True)
        >>> round(mean.item(), 4), round(error.item(), 4)
        (1.0, 0.5774)
    """
    parts = [value[..., :1] for value in values] if reduction == WEIGHTED else values
    joined = torch.cat(parts, -1).double()
    if by_sample:
        mean, size = joined.mean(-1), joined.shape[-1]
        return mean, joined.std(-1) / size**0.5 if size > 1 else torch.full_like(mean, torch.nan)
    samples = torch.tensor(counts, dtype=torch.float64, device=joined.device)
    weights = torch.cat([value[..., 1:] for value in values], -1).double() if reduction == WEIGHTED else samples
    sums = joined * samples if reduction in (MEAN, BATCHES) else joined
    total = weights.sum(-1)
    ratio = sums.sum(-1) / total
    size = (weights != 0).sum(-1)
    spread = (sums - ratio[..., None] * weights).square().sum(-1) * size / (size - 1)
    error = torch.where(size > 1, spread, torch.nan).sqrt()
    return (sums.sum(-1), error) if reduction == SUM else (ratio, error / total)
