"""How the values of metrics on batches become their values on all data: found out on the data themselves."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from landscape_nb._common.compat import tree_map
from landscape_nb._common.foreign import FAILURES
from landscape_nb._common.rng import preserved_rng
from landscape_nb.objective.batches import Batches, naming, targets_of
from landscape_nb.objective.by_sample import find_form, remaining_forms
from landscape_nb.objective.forward import Plain
from landscape_nb.objective.made_up import Example, adds_up, examples, is_mean_of_singles, joined
from landscape_nb.objective.metrics import Said, without_writing
from landscape_nb.objective.nested import copied, tensors_of
from landscape_nb.objective.parts import Cut, counting_dim, differing, has_coupled_samples, is_pair_of_means, swapped
from landscape_nb.objective.reductions import BATCHES, MEAN, SUM, WEIGHTED, Metric, Trace, is_weighed

_KINDS = {"mean": WEIGHTED, "sum": SUM}


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


def find_combination(metric: Metric, said: Said, form: Metric | None, some: Example | None) -> Combination:
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
    if said.source and said.source.kind in _KINDS:
        sound = adds_up(metric, list(examples(*some, metric))) if some else None
        if sound or (sound is None and said.source.exact):
            return Combination(_KINDS[said.source.kind])
    if some and is_mean_of_singles(metric, *some):
        return Combination(MEAN)
    return Combination(BATCHES)


def find_combinations(
    forward: Plain, groups: Mapping[str, Batches], metrics: Mapping[str, Metric]
) -> tuple[dict[str, Metric], dict[str, Combination]]:
    """How each metric's values of batches become one.

    Args:
        forward: The model's forward pass.
        groups: The batches of each data set, by prefix; the first has `''`.
        metrics: The metrics by name.

    Returns:
        The metrics, those that write into outputs as `OwnOutputs`, and their combinations.

    Raises:
        ValueError: A metric returns two numbers that are not a sum and its weight, or a batch cannot be evaluated.

    Example:
        >>> data = Batches.read((torch.ones(5, 1), torch.zeros(5, 1)), 3, "cpu")
        >>> _, found = find_combinations(Plain(torch.nn.Linear(1, 1)), {"": data}, {"loss": torch.nn.MSELoss()})
        >>> found["loss"].reduction
        'mean over samples'
    """
    batch, _ = next(iter(groups[""]))
    targets = targets_of(batch)
    with torch.no_grad(), preserved_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")  # of vmap, while it is tried
        with Trace() as inside, naming(groups, "", 0):
            outputs = forward.outputs(forward.state(), batch)
            metrics = without_writing(metrics, outputs, targets)
            said = {name: Said(metric, outputs, targets, inside) for name, metric in metrics.items()}
        finder = _Finder(forward, groups, metrics, batch, outputs)
        finder.check_pairs(said)
        return metrics, finder.heeding_parts(finder.combinations(said))


@dataclass(frozen=True)
class _Finder:
    """Looks at the outputs of the first batch, at parts of it, and at other batches.

    Attributes:
        forward: The model's forward pass.
        groups: The batches of each data set.
        metrics: The metrics by name.
        batch: The first batch.
        outputs: Its outputs.
    """

    forward: Plain
    groups: Mapping[str, Batches]
    metrics: Mapping[str, Metric]
    batch: Any
    outputs: Any

    @property
    def count(self) -> int:
        """How many samples the first batch has."""
        return self.groups[""].counts[0]

    def check_pairs(self, said: Mapping[str, Said]) -> None:
        """Raise where a metric returns a pair that is not (sum, weight)."""
        for name, metric in self.metrics.items():
            pair = is_weighed(said[name].value)
            if pair and is_pair_of_means(metric, self.outputs, targets_of(self.batch), self.count):
                called = "criterion" if name == "loss" else f"metrics[{name!r}]"
                raise ValueError(
                    f"{called}: it returns two numbers, wants one mean or (sum, weight); the second one is not a "
                    "weight: that of the first batch is not the sum of its parts'"
                )

    def combinations(self, said: Mapping[str, Said]) -> dict[str, Combination]:
        """How each metric combines, from what it gives for the first batch and for made-up scores."""
        metrics, groups, outputs = self.metrics, self.groups.values(), self.outputs
        targets = [targets_of(other) for group in groups for other in group.batches]
        if counting_dim(self.batch, self.count) == 1:
            tried = {name: partial(_swapping, metric) for name, metric in metrics.items()}
            some = joined(swapped(outputs), list(map(swapped, targets)))
            return {name: find_combination(m, said[name], None, some) for name, m in tried.items()}
        some = joined(outputs, targets)
        singles = all(max(group.counts) == 1 for group in groups)
        forms = {
            name: None
            if said[name].is_sum
            else find_form(metric, outputs, targets_of(self.batch), self.count, some, singles)
            for name, metric in metrics.items()
        }
        others = (
            (self._outputs_like(prefix, number), targets_of(group.batches[number]), size)
            for prefix, group in self.groups.items()
            for number, size in enumerate(group.counts)
        )
        forms = remaining_forms(forms, metrics, others)
        return {name: find_combination(m, said[name], forms[name], some) for name, m in metrics.items()}

    def heeding_parts(self, found: dict[str, Combination]) -> dict[str, Combination]:
        """The combinations, corrected where two parts of the first batch do not make up the whole."""
        dim = counting_dim(self.batch, self.count)
        several = any(len(group.batches) > 1 for group in self.groups.values())
        if dim is None or self.count < 2 or not several or self.forward.findings.random:
            return found
        cut = Cut(self.batch, self.count, dim, self._outputs_of, targets_of)
        *_, small = cut.bounds
        try:
            coupled = has_coupled_samples(self.outputs, self._outputs_of(cut.part(*small)), dim, self.count, *small)
            if coupled:
                return {name: combination.of_batches(coupled=True) for name, combination in found.items()}
            if coupled is None or any(combination.inside for combination in found.values()):
                parts = [cut.alone(*bounds) for bounds in cut.bounds]
            else:
                parts = [cut.among(self.outputs, *bounds) for bounds in cut.bounds]
            checked = {n: self.metrics[n] for n, one in found.items() if one.reduction != BATCHES and not one.told}
            wrong = differing(parts, checked, {n: found[n].reduction for n in checked}, self._precision)
        except FAILURES:  # a model of one batch size: what its forward pass says of weights cannot be checked
            wrong = {name for name, combination in found.items() if combination.inside}
        return {name: one.of_batches() if name in wrong else one for name, one in found.items()}

    def _outputs_of(self, batch: Any) -> Any:
        return self.forward.outputs(self.forward.state(), batch)

    @property
    def _precision(self) -> torch.dtype:
        """The least precise format of the weights."""
        formats = {p.dtype for p in self.forward.origin.values() if p.is_floating_point()} or {torch.float32}
        return max(formats, key=lambda dtype: torch.finfo(dtype).eps)

    def _outputs_like(self, prefix: str, number: int) -> Any:
        """Outputs for another batch: the first batch's own where their shapes fit, which saves a forward pass."""
        group = self.groups[prefix]
        other, count = group.batches[number], group.counts[number]
        shapes = [[part.shape[1:] for part in tensors_of(each)] for each in (self.batch, other)]
        with naming(self.groups, prefix, number):
            if shapes[0] == shapes[1]:
                like = tree_map(partial(_repeated, count=count, samples=self.count), self.outputs)
                try:
                    self._take(like, targets_of(other))
                except FAILURES:  # the outputs have other dimensions that depend on the batch, such as time
                    pass
                else:
                    return like
            like = self._outputs_of(copied(other))
            self._take(like, targets_of(other))
            return like

    def _take(self, outputs: Any, targets: Any) -> None:
        """Call all metrics, so that an error is raised here."""
        for metric in self.metrics.values():
            metric(outputs, targets)


def _repeated(part: Any, count: int, samples: int) -> Any:
    """Outputs of `count` samples, made from those of a batch with `samples` of them."""
    if not (isinstance(part, Tensor) and part.ndim):
        return part
    if count <= len(part):
        return part[:count]
    return part[[n % samples for n in range(count)]] if len(part) == samples else part


def _swapping(metric: Metric, outputs: Any, targets: Any) -> Any:
    """A metric of tensors (time, samples), given (samples, time)."""
    return metric(swapped(outputs), swapped(targets))


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
