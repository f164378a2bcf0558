"""Scores and targets that are made up from a batch's own: trying a metric on them shows how its values combine.

A loss that is clipped, trimmed or taken from the worst samples looks like a mean over samples where no
sample is extreme. So it is tried on scores of many sizes, right and wrong, and with one that is far off.
No forward pass is made.

What this cannot see: a metric that changes only beyond the sizes that are tried, or on targets that none of the
batches has. A metric that refuses made-up scores is judged by those that it takes, and by the batches.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from landscape_nb._common.compat import tree_leaves, tree_map, tree_structure
from landscape_nb.objective.reductions import Metric, Trace, as_number, is_weighed, sum_and_weight, weight_in

Example = tuple[Any, Any]
"""Outputs and targets to try a metric on."""
_MOST_SAMPLES, _MOST_ENTRIES, _SAMPLES_IN_A_LOOP = 1024, 2**18, 12
_TOLERANCES = {False: 1e-4, True: 1e-6}
"""How much rounding changes a value, relatively; whether it is computed in float64."""
_SHARPNESS = (0.3, 1.0, 3.0, 7.0, 12.0, 20.0)


def joined(outputs: Any, targets: Sequence[Any]) -> Example | None:
    """Targets taken from all batches, as many as are cheap to try, and as many scores, taken from one batch.

    Args:
        outputs: The outputs of the first batch.
        targets: The targets of all batches, the first one's first.

    Returns:
        Scores and targets; None where their tensors do not have a common first dimension, or targets are objects.

    Example:
        >>> scores, targets = joined(torch.eye(2), [torch.tensor([0, 1]), torch.tensor([2])])
        >>> len(scores), targets
        (3, tensor([0, 1, 2]))
    """
    samples = _common_length((outputs, targets[0]))
    if samples is None:
        return None
    alike = [part for part in targets if _shape(part) == _shape(targets[0]) and _common_length(part)]
    if not alike:  # objects, such as graphs, whose tensors are their own affair
        return None
    entries = sum(part.numel() for part in _tensors((outputs, targets[0]))) // samples
    most = max(2, min(_MOST_SAMPLES, _MOST_ENTRIES // max(1, entries)))
    alike = [alike[number] for number in _spread(len(alike), most)]
    each = -(-most // len(alike))
    some = [_taken(part, _spread(_length(part), each)) for part in alike]
    together = tree_map(lambda *parts: torch.cat(parts) if _counts(parts[0]) else parts[0], *some)
    count = max(2, _length(together))
    return _taken(outputs, [n % samples for n in range(count)]), _taken(
        together, [n % _length(together) for n in range(count)]
    )


def _counts(part: Any) -> bool:
    return isinstance(part, Tensor) and part.ndim > 0


def _tensors(parts: Any) -> list[Tensor]:
    return [part for part in tree_leaves(parts) if _counts(part)]


def _common_length(parts: Any) -> int | None:
    """The first dimension that all tensors have, if they have the same."""
    sizes = {len(part) for part in _tensors(parts)}
    return sizes.pop() if len(sizes) == 1 and 0 not in sizes else None


def _length(parts: Any) -> int:
    """The first dimension that all tensors have.

    Raises:
        ValueError: They do not have the same.
    """
    if (length := _common_length(parts)) is None:
        raise ValueError("the tensors do not have a common first dimension")
    return length


def _shape(parts: Any) -> tuple:
    return tree_structure(parts), [part.shape[1:] for part in _tensors(parts)]


def _spread(count: int, most: int) -> list[int]:
    return torch.linspace(0, count - 1, min(count, most)).round().int().tolist()


def _taken(parts: Any, chosen: Sequence[int] | slice) -> Any:
    return tree_map(lambda part: part[chosen] if _counts(part) else part, parts)


def examples(outputs: Any, targets: Any, metric: Metric | None = None) -> Iterator[Example]:
    """Scores and targets like these: of many sizes, wrong, right, with one sample far off or NaN.

    They are in float64, so that only rounding is overlooked, unless `metric` does not take that.

    Example:
        >>> max(float(scores.nan_to_num().max()) for scores, _ in examples(torch.eye(2), torch.tensor([0, 1]))) > 900
        True
    """
    generator = torch.Generator().manual_seed(0)
    wide = tree_map(_wide, (outputs, targets))
    outputs, targets = wide if metric is None or _is_taken(metric, wide) else (outputs, targets)
    mixed, noisy = (tree_map(partial(change, generator=generator), outputs) for change in (mix, shake))
    yield from ((scores, targets) for scores in (outputs, mixed, noisy))
    yield from ((_scaled(noisy, factor), targets) for factor in (-30.0, -1.0, 1e-2, 0.1, 10.0, 100.0, 1e3))
    yield from ((scores, _rolled(targets)) for scores in (outputs, noisy))
    yield from ((_scaled(noisy, factor, slice(1)), targets) for factor in (1e3, -1e3, 1e-3, torch.nan))
    if all(bool(((part >= 0) & (part <= 1)).all()) for part in _tensors(outputs) if part.is_floating_point()):
        yield from ((tree_map(partial(_sharpened, power=power), mixed), targets) for power in (0.1, 3.0, 30.0))
    if isinstance(outputs, Tensor) and isinstance(targets, Tensor):
        yield from ((scores, targets) for scores in _right(outputs, targets, generator))


def _is_taken(metric: Metric, example: Example) -> bool:
    try:
        metric(*example)
    except Exception:
        return False
    return True


def _wide(part: Any) -> Any:
    if not (isinstance(part, Tensor) and part.is_floating_point() and part.device.type != "mps"):
        return part
    return part.double()


def mix(part: Any, generator: torch.Generator) -> Any:
    """Scores between those of two samples each: probabilities stay probabilities."""
    if not (_counts(part) and part.is_floating_point()):
        return part
    part = part.nan_to_num(0.0, 1.0, -1.0)
    share = torch.rand(len(part), generator=generator).to(part).view(-1, *[1] * (part.ndim - 1))
    return (1 - share) * part + share * part.flip(0)


def shake(part: Any, generator: torch.Generator) -> Any:
    """Scores with noise."""
    if not (_counts(part) and part.is_floating_point()):
        return part
    part = part.nan_to_num(0.0, 1.0, -1.0)
    return part + 0.1 * (1 + part.abs()) * torch.randn(part.shape, generator=generator).to(part)


def _scaled(parts: Any, factor: float, samples: slice = slice(None)) -> Any:
    """Scores times a number, for some samples."""

    def scale(part: Any) -> Any:
        if not (_counts(part) and part.is_floating_point()):
            return part
        part = part.clone()
        part[samples] *= factor
        return part

    return tree_map(scale, parts)


def _rolled(parts: Any) -> Any:
    return tree_map(lambda part: part.roll(1, 0) if _counts(part) else part, parts)


def _sharpened(part: Any, power: float) -> Any:
    """Probabilities raised to a power; those that sum to one along the last dimension go on doing so."""
    if not (_counts(part) and part.is_floating_point()):
        return part
    raised = part.nan_to_num().clamp(0, 1) ** power
    total = part.sum(-1, keepdim=True)
    return raised / raised.sum(-1, keepdim=True) if torch.allclose(total, torch.ones_like(total)) else raised


def _right(outputs: Tensor, targets: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Scores that are right for these targets, from barely to nearly perfectly."""
    noise = torch.randn(outputs.shape, generator=generator).to(outputs)
    if outputs.shape == targets.shape and outputs.is_floating_point():
        yield from (targets + noise * 10.0 ** (1 - sharpness / 4) for sharpness in _SHARPNESS)
        yield from ((2.0 * targets - 1) * sharpness * (1 + 0.2 * noise) for sharpness in _SHARPNESS)
        return
    dims = {1, outputs.ndim - 1} if outputs.ndim > 1 and not targets.is_floating_point() else ()
    for dim in dims:
        if outputs.shape[:dim] + outputs.shape[dim + 1 :] == targets.shape:
            classes = targets.long().clamp(0, outputs.shape[dim] - 1).unsqueeze(dim)
            hot = torch.zeros_like(outputs).scatter_(dim, classes, 1.0)
            yield from (sharpness * (hot + 0.1 * noise) for sharpness in _SHARPNESS)


def is_mean_in_all(form: Metric, metric: Metric, tried: Sequence[Example]) -> bool:
    """Whether a metric is the mean of what `form` gives for each sample, in all examples that it takes.

    Example:
        >>> squares = lambda o, t: (o - t).square()
        >>> tried = list(examples(torch.ones(4), torch.zeros(4)))
        >>> is_mean_in_all(squares, lambda o, t: squares(o, t).mean(), tried)
        True
        >>> is_mean_in_all(squares, lambda o, t: squares(o, t).mean().clamp(max=1e4), tried)
        False
    """
    for outputs, targets in tried:
        try:
            wanted = as_number(metric(outputs, targets))
        except Exception:  # a metric may refuse made-up scores in words of its own
            continue
        try:
            values = form(outputs, targets)
        except Exception:
            return False
        values = values if values.is_floating_point() else values.double()
        tolerance = _TOLERANCES[wanted.dtype is torch.float64]
        if not _same(values.mean().double(), wanted.double(), values.double().abs().mean(), tolerance):
            return False
    return True


def looped(metric: Metric) -> Metric:
    """The values of a metric that `torch.vmap` does not take, for each sample.

    Example:
        >>> looped(lambda o, t: (o - t).abs().item())(torch.ones(2), torch.zeros(2))
        tensor([1., 1.], dtype=torch.float64)
    """

    def values(outputs: Any, targets: Any) -> Shaped[Tensor, "n"]:
        samples = range(_length((outputs, targets)))
        each = (metric(*_taken((outputs, targets), slice(n, n + 1))) for n in samples)
        return torch.stack([as_number(value).reshape(()) for value in each])

    return values


def is_mean_of_singles(metric: Metric, outputs: Any, targets: Any) -> bool:
    """Whether a metric is the mean of what it gives for single samples, called one after the other.

    Example:
        >>> is_mean_of_singles(lambda o, t: (o - t).abs().mean().item(), torch.ones(4), torch.zeros(4))
        True
        >>> is_mean_of_singles(lambda o, t: (o - t).abs().max().item(), torch.arange(4.0), torch.zeros(4))
        False
    """
    few_outputs, few_targets = _taken((outputs, targets), _spread(_length((outputs, targets)), _SAMPLES_IN_A_LOOP))
    tried = list(examples(few_outputs, few_targets, metric))
    return _varies(metric, tried) and is_mean_in_all(looped(metric), metric, tried)


def _varies(metric: Metric, tried: Sequence[Example]) -> bool:
    """Whether a metric heeds the scores; one that returns a loss from inside the model does not."""
    seen = set()
    for example in tried:
        try:
            seen.add(float(metric(*example)))
        except Exception:  # a metric may refuse made-up scores in words of its own
            continue
        if len(seen) > 1:
            return True
    return False


def adds_up(metric: Metric, tried: Sequence[Example]) -> bool | None:
    """Whether a metric's value is that of two parts of the samples, with the weights that its calls tell.

    Returns:
        None if no example could be tried.

    Example:
        >>> weigh = torch.nn.CrossEntropyLoss(torch.tensor([1.0, 5.0]).double())
        >>> tried = list(examples(torch.eye(2)[[0, 1, 1]], torch.tensor([0, 1, 0])))
        >>> adds_up(weigh, tried), adds_up(lambda o, t: weigh(o - o.mean(0), t), tried)
        (True, False)
    """
    made = None
    for outputs, targets in tried:
        cut = -(-_length((outputs, targets)) // 3)
        try:
            whole, one, other = (_traced(metric, *_taken((outputs, targets), part)) for part in _parts(cut))
        except Exception:  # a metric may refuse made-up scores in words of its own
            continue
        if whole is None or one is None or other is None:
            return False
        made = True
        sums, weights = one + other
        wanted, found = (whole[0], sums) if whole[1].isnan() else (whole[0] / whole[1], sums / weights)
        if not _same(found, wanted, wanted.abs(), _TOLERANCES[_is_wide(outputs)]):
            return False
    return made


def _is_wide(parts: Any) -> bool:
    return all(part.dtype is torch.float64 for part in _tensors(parts) if part.is_floating_point())


def _parts(cut: int) -> tuple[slice, slice, slice]:
    return slice(None), slice(cut), slice(cut, None)


def _traced(metric: Metric, outputs: Any, targets: Any) -> Float[Tensor, "2"] | None:
    """Sum and weight of a metric; the weight of what is a sum already is NaN."""
    with Trace() as trace:
        value = metric(outputs, targets)
    weight = weight_in(trace, value)
    if is_weighed(value) or (weight is not None and weight == weight):
        return sum_and_weight("", value, trace)
    return None if weight is None else torch.tensor([float(value), torch.nan], dtype=torch.float64)


def _same(found: Tensor, wanted: Tensor, size: Tensor, tolerance: float) -> bool:
    """Whether two numbers are the same up to rounding in numbers of this size."""
    if not (torch.isfinite(found) and torch.isfinite(wanted)):
        return bool(torch.equal(found.cpu(), wanted.cpu()) or (found.isnan() and wanted.isnan()))
    return bool((found - wanted).abs() <= tolerance * size.clamp(min=1e-30))
