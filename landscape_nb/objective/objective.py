"""What is measured at a point of weight space: the mean loss and metrics of a model on data."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from landscape_nb._common.checks import check_choice, check_kind, check_whole
from landscape_nb._common.devices import find_device
from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import STDERR
from landscape_nb._common.weakly import Subject
from landscape_nb.objective.batches import Batches, is_pair, targets_of
from landscape_nb.objective.combining import find_combinations, warn_of_batches
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.objective.forward import Buffers, Plain
from landscape_nb.objective.metrics import check_names, named_metrics
from landscape_nb.objective.nested import describe
from landscape_nb.objective.reductions import Metric
from landscape_nb.objective.remembering import as_given, begun_anew, remarks_on, settled
from landscape_nb.objective.trial import Findings, Trial
from landscape_nb.weights.copies import check_model, copied_model
from landscape_nb.weights.params import Params, check_params, check_tensors, is_same, parameters_of


class Objective(Subject):
    """The loss, and more if asked for, as a function of a model's weights.

    The model is copied, in evaluation mode, and the data are read, once, here: nothing that happens
    afterwards touches the caller's model, and every point sees the same samples even if a loader
    shuffles or augments.

    Args:
        model: Any module.
        data: A pair of tensors (inputs, targets), an `ImageData` (its training part counts), or an
            iterable of batches such as a `DataLoader`. A batch that is a pair is read as (inputs,
            targets); any other tuple, list or dict, or a graph of PyTorch Geometric, needs `forward`. Samples
            are counted by the first dimension of most of a batch's tensors (of the targets, where inputs begin
            with time; a graph's `y`). NumPy's arrays become tensors, those of float64 in the format of the
            model's parameters.
        criterion: `criterion(outputs, targets)`, the mean loss of a batch; for a batch that is not
            a pair, `criterion(outputs, batch)`. The loss is that of all data at once, whatever the batches:
            means over samples, sums, and torch's losses with class weights or `ignore_index` are
            recognized, also inside the model. Any other may return a pair (sum, weight): its value is
            Σ sum / Σ weight. Any other is averaged over the batches, weighted by samples, with a warning;
            `reductions` says what was found.
        metrics: Further functions of outputs and targets by name, called like `criterion`.
        batch_size: Samples evaluated at once, when `data` is a pair of tensors; a single one left over joins
            the last batch.
        batch_norm: `'frozen'` keeps the running statistics of the model's own weights everywhere, as
            the paper does; `'recalibrate'` computes them anew from the data at each point.
        extra_data: More data by name, measured in the same pass: `{"test": data.test}` gives
            `test_loss` and so on.
        forward: `forward(model, batch)`, the outputs of a batch; default `model(inputs)`.
        device: Where to compute; default where the model's parameters are.
        seed: For a model that draws random numbers in evaluation (a variational autoencoder, dropout left
            on): every batch gets the same numbers at every point, made from this seed.
        draws: How many such draws a value is the mean of; its error over them is `..._draws_stderr`.

    Attributes:
        remarks: What is surprising about the model, in sentences: weights on which the loss does not
            depend, outputs that depend on earlier calls. Each is also a warning.

    Raises:
        TypeError: `model`, `data` or a metric is of another kind, or the model cannot be copied.
        ValueError: No samples, two values of one name, non-finite weights, an unknown `batch_norm`, a
            batch that model, criterion or metrics do not take, or a model that cannot be measured rightly: one
            whose `eval()` changes its weights, that reads the caller's weights instead of its own, that gives
            other values when it is called again or under autograd, or that draws random numbers without `seed`.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> nn.init.constant_(model.weight, 2.0).item()
        2.0
        >>> objective = Objective(model, (torch.ones(3, 1), torch.zeros(3, 1)), criterion=F.mse_loss)
        >>> objective()
        {'loss': 4.0}
        >>> objective({"weight": torch.tensor([[3.0]])})
        {'loss': 9.0}
        >>> def weighted(outputs, targets):
        ...     weights = 1.0 + targets
        ...     return (weights * (outputs - targets) ** 2).sum(), weights.sum()
        >>> data = torch.ones(3, 1), torch.tensor([[0.0], [1.0], [2.0]])
        >>> objective = Objective(model, data, weighted, batch_size=2)
        >>> objective()["loss"], objective.reductions["loss"]
        (1.0, 'weighted mean')
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        criterion: Metric = F.cross_entropy,
        metrics: Mapping[str, Metric] | None = None,
        batch_size: int = 256,
        batch_norm: str = "frozen",
        extra_data: Mapping[str, Any] | None = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
        device: torch.device | str | None = None,
        seed: int | None = None,
        draws: int = 1,
    ):
        check_model("model", model)
        check_choice("batch_norm", batch_norm, ("frozen", "recalibrate"))
        extra_data = _checked_extra_data(extra_data)
        _check_forward(forward)
        seed, draws = _checked_draws(seed, draws)
        metrics = begun_anew(named_metrics(criterion, metrics), model)
        device = next((p.device for p in model.parameters()), "cpu") if device is None else find_device(device)
        plain = Plain(_evaluated(copied_model(model)).to(device).requires_grad_(False), forward)
        if not plain.origin:
            raise ValueError("model: it has no parameters")
        check_params("model", plain.origin, plain.origin)
        with preserved_rng():
            dtype = next(iter(plain.origin.values())).dtype
            read = {"": Batches.read(data, batch_size, device, dtype)}
            read |= {f"{n}_": Batches.read(part, batch_size, device, dtype) for n, part in extra_data.items()}
        check_names(Evaluator(plain, read, metrics, {}, draws=draws).names)
        findings = _tried(plain, read, metrics, model, seed)
        metrics = settled(metrics)
        findings = replace(findings, remarks=(*findings.remarks, *remarks_on(metrics)))
        for remark in findings.remarks:
            warnings.warn(f"model: {remark}", stacklevel=2)
        plain = Plain(plain.model, forward, findings)
        groups = {name: replace(group, fragile=findings.fragile) for name, group in read.items()}
        metrics, combinations = find_combinations(plain, groups, metrics)
        warn_of_batches(combinations, max(len(group.batches) for group in groups.values()), stacklevel=2)
        self._evaluator = Evaluator(plain, groups, metrics, combinations, batch_norm, seed, draws)

    @property
    def evaluator(self) -> Evaluator:
        """What evaluates model and metrics on the data; engines make faster evaluators of it."""
        return self._evaluator

    @property
    def model(self) -> nn.Module:
        """The copy of the model, in evaluation mode."""
        return self._evaluator.forward.model

    @property
    def origin(self) -> Params:
        """The model's own parameters: detached copies."""
        return self._evaluator.forward.origin

    @property
    def buffers(self) -> Buffers:
        """The model's own buffers, such as batch norm's running statistics."""
        return self._evaluator.forward.buffers

    @property
    def batch_norm(self) -> str:
        """`'frozen'` or `'recalibrate'`."""
        return self._evaluator.batch_norm

    @property
    def samples(self) -> int:
        """How many samples the data have, without extra data."""
        return self._evaluator.samples

    @property
    def draws(self) -> int:
        """How many draws of random numbers a value is the mean of."""
        return self._evaluator.draws

    @property
    def names(self) -> list[str]:
        """The names of what `measure` returns: each metric on each data set, and its standard errors."""
        return self._evaluator.names

    @property
    def reductions(self) -> dict[str, str]:
        """How each metric's values of batches become one, in a word."""
        return self._evaluator.reductions

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is surprising about the model, in sentences."""
        return self._evaluator.forward.plain.findings.remarks

    def __call__(self, params: Params | None = None, buffers: Buffers | None = None) -> dict[str, float]:
        """The loss and each metric of all data at a point, whatever the batches.

        Args:
            params: The point, keyed and shaped like `origin`, which is the default; it is converted to
                `origin`'s number formats.
            buffers: Batch norm's running statistics and other buffers; default the model's own.

        Returns:
            The means by name. What is not finite stays so.

        Raises:
            ValueError: `params` does not fit the model.
        """
        values = self.measure(params, buffers)
        return {name: value for name, value in values.items() if not name.endswith(STDERR)}

    def measure(
        self, params: Params | None = None, buffers: Buffers | None = None, batch_norm: str | None = None
    ) -> dict[str, float]:
        """The means at a point, and beside each, as `..._stderr`, its standard error over the data.

        The error is the spread of the samples' values divided by the root of their number; for a
        metric that is not a mean over samples, it is found from the spread of the batches (`reductions.combined`).

        Args:
            params: The point, keyed and shaped like `origin`, which is the default.
            buffers: Batch norm's running statistics and other buffers; default the model's own.
            batch_norm: Overrides the objective's policy.

        Returns:
            The values by name, in the order of `names`.

        Raises:
            ValueError: `params` does not fit the model.

        Example:
            >>> data = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
            >>> Objective(nn.Linear(1, 1), data, F.mse_loss).measure({"weight": torch.eye(1), "bias": torch.zeros(1)})
            {'loss': 5.0, 'loss_stderr': 4.0}
        """
        params = self.origin if params is None else params
        if params is not self.origin:
            _check_point(params, self.origin)
        if buffers is not None:
            check_tensors("buffers", buffers)
        check_choice("batch_norm", batch_norm, (None, "frozen", "recalibrate"))
        return self._evaluator.measure(params, buffers, batch_norm)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of everything that decides a measured value (weights, data, settings)."""
        own = self._evaluator
        settings = own.batch_norm, own.forward.read, own.seed, own.draws
        metrics = {name: as_given(metric) for name, metric in own.metrics.items()}
        return fingerprint(self.model, own.groups, metrics, *settings, without=own.forward.plain.findings.written)


def _checked_extra_data(extra_data: Mapping[str, Any] | None) -> Mapping[str, Any]:
    extra_data = {} if extra_data is None else extra_data
    check_kind("extra_data", extra_data, Mapping, "a dict of data by name")
    for name in extra_data:
        check_kind("extra_data", name, str, "names that are strings")
    return extra_data


def _check_forward(forward: object) -> None:
    if forward is not None and (isinstance(forward, type) or not callable(forward)):
        raise TypeError(f"forward: got {forward!r}, wants a function forward(model, batch)")


def _checked_draws(seed: int | None, draws: int) -> tuple[int | None, int]:
    seed = seed if seed is None else check_whole("seed", seed, 0)
    draws = check_whole("draws", draws, 1)
    if draws > 1 and seed is None:
        raise ValueError(f"draws: got {draws} without seed, wants both")
    return seed, draws


def _tried(
    plain: Plain,
    groups: Mapping[str, Batches],
    metrics: Mapping[str, Metric],
    callers: nn.Module,
    seed: int | None,
) -> Findings:
    """What a trial finds out about the model; what cannot be evaluated raises here, not in the middle of a sweep."""

    def trial(group: Batches, number: int) -> Trial:
        where = f"batch {number + 1} of {len(group.batches)}" if number else "the first batch"
        return Trial(plain.call, metrics, targets_of, plain.model, callers, group.batches[number], where)

    findings = Findings()
    for name, group in groups.items():
        if plain.read is None and not is_pair(group.batches[0]):
            raise ValueError(f"data: a batch is {describe(group.batches[0])}; only a pair is read without forward=")
        if name:
            trial(group, 0).evaluate()
        else:
            findings = trial(group, 0).findings(seed)
        if 1 in group.counts[1:]:  # a lone sample often loses a dimension on the way
            trial(group, group.counts.index(1, 1)).evaluate()
    return findings


def _evaluated(model: nn.Module) -> nn.Module:
    """The model in evaluation mode; raises where `eval()` changes its weights."""
    before = parameters_of(model)
    model.eval()
    after = parameters_of(model)
    changed = list(before.keys() ^ after.keys()) or [name for name in before if not is_same(before[name], after[name])]
    if changed:
        raise ValueError(
            f"model: eval() changes {', '.join(map(repr, changed))}, as adapters do that merge then; a point would "
            "be another one in evaluation mode: merge or unload them first, or switch merging off"
        )
    return model


def _check_point(params: Params, origin: Params) -> None:
    check_tensors("params", params)
    if {k: v.shape for k, v in params.items()} != {k: v.shape for k, v in origin.items()}:
        check_params("params", params, origin)
