"""No more samples than an error bar needs: the means of an objective at a point from part of its data.

Samples are taken in proportion to their classes, and the mean is put together class by class (stratified
sampling). Far from the minimum a network answers the same to every image, so that the loss depends on the
class alone: then a few images of each class give it to all its digits.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from landscape_nb._common.foreign import FAILURES
from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import STDERR
from landscape_nb.objective.batches import Batches
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.weights.params import Params

_PILOT = 32
_LARGEST_BATCH = 256
_LEAST_PER_CLASS = 3


@dataclass(frozen=True)
class Estimate:
    """What part of the data says about all of it.

    Attributes:
        means: The means of the loss and of each metric.
        stderrs: Their standard errors over the data, as `Objective.measure` has them.
        error: The standard deviation of the mean loss around that over all samples, relative to it; 0
            once all are used.
        samples: How many samples were used.
    """

    means: dict[str, float]
    stderrs: dict[str, float]
    error: float
    samples: int


class Sampler:
    """Measures an objective's own data (not its extra data) at a point, on as many samples as a precision needs.

    Args:
        evaluator: What is measured. Part of its samples is used where batches are pairs of tensors, and the
            loss and each metric are means over samples; otherwise always all of them.
        seed: Seed of the order of samples.

    Example:
        >>> from landscape_nb.objective.objective import Objective
        >>> model = torch.nn.Linear(2, 2)
        >>> data = torch.ones(400, 2), torch.arange(400) % 2
        >>> Sampler(Objective(model, data).evaluator)(dict(model.named_parameters()), 0.01).samples
        32
    """

    def __init__(self, evaluator: Evaluator, seed: int = 0):
        self.names = list(evaluator.metrics)
        self.divisible = _is_divisible(evaluator)
        if not self.divisible:
            self.evaluator, self.total = evaluator.with_data(evaluator.data), evaluator.samples
            return
        inputs, targets = (torch.cat(parts) for parts in zip(*evaluator.data.batches, strict=True))
        classes = _classes(targets)
        order = _balanced_order(classes, seed)
        self.classes, self.total = classes[order], len(order)
        self.sizes = np.bincount(classes)
        indices = torch.from_numpy(order).to(inputs.device)
        batches = _growing(inputs[indices], targets[indices])
        self.evaluator = evaluator.with_data(Batches(batches, [len(x) for x, _ in batches]))

    def __call__(self, params: Params, relative_error: float) -> Estimate:
        """The means at a point, from as many samples as bring the relative error of the loss to `relative_error`."""
        if not self.divisible:
            values = self.evaluator.measure(params)
            stderrs = {name: values[name + STDERR] for name in self.names}
            return Estimate({name: values[name] for name in self.names}, stderrs, 0.0, self.total)
        seen: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        with torch.no_grad(), preserved_rng():
            state = self.evaluator.state(params)
            for batch, _ in self.evaluator.data:
                values = self.evaluator.values_in(state, batch)
                for name in self.names:
                    seen[name].append(values[name].double().numpy(force=True))
                estimate = self._estimate({name: np.concatenate(parts) for name, parts in seen.items()})
                if estimate.error <= relative_error or not np.isfinite(estimate.means["loss"]):
                    break
        return estimate  # pyrefly: ignore[unbound-name]  (there is a batch)

    def _estimate(self, values: dict[str, Float[np.ndarray, "n"]]) -> Estimate:
        count = len(values["loss"])
        means, stderrs, errors = {}, {}, {}
        for name, value in values.items():
            means[name], stderrs[name], errors[name] = self._stratified(value, self.classes[:count])
        error = 0.0 if count == self.total else errors["loss"] / max(abs(means["loss"]), np.finfo(float).tiny)
        return Estimate(means, stderrs, float(error), count)

    # The mean of all data is the sum of each class's share of the data times the class's mean, which is estimated from
    # the samples seen of it. So what differs between classes adds nothing to the error, only what varies within one:
    # per class its variance over the samples seen, times the part of the class that has not been seen (none, once all
    # have). It fails if a class's samples seen so far happen to be alike: hence three of each class at least, by the
    # first batch (`_classes`). The standard error is another question, how far the mean of all data is from that of
    # the distribution they are drawn from: there the spread between classes counts too.
    def _stratified(self, values: Float[np.ndarray, "n"], classes: Int[np.ndarray, "n"]) -> tuple[float, float, float]:
        """The mean over all data, its standard error, and its error from having seen only part of them."""
        counts = np.bincount(classes, minlength=len(self.sizes))
        with np.errstate(invalid="ignore"):
            sums = np.bincount(classes, values, len(self.sizes))
            centres = sums / counts
            squares = np.bincount(classes, (values - centres[classes]) ** 2, len(self.sizes))
            variances = squares / (counts - 1)
        shares = self.sizes / self.total
        mean = float(shares @ centres)
        error = float((shares**2 * (1 - counts / self.sizes) * variances / counts).sum())
        spread = float(shares @ (variances * (1 - 1 / self.sizes) + (centres - mean) ** 2))
        whole = spread / (self.total - 1) if self.total > 1 else np.nan
        return mean, float(np.sqrt(whole + error)), float(np.sqrt(error))


def _is_divisible(evaluator: Evaluator) -> bool:
    """Whether part of the samples can be used: pairs of tensors, means over samples, samples that do not interact."""
    return (
        evaluator.data.divisible
        and not evaluator.only_plain
        and all(evaluator.by_sample.values())
        and _is_independent(evaluator)
    )


def _is_independent(evaluator: Evaluator) -> bool:
    """Whether the first samples have the same outputs with and without the others of their batch."""
    inputs, targets = max(evaluator.data.batches, key=lambda batch: len(batch[0]))
    some, forward = max(1, min(_PILOT, len(inputs) // 2)), evaluator.forward.plain
    with torch.no_grad(), preserved_rng():
        state = forward.state()
        try:
            together, alone = (forward.outputs(state, (x, targets)) for x in (inputs, inputs[:some]))
        except FAILURES:
            return False
    together = together[:some]
    return together.shape == alone.shape and torch.allclose(together, alone, rtol=1e-3, atol=1e-5, equal_nan=True)


def _classes(targets: Tensor) -> Int[np.ndarray, "n"]:
    """The class of each sample, from 0 up; rare classes count as one, and data without usable labels as one class."""
    if targets.ndim != 1 or targets.is_floating_point():
        return np.zeros(len(targets), int)
    _, classes = np.unique(targets.numpy(force=True), return_inverse=True)
    rare = np.bincount(classes)[classes] * _PILOT < _LEAST_PER_CLASS * len(classes)
    _, classes = np.unique(np.where(rare, -1, classes), return_inverse=True)
    few = np.bincount(classes).min() * _PILOT < _LEAST_PER_CLASS * len(classes)
    return np.zeros(len(classes), int) if few else classes


def _balanced_order(classes: Int[np.ndarray, "n"], seed: int) -> Int[np.ndarray, "n"]:
    """An order, random within a class, of which every beginning has the classes in their proportions.

    Each class is spread evenly over the interval from 0 to 1, from a random offset on: the samples below any bound are
    that share of each class, give or take one.
    """
    rng = np.random.default_rng(seed)
    ranks = np.empty(len(classes))
    for number, size in enumerate(np.bincount(classes)):
        ranks[classes == number] = (rng.permutation(size) + rng.uniform()) / size
    return np.argsort(ranks, kind="stable")


def _growing(inputs: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Batches each of which doubles the samples so far, up to a size from which larger batches do not save time."""
    edges = [0]
    while edges[-1] < len(inputs):
        edges.append(min(len(inputs), edges[-1] + min(max(edges[-1], _PILOT), _LARGEST_BATCH)))
    parts = [slice(low, high) for low, high in pairwise(edges)]
    layout = (
        torch.channels_last if inputs.ndim == 4 and inputs.is_contiguous(memory_format=torch.channels_last) else None
    )
    batches = [(inputs[part], targets[part]) for part in parts]
    return [(x.contiguous(memory_format=layout) if layout else x, y) for x, y in batches]
