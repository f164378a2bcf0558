"""Measures of a batch, such as loss and accuracy: which are means over samples, and how they add up."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils._pytree import tree_map

from landscape_nb.arguments import check_kind
from landscape_nb.program import FAILURES

Measure = Callable[[Any, Any], Tensor]
_TAKEN = ("alpha", "beta", "repeat", "loss_spread", "negative_variance", "measured", "samples", "loss_error")
"""What else a Dataset of values names."""


def accuracy(
    outputs: Float[Tensor, "n *scores"], targets: Int[Tensor, "n *places"], reduction: str = "mean"
) -> Float[Tensor, "*n"]:
    """The fraction of samples (or of places in them, such as pixels) whose highest score is the target's.

    Args:
        outputs: Scores of each class, along the second dimension, as torch's losses have it, or the last.
        targets: The right classes.
        reduction: `'mean'`, or `'none'` for one 0 or 1 a sample, as torch's losses have it.

    Raises:
        ValueError: Shapes that do not fit, or fit both ways.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).item()
        0.5
    """
    shape = tuple(outputs.shape)
    ways = {1, outputs.ndim - 1} if outputs.ndim > 1 else ()
    fitting = [way for way in ways if shape[:way] + shape[way + 1 :] == tuple(targets.shape)]
    if len(fitting) != 1:
        found = "fits both ways" if fitting else "does not fit"
        raise ValueError(f"outputs: got shape {shape}, which {found} targets of shape {tuple(targets.shape)}")
    right = (outputs.argmax(fitting[0]) == targets).float()
    return right.mean() if reduction == "mean" else right


def named_measures(criterion: Measure, metrics: Mapping[str, Measure] | None) -> dict[str, Measure]:
    """The criterion, as `loss`, and the metrics.

    Raises:
        TypeError: `metrics` is no mapping from strings, or a measure is no function.

    Example:
        >>> list(named_measures(torch.nn.functional.cross_entropy, {"accuracy": accuracy}))
        ['loss', 'accuracy']
    """
    check_kind("metrics", metrics or {}, Mapping, "a dict of functions by name")
    check_kind("criterion", criterion, Callable, "a function of outputs and targets")
    for name, metric in (metrics or {}).items():
        check_kind("metrics", name, str, "names that are strings")
        check_kind(f"metrics[{name!r}]", metric, Callable, "a function of outputs and targets")
    if "loss" in (metrics or {}):
        raise ValueError("metrics: the name 'loss' is the criterion's")
    return {"loss": criterion, **(metrics or {})}


def check_names(names: Sequence[str]) -> None:
    """Raise a `ValueError` unless all names are different, and none is another value's in a Dataset.

    Example:
        >>> check_names(["loss", "loss_stderr", "beta"])
        Traceback (most recent call last):
        ValueError: metrics, extra_data: the name 'beta' is taken
    """
    seen = set(_TAKEN)
    for name in names:
        if name in seen:
            raise ValueError(f"metrics, extra_data: the name {name!r} is taken")
        seen.add(name)


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
