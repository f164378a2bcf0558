"""Metrics of a batch, such as loss and accuracy: their names, and what they give."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.compat import tree_leaves, tree_map, version_of
from landscape_nb._common.schema import TAKEN
from landscape_nb.objective.reductions import Metric, Trace, is_weighed, weight_in


def accuracy(
    outputs: Float[Tensor, "n *scores"], targets: Int[Tensor, "n *positions"], reduction: str = "mean"
) -> Float[Tensor, "*n"]:
    """The fraction of samples (or of positions in them, such as pixels) whose highest score is the target's.

    Args:
        outputs: Scores of each class, along the second dimension, as torch's losses have it, or the last.
        targets: The right classes.
        reduction: `'mean'`, or `'none'` for one 0 or 1 a sample, as torch's losses have it.

    Returns:
        One number; with `'none'` one for each sample, of the shape of `targets`.

    Raises:
        TypeError: Outputs or targets that are not tensors.
        ValueError: Shapes that do not fit, or fit both ways; or another reduction.

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
        self.source = own.source(self.value)
        self.inside = forward.source(self.value) if forward and not self.source else None
        self.weight = weight_in(own, self.value)
        self.is_sum = bool(self.source and self.source.kind == "sum")
