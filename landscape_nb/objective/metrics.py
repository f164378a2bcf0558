"""Metrics of a batch, such as loss and accuracy: which are means over samples, and how they add up."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.compat import tree_leaves, tree_map, version_of
from landscape_nb._common.schema import TAKEN
from landscape_nb.objective.made_up import Trial, adds_up, is_mean_in_all, is_mean_of_singles, mix, shake, trials
from landscape_nb.objective.reductions import BATCHES, MEAN, SUM, WEIGHTED, Metric, Trace, is_weighed, weight_in

_KINDS = {"mean": WEIGHTED, "sum": SUM}


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
    for name, part in (("outputs", outputs), ("targets", targets)):
        check_kind(name, part, Tensor, "a tensor")
    check_choice("reduction", reduction, ("mean", "none"))
    shape = tuple(outputs.shape)
    ways = {1, outputs.ndim - 1} if outputs.ndim > 1 else ()
    fitting = [way for way in ways if shape[:way] + shape[way + 1 :] == tuple(targets.shape)]
    if len(fitting) != 1:
        found = "fits both ways" if fitting else "does not fit"
        raise ValueError(f"outputs: got shape {shape}, which {found} targets of shape {tuple(targets.shape)}")
    right = (outputs.argmax(fitting[0]) == targets).float()
    return right.mean() if reduction == "mean" else right


def named_metrics(criterion: Metric, metrics: Mapping[str, Metric] | None) -> dict[str, Metric]:
    """All metrics by name: the criterion first, as `loss`, then the others.

    Raises:
        TypeError: `metrics` is not a mapping from strings, or a metric is not a function.

    Example:
        >>> list(named_metrics(torch.nn.functional.cross_entropy, {"accuracy": accuracy}))
        ['loss', 'accuracy']
    """
    metrics = {} if metrics is None else metrics
    check_kind("metrics", metrics, Mapping, "a dict of functions by name")
    _check_metric("criterion", criterion)
    for name, metric in metrics.items():
        check_kind("metrics", name, str, "names that are strings")
        _check_metric(f"metrics[{name!r}]", metric)
    if "loss" in metrics:
        raise ValueError("metrics: the name 'loss' is the criterion's")
    return {"loss": criterion, **metrics}


def _check_metric(argument: str, metric: object) -> None:
    if isinstance(metric, type):
        raise TypeError(f"{argument}: got the class {metric.__name__}, wants an instance: {metric.__name__}()")
    if not callable(metric):
        raise TypeError(f"{argument}: got {type(metric).__name__}, wants a function of outputs and targets")


def check_value(name: str, value: Any) -> None:
    """Raise unless a metric gave one real number, or a pair (sum, weight) with a weight from 0 up.

    Example:
        >>> check_value("loss", (2.0, -1))
        Traceback (most recent call last):
        ValueError: loss: gave a weight of -1, wants a number from 0 up
    """
    for part in value if is_weighed(value) else (value,):
        check_kind(name, part, (Tensor, float, int, np.number), "a metric that returns one number, or (sum, weight)")
    parts = [torch.as_tensor(part) for part in (value if is_weighed(value) else (value,))]
    for part in parts:
        if part.numel() != 1:
            raise ValueError(
                f"{name}: gave a tensor of shape {tuple(part.shape)}, wants one mean over the batch, or (sum, weight)"
            )
        if part.is_complex():
            raise ValueError(f"{name}: gave a complex number, wants a real one")
    if is_weighed(value) and not 0 <= (weight := parts[1].item()) < float("inf"):
        raise ValueError(f"{name}: gave a weight of {weight}, wants a number from 0 up")


def check_names(names: Sequence[str]) -> None:
    """Raise a `ValueError` unless all names are different, and none is another value's in a Dataset.

    Example:
        >>> check_names(["loss", "loss_stderr", "beta"])
        Traceback (most recent call last):
        ValueError: metrics, extra_data: the name 'beta' is taken
    """
    seen = set(TAKEN)
    for name in names:
        if name in seen:
            raise ValueError(f"metrics, extra_data: the name {name!r} is taken")
        seen.add(name)


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
    unreduced = partial(metric, reduction="none")  # pyrefly: ignore[unexpected-keyword]  (whether it takes it is tried)
    forms = unreduced, partial(per_sample, metric)
    return next((form for form in forms if is_mean_of(form, metric, outputs, targets, count)), None)


def per_sample(metric: Metric, outputs: Any, targets: Any) -> Shaped[Tensor, "n"]:
    """The values of a metric that is a mean over samples, for each sample.

    Example:
        >>> accuracy = lambda outputs, targets: (outputs.argmax(-1) == targets).float().mean()
        >>> per_sample(accuracy, torch.eye(2), torch.tensor([0, 0]))
        tensor([1., 0.])
    """

    def one(*sample: Any) -> Tensor:
        return metric(*tree_map(lambda tensor: tensor[None], sample)).reshape(())

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


@dataclass(frozen=True)
class Combination:
    """How a metric's values of batches become its value of all data.

    Attributes:
        reduction: One of the four kinds that `reductions` names.
        by_sample: A function that gives one value a sample, for a mean over samples; None if none is known.
        inside: Whether the weight of a batch is seen only in the model's forward pass.
        coupled: Whether the model's outputs for a sample depend on the others of its batch.
        told: Whether the metric gives its weight itself, by returning a pair.
    """

    reduction: str
    by_sample: Metric | None = None
    inside: bool = False
    coupled: bool = False
    told: bool = False

    def of_batches(self, coupled: bool = False) -> "Combination":
        """The same metric, where a batch's value is not made of its samples' values; sums are still added up."""
        keeps = coupled and (self.reduction == SUM or self.told)
        return replace(self, coupled=True) if keeps else Combination(BATCHES, coupled=coupled)


def _cloned(outputs: Any) -> Any:
    return tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, outputs)


class OwnOutputs:
    """A metric that writes into outputs: it gets a copy of them, because other metrics read them afterwards.

    Example:
        >>> scores = torch.ones(2)
        >>> OwnOutputs(lambda o, t: o.mul_(3).sum())(scores, None).item(), scores.sum().item()
        (6.0, 2.0)
    """

    def __init__(self, metric: Metric):
        self.metric = metric

    def __call__(self, outputs: Any, targets: Any, **settings: Any) -> Any:
        """The metric of a copy of outputs."""
        return self.metric(_cloned(outputs), targets, **settings)


def without_writing(metrics: Mapping[str, Metric], outputs: Any, targets: Any) -> dict[str, Metric]:
    """The metrics; those that write into outputs become `OwnOutputs`.

    Example:
        >>> found = without_writing({"loss": lambda o, t: o.exp_().sum()}, torch.ones(2), None)
        >>> type(found["loss"]).__name__
        'OwnOutputs'
    """

    def own(metric: Metric) -> Metric:
        given = _cloned(outputs)
        metric(given, targets)
        written = any(isinstance(leaf, Tensor) and version_of(leaf) > 0 for leaf in tree_leaves(given))
        return OwnOutputs(metric) if written else metric

    return {name: own(metric) for name, metric in metrics.items()}


class Said:
    """What a metric gives for a batch, and what its calls say about that.

    Args:
        metric: The metric.
        outputs: The model's outputs for a batch.
        targets: The targets of the same batch.
        forward: The trace of the model's forward pass, which still listens.

    Example:
        >>> Said(torch.nn.MSELoss(), torch.ones(3), torch.zeros(3)).weight
        3.0
    """

    def __init__(self, metric: Metric, outputs: Any, targets: Any, forward: Trace | None = None):
        with Trace() as own:
            self.value = metric(outputs, targets)
        self.origin = own.origin(self.value)
        self.inside = forward.origin(self.value) if forward and not self.origin else None
        self.weight = weight_in(own, self.value)
        self.is_sum = bool(self.origin and self.origin.kind == "sum")


def find_combination(metric: Metric, said: Said, form: Metric | None, some: Trial | None) -> Combination:
    """How a metric's values of batches become one.

    Args:
        metric: The metric.
        said: What it said of the first batch.
        form: A function that gives it sample by sample, if one is known.
        some: Scores and targets to try it on.

    Example:
        >>> scores, classes = torch.eye(3), torch.tensor([0, 1, 1])
        >>> weigh = torch.nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]))
        >>> find_combination(weigh, Said(weigh, scores, classes), None, (scores, classes)).reduction
        'weighted mean'
    """
    if is_weighed(said.value):
        return Combination(WEIGHTED, told=True)
    if form:
        return Combination(MEAN, form)
    if said.inside and said.inside.exact and said.inside.kind in _KINDS:
        return Combination(_KINDS[said.inside.kind], inside=True)
    if said.origin and said.origin.kind in _KINDS:
        sound = adds_up(metric, list(trials(*some, metric))) if some else None
        if sound or (sound is None and said.origin.exact):
            return Combination(_KINDS[said.origin.kind])
    if some and is_mean_of_singles(metric, *some):
        return Combination(MEAN)
    return Combination(BATCHES)


def find_form(
    metric: Metric, outputs: Any, targets: Any, count: int, some: Trial | None, singles: bool
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
    if form is None or _is_torchs_own(metric):
        return form
    if some is None:
        return None if singles else form
    return form if is_mean_in_all(form, metric, list(trials(*some, metric))) else None


def _is_torchs_own(metric: Metric) -> bool:
    function = metric.func if isinstance(metric, partial) else metric
    return (getattr(function, "__module__", None) or type(function).__module__).startswith("torch.")


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


def warn_of_batches(combinations: Mapping[str, Combination], batches: int, stacklevel: int) -> None:
    """Warn of metrics whose values depend on how the data are cut into batches, if there are several.

    Example:
        >>> warn_of_batches({"loss": Combination(BATCHES)}, 1, 1)
    """
    if any(found.coupled for found in combinations.values()):
        warnings.warn(
            "model: its outputs for a sample depend on the other samples of the batch, as in a batch norm without "
            f"running statistics. So all values depend on batch_size: those of the {batches} batches are averaged, "
            "weighted by samples. Give all data as one batch for the value of all at once",
            stacklevel=stacklevel + 1,
        )
        return
    names = [name for name, found in combinations.items() if found.reduction == BATCHES]
    if names and batches > 1:
        called = ["criterion" if name == "loss" else f"metrics[{name!r}]" for name in names]
        warnings.warn(
            f"{', '.join(called)}: not seen to be a mean over samples, nor a loss of torch's as it comes. So its value "
            f"depends on batch_size: those of the {batches} batches are averaged, weighted by samples. Return "
            f"(sum, weight) for a value of Σ sum / Σ weight, or give all data as one batch",
            stacklevel=stacklevel + 1,
        )
