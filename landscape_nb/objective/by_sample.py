"""Metrics that are means over samples: a function that gives one sample by sample, if there is one."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from landscape_nb._common.compat import tree_map
from landscape_nb._common.foreign import marking_foreign
from landscape_nb._common.torchs import is_torchs
from landscape_nb.objective.made_up import Example, examples, is_mean_in_all, mix, shake
from landscape_nb.objective.metrics import Said
from landscape_nb.objective.reductions import Metric


def sample_metric(metric: Metric, outputs: Any, targets: Any, count: int) -> Metric | None:
    """A function that gives a metric's value for each sample, if it is a mean over samples.

    Args:
        metric: A metric of a batch.
        outputs: Outputs of a batch to try it on.
        targets: Targets of the same batch.
        count: How many samples it has.

    Returns:
        The metric with `reduction="none"` if it has that (torch's losses do), else `per_sample` of
        it; None where neither has the batch's metric for its mean.

    Example:
        >>> outputs, targets = torch.diag(torch.arange(3.0)), torch.tensor([0, 1, 1])
        >>> sample_metric(torch.nn.functional.cross_entropy, outputs, targets, 3)(outputs, targets).shape
        torch.Size([3])
        >>> sample_metric(lambda outputs, targets: outputs.max(), outputs, targets, 3) is None
        True
    """
    forms = partial(_unreduced, metric), partial(per_sample, metric)
    return next((form for form in forms if is_mean_of(form, metric, outputs, targets, count)), None)


def _unreduced(metric: Metric, outputs: Any, targets: Any) -> Any:
    with marking_foreign():
        return metric(outputs, targets, reduction="none")  # pyrefly: ignore[unexpected-keyword]  (it is tried)


def per_sample(metric: Metric, outputs: Any, targets: Any) -> Shaped[Tensor, "n"]:
    """The values of a metric that is a mean over samples, for each sample.

    Example:
        >>> accuracy = lambda outputs, targets: (outputs.argmax(-1) == targets).float().mean()
        >>> per_sample(accuracy, torch.eye(2), torch.tensor([0, 0]))
        tensor([1., 0.])
    """

    def one(*sample: Any) -> Tensor:
        alone = tree_map(lambda tensor: tensor[None], sample)
        with marking_foreign():
            value = metric(*alone)
        return value.reshape(())

    with batching_quietly():
        return torch.vmap(one)(outputs, targets)


@contextmanager
def batching_quietly() -> Iterator[None]:
    """Without torch's warning that `vmap` goes point by point through an operation: nobody here chose it.

    Example:
        >>> with batching_quietly():
        ...     torch.vmap(torch.sin)(torch.zeros(1))
        tensor([0.])
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop because we have not yet implemented")
        yield


def is_mean_of(form: Metric, metric: Metric, outputs: Any, targets: Any, count: int) -> bool:
    """Whether a metric is the mean of what `form` gives for each sample: of these outputs, and of others like them.

    Example:
        >>> squares = partial(torch.nn.functional.mse_loss, reduction="none")
        >>> root = lambda outputs, targets: torch.nn.functional.mse_loss(outputs, targets).sqrt()
        >>> is_mean_of(squares, torch.nn.functional.mse_loss, torch.zeros(3), torch.zeros(3), 3)
        True
        >>> is_mean_of(squares, root, torch.zeros(3), torch.zeros(3), 3)
        False
    """
    generator = torch.Generator().manual_seed(0)
    others = [tree_map(partial(change, generator=generator), outputs) for change in (mix, shake)]
    for scores in (outputs, *others):
        try:
            wanted = torch.as_tensor(metric(scores, targets)).double()
        except Exception:  # a metric may refuse made-up scores in words of its own
            continue
        try:
            values = form(scores, targets).double()
        except Exception:
            return False
        if not (values.shape == (count,) and torch.allclose(values.mean(), wanted, rtol=1e-4, equal_nan=True)):
            return False
    return True


def find_form(
    metric: Metric, outputs: Any, targets: Any, count: int, some: Example | None, singles: bool
) -> Metric | None:
    """A function that gives a metric sample by sample: what `sample_metric` finds, if made-up scores confirm it.

    Args:
        metric: A metric of a batch.
        outputs: Outputs of a batch.
        targets: Targets of the same batch.
        count: How many samples it has.
        some: Scores and targets to try it on.
        singles: Whether no batch has more than one sample, so that batches tell nothing.

    Example:
        >>> clipped = lambda o, t: torch.nn.functional.mse_loss(o, t).clamp(max=100)
        >>> scores, targets = torch.arange(4.0), torch.zeros(4)
        >>> sample_metric(clipped, scores, targets, 4) is None
        False
        >>> find_form(clipped, scores, targets, 4, (scores, targets), False) is None
        True
    """
    form = sample_metric(metric, outputs, targets, count)
    if form is None or is_torchs(metric):
        return form
    if some is None:
        return None if singles else form
    return form if is_mean_in_all(form, metric, list(examples(*some, metric))) else None


def remaining_forms(
    forms: Mapping[str, Metric | None], metrics: Mapping[str, Metric], batches: Iterable[tuple[Any, Any, int]]
) -> dict[str, Metric | None]:
    """The forms that also give the mean of every other batch, for metrics that weigh batches by their samples.

    Args:
        forms: For each metric, a function that gives it sample by sample; None if it is not a mean over samples.
        metrics: The metrics.
        batches: Outputs, targets and samples of each batch.

    Example:
        >>> mean = torch.nn.functional.mse_loss
        >>> batches = ((torch.ones(n, 2), torch.zeros(n, 2), n) for n in (3, 1))
        >>> remaining_forms({"loss": partial(per_sample, mean)}, {"loss": mean}, batches)["loss"] is None
        False
    """
    left, shares = dict(forms), {}
    if not any(left.values()):
        return left
    for outputs, targets, count in batches:
        for name, form in left.items():
            if form and not is_mean_of(form, metrics[name], outputs, targets, count):
                left[name] = form = None
            if form and (weight := Said(metrics[name], outputs, targets).weight) is not None:
                share = weight / count
                if abs(shares.setdefault(name, share) - share) > 1e-6 * abs(share):
                    left[name] = None
        if not any(left.values()):
            break
    return left
