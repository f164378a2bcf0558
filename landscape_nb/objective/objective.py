"""What is measured at a point of weight space: the mean loss and metrics of a model on data."""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from landscape_nb._common.checks import check_choice, check_kind, check_whole, find_device
from landscape_nb._common.foreign import FAILURES
from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.rng import preserved_rng, seed_everything
from landscape_nb._common.safe_layout import SafeLayout
from landscape_nb.objective.batches import Batches, copied, describe, is_pair, tensors_of
from landscape_nb.objective.made_up import joined
from landscape_nb.objective.metrics import (
    Combination,
    Measure,
    OwnOutputs,
    Said,
    batching_quietly,
    check_names,
    find_combination,
    find_form,
    named_measures,
    remaining_forms,
    warn_of_batches,
    without_writing,
)
from landscape_nb.objective.parts import Cut, counting_dim, differing, has_coupled_rows, is_pair_of_means, swapped
from landscape_nb.objective.reductions import (
    BATCHES,
    SUM,
    WEIGHTED,
    Trace,
    as_number,
    batch_value,
    combined,
    is_weighed,
    sum_and_weight,
)
from landscape_nb.objective.remembering import Anew, begun_anew, remarks_on, settled
from landscape_nb.objective.trial import Findings, Trial
from landscape_nb.weights.copies import check_model, copied_model
from landscape_nb.weights.params import Affine, Params, check_params, check_tensors, is_same, parameters_of

Buffers = dict[str, Shaped[Tensor, "..."]]


class Objective:
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
        criterion: `criterion(outputs, targets)`, the mean loss of a batch; for a batch that is no
            pair, `criterion(outputs, batch)`. The loss is that of all data at once, whatever the batches:
            means over samples, sums, and torch's losses with class weights or `ignore_index` are
            recognized, also inside the model. Any other may return a pair (sum, weight): its value is
            Σ sum / Σ weight. What is none of these is averaged over the batches, weighted by samples, and
            warned of; `reductions` says what holds.
        metrics: Further measures by name, called like `criterion`.
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
        TypeError: `model`, `data` or a measure is not of such a kind, or the model cannot be copied.
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
        criterion: Measure = F.cross_entropy,
        metrics: Mapping[str, Measure] | None = None,
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
        extra_data = {} if extra_data is None else extra_data
        check_kind("extra_data", extra_data, Mapping, "a dict of data by name")
        for name in extra_data:
            check_kind("extra_data", name, str, "names that are strings")
        if forward is not None and (isinstance(forward, type) or not callable(forward)):
            raise TypeError(f"forward: got {forward!r}, wants a function forward(model, batch)")
        self.batch_norm, self.forward = batch_norm, forward
        self.seed = seed if seed is None else check_whole("seed", seed, 0)
        self.draws = check_whole("draws", draws, 1)
        if draws > 1 and seed is None:
            raise ValueError(f"draws: got {draws} without seed, wants both")
        self.measures = begun_anew(named_measures(criterion, metrics), model)
        device = next((p.device for p in model.parameters()), "cpu") if device is None else find_device(device)
        self.model = _evaluated(copied_model(model)).to(device).requires_grad_(False)
        self.origin: Params = parameters_of(self.model)
        self.buffers: Buffers = dict(self.model.named_buffers())
        if not self.origin:
            raise ValueError("model: it has no parameters")
        check_params("model", self.origin, self.origin)
        with preserved_rng():
            dtype = next(iter(self.origin.values())).dtype
            self.data = Batches.read(data, batch_size, device, dtype)
            more = {f"{n}_": Batches.read(part, batch_size, device, dtype) for n, part in extra_data.items()}
        self.groups: dict[str, Batches] = {"": self.data, **more}
        check_names(self.names)
        self.samples = self.data.samples
        self.findings = Findings()
        self.findings = self._try(model)
        self.measures = settled(self.measures)
        self.findings = replace(self.findings, remarks=(*self.findings.remarks, *remarks_on(self.measures)))
        for remark in self.remarks:
            warnings.warn(f"model: {remark}", stacklevel=2)
        fragile = self.findings.fragile
        self.groups = {name: replace(group, fragile=fragile) for name, group in self.groups.items()}
        self.data = self.groups[""]
        found = self._find_combinations()
        self.sample_measures = {name: way.by_sample for name, way in found.items()}
        self.reductions = {name: way.reduction for name, way in found.items()}
        self.weighed_inside = any(way.inside for way in found.values())
        warn_of_batches(found, max(len(group.batches) for group in self.groups.values()), stacklevel=2)
        self.engine: Any = None
        self.folded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what has been found out about measuring it fast: that is found out again."""
        return self.__dict__ | {"engine": None, "folded": None}

    def with_data(self, data: Batches) -> "Objective":
        """The same objective on these batches alone, without extra data."""
        other = copy.copy(self)
        for known in ("fingerprint", "origin_values"):
            other.__dict__.pop(known, None)
        other.data = replace(data, fragile=self.findings.fragile)
        other.groups, other.samples = {"": other.data}, data.samples
        other.engine = other.folded = None
        return other

    @property
    def names(self) -> list[str]:
        """What `measure` returns: each measure on each data set, and its standard errors."""
        means = [prefix + name for prefix in self.groups for name in self.measures]
        errors = ("_stderr", "_draws_stderr") if self.draws > 1 else ("_stderr",)
        return [mean + ending for mean in means for ending in ("", *errors)]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is surprising about the model, in sentences."""
        return self.findings.remarks

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
        return {name: value for name, value in values.items() if not name.endswith("_stderr")}

    def measure(
        self, params: Params | None = None, buffers: Buffers | None = None, batch_norm: str | None = None
    ) -> dict[str, float]:
        """The means at a point, and beside each, as `..._stderr`, its standard error over the data.

        The error is the spread of the samples' values divided by the root of their number; for a
        measure that is no mean over samples, it is found from the spread of the batches (`reductions.combined`).

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
        return self.measure_state(lambda: self.state(params, buffers, batch_norm or self.batch_norm))

    def measure_state(self, make_state: Callable[[], dict[str, Tensor]]) -> dict[str, float]:
        """The values of `measure` with parameters and buffers that a function makes."""
        with torch.no_grad(), preserved_rng():
            state = make_state()
            draws = [
                self.summarize(lambda batch: self.values_in(state, batch), draw=draw) for draw in range(self.draws)
            ]
        return _mean_of_draws([{name: float(value) for name, value in draw.items()} for draw in draws], self.names)

    def measure_stack(self, params: Params) -> dict[str, Float[Tensor, "points"]]:
        """The values of `measure` at many points at once, through `torch.vmap`.

        Args:
            params: The points, stacked: each tensor has a first dimension that counts them. Batch
                norm keeps the model's running statistics.

        Returns:
            For each of `names`, one value a point.
        """
        with torch.no_grad(), preserved_rng(), batching_quietly():
            buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
            return self.summarize(lambda batch: torch.vmap(lambda p: self.values_in(p | buffers, batch))(params))

    def summarize(
        self, values_of: Callable[[Any], dict[str, Tensor]], draw: int = 0
    ) -> dict[str, Float[Tensor, "*points"]]:
        """Means and standard errors over all data, in the order of `names`.

        Args:
            values_of: From a batch to the values of each measure along the last dimension: one a
                sample where `sample_measures` has a measure, else one number.
            draw: Which draw of random numbers, for models that draw some.
        """
        result = {}
        for prefix, group in self.groups.items():
            rows = []
            for number, batch in enumerate(self._seeded(prefix, group, draw)):
                with self._naming(prefix, number, (LookupError, ValueError)):
                    rows.append(values_of(batch))
            for name in self.measures:
                values = [row[name] for row in rows]
                by_sample = self.sample_measures[name] is not None
                mean, error = combined(values, group.counts, self.reductions[name], by_sample)
                result |= {prefix + name: mean, f"{prefix}{name}_stderr": error}
        return result

    def batch_losses(
        self, params: Params, shares: Sequence[float] | None = None
    ) -> Iterator[tuple[float, Float[Tensor, ""]]]:
        """The loss of each batch at a point, differentiable in `params`, and the batch's share.

        The loss at the point is the sum of share · loss. Batch norm uses its running statistics.

        Args:
            params: The point; entries that are to be differentiated require gradients.
            shares: What `loss_shares` gives there, if that is known.

        Raises:
            ValueError: One of several batches has a weight with a gradient.

        Example:
            >>> objective = Objective(nn.Linear(1, 1), (torch.ones(5, 1), torch.zeros(5, 1)), F.mse_loss, batch_size=3)
            >>> [round(share, 2) for share, _ in objective.batch_losses(objective.origin)]
            [0.6, 0.4]
        """
        shares = iter(self.loss_shares(params) if shares is None else shares)
        for draw in range(self.draws):
            for number, (batch, _) in enumerate(self.data):
                if (share := next(shares)) == 0:
                    continue
                with preserved_rng(), SafeLayout():
                    self._seed("", draw, number)
                    value = self.measures["loss"](self.outputs(self.state(params), batch), _targets(batch))
                if len(self.data.batches) > 1 and is_weighed(value) and getattr(value[1], "requires_grad", False):
                    raise ValueError("criterion: its weight depends on the parameters; give all data as one batch")
                yield share, batch_value(value)

    def loss_shares(self, params: Params) -> list[float]:
        """What the loss of each batch (in each draw) is multiplied with, so that their sum is the loss of all data.

        It takes a pass over the data where the loss is a weighted mean, for the weights.

        Example:
            >>> data = torch.ones(5, 1), torch.zeros(5, 1)
            >>> Objective(nn.Linear(1, 1), data, nn.MSELoss(reduction="sum"), batch_size=3).loss_shares({})
            [1.0, 1.0]
        """
        size = len(self.data.batches)
        weights = torch.tensor(self.data.counts, dtype=torch.float64).repeat(self.draws, 1)
        if self.reductions["loss"] == SUM or size == 1:
            return [1 / self.draws] * size * self.draws
        if self.reductions["loss"] == WEIGHTED:
            with torch.no_grad(), preserved_rng():
                state = self.state(params)
                found = [
                    self.values_in(state, batch)["loss"][1]
                    for draw in range(self.draws)
                    for batch in self._seeded("", self.data, draw)
                ]
            weights = torch.stack(found).view(self.draws, size)
        return (weights / weights.sum(1, keepdim=True) / self.draws).flatten().tolist()

    def _seeded(self, prefix: str, group: Batches, draw: int) -> Iterator[Any]:
        """The batches of a group, each with the random numbers that are its own in a draw."""
        for number, (batch, _) in enumerate(group):
            self._seed(prefix, draw, number)
            yield batch

    def _seed(self, prefix: str, draw: int, number: int) -> None:
        """Let a batch see the same random numbers whenever it is evaluated, in whatever order."""
        if self.seed is not None:
            seed_everything(self.seed, draw, list(self.groups).index(prefix), number)

    @cached_property
    def origin_values(self) -> dict[str, float]:
        """What `measure` returns at the origin; measured once."""
        return self.measure()

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of everything that decides a measured value: weights, data, settings."""
        settings = self.batch_norm, self.forward, self.seed, self.draws
        measures = {name: _given(measure) for name, measure in self.measures.items()}
        return fingerprint(self.model, self.groups, measures, *settings, without=self.findings.written)

    def state(
        self, params: Params | None = None, buffers: Buffers | None = None, batch_norm: str = "frozen"
    ) -> dict[str, Tensor]:
        """Parameters and buffers of the model at a point; default the origin and the model's own buffers."""
        params = self.origin if params is None else params
        buffers = self.buffers if buffers is None else buffers
        params = {name: tensor.to(self.origin[name]) for name, tensor in params.items()}
        state = {**params, **{name: buffer.clone() for name, buffer in buffers.items()}}
        if batch_norm == "recalibrate":
            self._recalibrate(state)
        return state

    def states_along(self, affine: Affine) -> Callable[..., dict[str, Tensor]]:
        """What makes the parameters and buffers at a point of a line or plane, from its coordinates.

        It is also told the number of a piece of memory, `space`, that it may use again for the next point.
        """
        return lambda *place, space: self.state(affine(*place), batch_norm=self.batch_norm)

    def _recalibrate(self, state: dict[str, Tensor]) -> None:
        """Replace running statistics in `state` by the sample-weighted mean of the batches' own.

        A batch of one sample, which may have no variance, counts only if all are so small.
        """
        norms = [m for m in self.model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        momenta = [m.momentum for m in norms]
        seen = 0
        try:
            for batch, count in self.data:
                if count == 1 < max(self.data.counts):
                    continue
                seen += count
                for module in norms:
                    module.train()
                    module.momentum = count / seen
                self._called(state, batch, changeable=self.origin)
        finally:
            for module, momentum in zip(norms, momenta, strict=True):
                module.eval()
                module.momentum = momentum

    def outputs(self, state: dict[str, Tensor], batch: Any) -> Any:
        """The model's outputs for a batch, with these parameters and buffers."""
        return self._called(state, batch, changeable=state)

    def _called(self, state: dict[str, Tensor], batch: Any, changeable: Iterable[str]) -> Any:
        """The outputs, from copies of what a call may change; what modules keep between calls is put back."""
        if self.findings.fragile:
            state = state | {name: state[name].clone() for name in changeable}
        try:
            return self._call(state, batch)
        finally:
            if self.findings.memory:
                self.findings.memory.restore()

    def _call(self, state: dict[str, Tensor], batch: Any) -> Any:
        if self.forward is None:
            return functional_call(self.model, state, (batch[0],))
        return functional_call(_Forward(self.model, self.forward), _prefixed(state), (batch,))

    def values_in(self, state: dict[str, Tensor], batch: Any) -> dict[str, Float[Tensor, "size"]]:
        """Each measure of a batch, as `value_of` gives it, with these parameters and buffers."""
        with Trace() if self.weighed_inside else nullcontext() as forward:
            return self.values_of(self.outputs(state, batch), _targets(batch), forward)

    def values_of(self, outputs: Any, targets: Any, forward: Trace | None = None) -> dict[str, Float[Tensor, "size"]]:
        """Each measure of a batch's outputs, as `value_of` gives it."""
        return {name: self.value_of(name, outputs, targets, forward) for name in self.measures}

    def value_of(self, name: str, outputs: Any, targets: Any, forward: Trace | None = None) -> Float[Tensor, "size"]:
        """A measure of a batch's outputs: one value a sample, or (sum, weight) of a weighted mean, or one number.

        Args:
            name: Which measure.
            outputs: The outputs.
            targets: The targets of the same batch.
            forward: What remembers the calls of the model's forward pass, and still listens.
        """
        if (measure := self.sample_measures[name]) is not None:
            return measure(outputs, targets)
        measure = self.measures[name]
        if self.reductions[name] != WEIGHTED:
            return as_number(measure(outputs, targets)).reshape(1)
        with Trace() if forward is None else nullcontext(forward) as trace:
            return sum_and_weight(name, measure(outputs, targets), trace)

    def _try(self, callers: nn.Module) -> Findings:
        """Fail now, with words, rather than in the middle of a sweep; what is found out about the model."""

        def trial(group: Batches, number: int) -> Trial:
            where = f"batch {number + 1} of {len(group.batches)}" if number else "the first batch"
            return Trial(self._call, self.measures, _targets, self.model, callers, group.batches[number], where)

        for name, group in self.groups.items():
            if self.forward is None and not is_pair(group.batches[0]):
                raise ValueError(f"data: a batch is {describe(group.batches[0])}; only a pair is read without forward=")
            if name:
                trial(group, 0).evaluate()
            else:
                findings = trial(group, 0).findings(self.seed)
            if 1 in group.counts[1:]:  # a lone sample often loses a dimension on the way
                trial(group, group.counts.index(1, 1)).evaluate()
        return findings

    def _find_combinations(self) -> dict[str, Combination]:
        """How the values of batches become one; from now on those that write on outputs get copies."""
        batch, _ = next(iter(self.data))
        targets, count = _targets(batch), self.data.counts[0]
        with torch.no_grad(), preserved_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="There is a performance drop")  # of vmap, while it is tried
            with Trace() as forward, self._naming("", 0):
                outputs = self.outputs(self.state(), batch)
                self.measures = without_writing(self.measures, outputs, targets)
                said = {name: Said(measure, outputs, targets, forward) for name, measure in self.measures.items()}
            for name, measure in self.measures.items():
                if is_weighed(said[name].value) and is_pair_of_means(measure, outputs, targets, count):
                    called = "criterion" if name == "loss" else f"metrics[{name!r}]"
                    raise ValueError(
                        f"{called}: it returns two numbers, wants one mean or (sum, weight); the second one is not a "
                        "weight: that of the first batch is not the sum of its parts'"
                    )
            found = self._combinations_of(outputs, batch, said)
            return self._heeding_parts(found, outputs, batch)

    def _combinations_of(self, outputs: Any, batch: Any, said: Mapping[str, Said]) -> dict[str, Combination]:
        """How the values of batches become one, by what measures say of the first one and of made-up scores."""
        count, measures, groups = self.data.counts[0], self.measures, self.groups.values()
        targets = [_targets(other) for group in groups for other in group.batches]
        if counting_dim(batch, count) == 1:
            tried = {name: partial(_swapping, measure) for name, measure in measures.items()}
            some = joined(swapped(outputs), list(map(swapped, targets)))
            return {name: find_combination(m, said[name], None, some) for name, m in tried.items()}
        some = joined(outputs, targets)
        singles = all(max(group.counts) == 1 for group in groups)
        forms = {
            name: None if said[name].is_sum else find_form(measure, outputs, _targets(batch), count, some, singles)
            for name, measure in measures.items()
        }
        others = (
            (self._outputs_like(outputs, batch, prefix, number), _targets(group.batches[number]), size)
            for prefix, group in self.groups.items()
            for number, size in enumerate(group.counts)
        )
        forms = remaining_forms(forms, measures, others)
        return {name: find_combination(m, said[name], forms[name], some) for name, m in measures.items()}

    def _heeding_parts(self, found: dict[str, Combination], outputs: Any, batch: Any) -> dict[str, Combination]:
        """The combinations, where there are several batches and parts of the first one make up the whole."""
        count = self.data.counts[0]
        dim = counting_dim(batch, count)
        several = any(len(group.batches) > 1 for group in self.groups.values())
        if dim is None or count < 2 or not several or self.findings.random:
            return found
        cut = Cut(batch, count, dim, partial(self.outputs, self.state()), _targets)
        *_, small = cut.places
        try:
            part = self.outputs(self.state(), cut.part(*small))
            coupled = has_coupled_rows(outputs, part, dim, count, *small)
            if coupled:
                return {name: way.of_batches(coupled=True) for name, way in found.items()}
            if coupled is None or any(way.inside for way in found.values()):
                parts = [cut.alone(*place) for place in cut.places]
            else:
                parts = [cut.among(outputs, *place) for place in cut.places]
            checked = {n: self.measures[n] for n, way in found.items() if way.reduction != BATCHES and not way.told}
            wrong = differing(parts, checked, {n: found[n].reduction for n in checked}, self._precision)
        except FAILURES:  # a model of one batch size: what its forward pass says of weights cannot be checked
            wrong = {name for name, way in found.items() if way.inside}
        return {name: way.of_batches() if name in wrong else way for name, way in found.items()}

    @property
    def _precision(self) -> torch.dtype:
        """The least precise format of the weights."""
        formats = {p.dtype for p in self.origin.values() if p.is_floating_point()} or {torch.float32}
        return max(formats, key=lambda dtype: torch.finfo(dtype).eps)

    @contextmanager
    def _naming(self, prefix: str, number: int, kinds: tuple = FAILURES) -> Iterator[None]:
        """Name the batch that cannot be evaluated."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except kinds as error:
            if str(error).startswith(("data: ", "extra_data", "model: ", "criterion: ", "loss: ", "metrics")):
                raise
            group = self.groups[prefix]
            where = f"extra_data[{prefix[:-1]!r}]" if prefix else "data"
            what = describe(group.batches[number])
            raise ValueError(
                f"{where}: batch {number + 1} of {len(group.batches)}, {what}, cannot be evaluated: {error}"
            ) from error

    def _outputs_like(self, outputs: Any, batch: Any, prefix: str, number: int) -> Any:
        """Outputs of the shape that another batch has: some of this batch's where they fit, which takes no time."""
        group = self.groups[prefix]
        other, count = group.batches[number], group.counts[number]
        shapes = [[part.shape[1:] for part in tensors_of(each)] for each in (batch, other)]
        with self._naming(prefix, number):
            if shapes[0] == shapes[1]:
                like = tree_map(partial(_repeated, count=count, rows=self.data.counts[0]), outputs)
                try:
                    self._take(like, _targets(other))
                except FAILURES:  # the outputs have other dimensions that depend on the batch, such as time
                    pass
                else:
                    return like
            like = self.outputs(self.state(), copied(other))
            self._take(like, _targets(other))
            return like

    def _take(self, outputs: Any, targets: Any) -> None:
        """Call all measures, for what they raise."""
        for measure in self.measures.values():
            measure(outputs, targets)


def _repeated(part: Any, count: int, rows: int) -> Any:
    """As many rows of outputs as a batch has samples."""
    if not (isinstance(part, Tensor) and part.ndim):
        return part
    if count <= len(part):
        return part[:count]
    return part[[n % rows for n in range(count)]] if len(part) == rows else part


def _swapping(measure: Measure, outputs: Any, targets: Any) -> Any:
    """A measure of tensors (time, samples), given (samples, time)."""
    return measure(swapped(outputs), swapped(targets))


def _given(measure: Measure) -> Measure:
    """A measure as the caller gave it."""
    while isinstance(measure, OwnOutputs | Anew):
        measure = measure.measure
    return measure


def _evaluated(model: nn.Module) -> nn.Module:
    """The model in evaluation mode, which must not be another point."""
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


def _mean_of_draws(draws: list[dict[str, float]], names: list[str]) -> dict[str, float]:
    """The mean of each value over draws, and of means the standard error over draws."""
    if len(draws) == 1:
        return draws[0]
    result = {}
    for name in names:
        values = np.array([draw[name.removesuffix("_draws_stderr")] for draw in draws])
        spread = values.std(ddof=1) / len(draws) ** 0.5
        result[name] = float(spread if name.endswith("_draws_stderr") else values.mean())
    return result


class _Forward(nn.Module):
    """Makes `forward(model, batch)` a module, so that it can be called with other weights."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Any], Any]):
        super().__init__()
        self.model, self.read = model, forward

    def forward(self, batch: Any) -> Any:
        return self.read(self.model, batch)


def _targets(batch: Any) -> Any:
    return batch[1] if is_pair(batch) else batch


def _prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"model.{name}": tensor for name, tensor in state.items()}


def _check_point(params: Params, origin: Params) -> None:
    check_tensors("params", params)
    if {k: v.shape for k, v in params.items()} != {k: v.shape for k, v in origin.items()}:
        check_params("params", params, origin)
