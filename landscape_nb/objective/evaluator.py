"""The values of metrics at a state: a forward pass, data, and how the values of batches become one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from landscape_nb._common.foreign import marking_foreign
from landscape_nb._common.rng import preserved_rng, seed_everything
from landscape_nb._common.safe_layout import SafeLayout
from landscape_nb._common.schema import DRAWS_STDERR, STDERR
from landscape_nb.objective.batches import Batches, is_pair, naming, targets_of
from landscape_nb.objective.by_sample import batching_quietly
from landscape_nb.objective.combining import Combination
from landscape_nb.objective.forward import Buffers, Forward, State
from landscape_nb.objective.reductions import (
    SUM,
    WEIGHTED,
    Metric,
    Trace,
    as_number,
    batch_value,
    combined,
    is_weighed,
    sum_and_weight,
)
from landscape_nb.weights.params import Affine, Params


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates metrics on data, at one state after another.

    Engines make others from an objective's: `replace(evaluator, forward=..., groups=...)`.

    Attributes:
        forward: From a point and a batch to the model's outputs.
        groups: The batches of each data set, by the prefix of its values' names; the objective's own has `''`.
        metrics: The metrics by name; the first is the loss, named `'loss'`.
        combinations: How each metric's values of batches become one.
        batch_norm: `'frozen'` or `'recalibrate'`.
        seed: The seed of a model that draws random numbers; None for one that does not.
        draws: How many draws of random numbers a value is the mean of.
    """

    forward: Forward
    groups: Mapping[str, Batches]
    metrics: Mapping[str, Metric]
    combinations: Mapping[str, Combination]
    batch_norm: str = "frozen"
    seed: int | None = None
    draws: int = 1

    @property
    def data(self) -> Batches:
        """The objective's own data, without extra data."""
        return self.groups[""]

    @property
    def batches(self) -> list[Any]:
        """The batches of all data sets, in order."""
        return [batch for group in self.groups.values() for batch in group.batches]

    @property
    def reads_pairs(self) -> bool:
        """Whether each batch is a pair of tensors, (inputs, targets), and the model is called with the inputs."""
        pairs = all(is_pair(batch) and isinstance(batch[0], Tensor) for batch in self.batches)
        return pairs and not self.forward.read

    @property
    def only_plain(self) -> str:
        """Why only calling the model, one batch after the other, is right; empty if engines may try something else."""
        if self.batch_norm != "frozen":
            return "batch norm is recalibrated"
        return "several draws are averaged" if self.draws > 1 else self.forward.only_plain

    @property
    def samples(self) -> int:
        """How many samples the objective's own data have."""
        return self.data.samples

    @cached_property
    def names(self) -> list[str]:
        """The names of the values: each metric on each data set, and its standard errors."""
        means = [prefix + name for prefix in self.groups for name in self.metrics]
        errors = (STDERR, DRAWS_STDERR) if self.draws > 1 else (STDERR,)
        return [mean + ending for mean in means for ending in ("", *errors)]

    @cached_property
    def by_sample(self) -> dict[str, Metric | None]:
        """For each metric, a function that gives one value a sample; None if it is not a mean over samples."""
        return {name: combination.by_sample for name, combination in self.combinations.items()}

    @cached_property
    def reductions(self) -> dict[str, str]:
        """How each metric's values of batches become one, in a word."""
        return {name: combination.reduction for name, combination in self.combinations.items()}

    @cached_property
    def _weighed_inside(self) -> bool:
        return any(combination.inside for combination in self.combinations.values())

    def with_data(self, data: Batches) -> "Evaluator":
        """The same on these batches alone, without extra data."""
        data = replace(data, fragile=self.data.fragile)
        return replace(self, forward=self.forward.fitted_to(data.batches), groups={"": data})

    def state(
        self, params: Params | None = None, buffers: Buffers | None = None, batch_norm: str | None = None
    ) -> State:
        """What the forward pass reads at a point; default the origin, the model's own buffers, and its policy."""
        return self.forward.state(params, buffers, self._recalibrated_on(batch_norm))

    def states_along(self, affine: Affine) -> Callable[..., State]:
        """A function that makes the state at a point of a line or plane (`Forward.states_along`)."""
        return self.forward.states_along(affine, self._recalibrated_on(None))

    def _recalibrated_on(self, batch_norm: str | None) -> Batches | None:
        return self.data if (batch_norm or self.batch_norm) == "recalibrate" else None

    def measure(
        self, params: Params | None = None, buffers: Buffers | None = None, batch_norm: str | None = None
    ) -> dict[str, float]:
        """The values at a point, by name (`Objective.measure`)."""
        return self.measure_state(lambda: self.state(params, buffers, batch_norm))

    def measure_state(self, make_state: Callable[[], State]) -> dict[str, float]:
        """The values at a state that a function makes."""
        with torch.no_grad(), preserved_rng():
            state = make_state()
            draws = [
                self.summarize(lambda batch: self.values_in(state, batch), draw=draw) for draw in range(self.draws)
            ]
        return _mean_of_draws([{name: float(value) for name, value in draw.items()} for draw in draws], self.names)

    def measure_stack(self, params: Params) -> dict[str, Float[Tensor, "points"]]:
        """The values at many points at once, through `torch.vmap`.

        Args:
            params: The points, stacked: each tensor has a first dimension that counts them. Batch
                norm keeps the model's running statistics.

        Returns:
            For each of `names`, one value a point.

        Raises:
            ValueError: The tensors are not like the model's, which would raise an error as if it were at fault.
        """
        found = {name: (stack.shape[1:], stack.dtype) for name, stack in params.items()}
        if found != {name: (tensor.shape, tensor.dtype) for name, tensor in self.forward.origin.items()}:
            raise ValueError("params: wants stacks of tensors of the model's shapes and number formats")
        with torch.no_grad(), preserved_rng(), batching_quietly():
            buffers = {name: buffer.clone() for name, buffer in self.forward.buffers.items()}
            return self.summarize(lambda batch: torch.vmap(lambda p: self.values_in(p | buffers, batch))(params))

    def summarize(
        self, values_of: Callable[[Any], dict[str, Tensor]], draw: int = 0
    ) -> dict[str, Float[Tensor, "*points"]]:
        """Means and standard errors over all data, in the order of `names`.

        Args:
            values_of: From a batch to the values of each metric along the last dimension: one a
                sample where `by_sample` has a metric, else one number.
            draw: Which draw of random numbers, for models that draw some.
        """
        result = {}
        for prefix, group in self.groups.items():
            found = []
            for number, batch in enumerate(self._seeded(prefix, draw)):
                with naming(self.groups, prefix, number, (LookupError, ValueError)):
                    found.append(values_of(batch))
            for name in self.metrics:
                values = [each[name] for each in found]
                by_sample = self.by_sample[name] is not None
                mean, error = combined(values, group.counts, self.reductions[name], by_sample)
                result |= {prefix + name: mean, prefix + name + STDERR: error}
        return result

    def batch_losses(
        self, params: Params, shares: Sequence[float] | None = None, buffers: Buffers | None = None
    ) -> Iterator[tuple[float, Float[Tensor, ""]]]:
        """The loss of each batch at a point, differentiable in `params`, and the batch's share.

        The loss at the point is the sum of share · loss. Batch norm uses its running statistics.

        Args:
            params: The point; entries that are to be differentiated require gradients.
            shares: What `loss_shares` gives there, if that is known.
            buffers: Batch norm's running statistics and other buffers; default the model's own.

        Raises:
            ValueError: One of several batches has a weight with a gradient.

        Example:
            >>> from landscape_nb.objective.objective import Objective
            >>> data, loss = (torch.ones(5, 1), torch.zeros(5, 1)), torch.nn.functional.mse_loss
            >>> objective = Objective(torch.nn.Linear(1, 1), data, loss, batch_size=3)
            >>> [round(share, 2) for share, _ in objective.evaluator.batch_losses(objective.origin)]
            [0.6, 0.4]
        """
        remaining = iter(self.loss_shares(params, buffers) if shares is None else shares)
        for draw in range(self.draws):
            for number, (batch, _) in enumerate(self.data):
                if (share := next(remaining)) == 0:
                    continue
                with preserved_rng(), SafeLayout():
                    self._seed("", draw, number)
                    outputs = self.forward.outputs(self.forward.state(params, buffers), batch)
                    value = self._called("loss", outputs, targets_of(batch))
                if len(self.data.batches) > 1 and is_weighed(value) and getattr(value[1], "requires_grad", False):
                    raise ValueError("criterion: its weight depends on the parameters; give all data as one batch")
                yield share, batch_value(value)

    def loss_shares(self, params: Params, buffers: Buffers | None = None) -> list[float]:
        """What the loss of each batch (in each draw) is multiplied with, so that their sum is the loss of all data.

        Where the loss is a weighted mean, its weights take a pass over the data.

        Example:
            >>> from landscape_nb.objective.objective import Objective
            >>> data, loss = (torch.ones(5, 1), torch.zeros(5, 1)), torch.nn.MSELoss(reduction="sum")
            >>> Objective(torch.nn.Linear(1, 1), data, loss, batch_size=3).evaluator.loss_shares({})
            [1.0, 1.0]
        """
        size = len(self.data.batches)
        weights = torch.tensor(self.data.counts, dtype=torch.float64).repeat(self.draws, 1)
        if self.reductions["loss"] == SUM or size == 1:
            return [1 / self.draws] * size * self.draws
        if self.reductions["loss"] == WEIGHTED:
            with torch.no_grad(), preserved_rng():
                state = self.forward.state(params, buffers)
                found = [
                    self.values_in(state, batch)["loss"][1]
                    for draw in range(self.draws)
                    for batch in self._seeded("", draw)
                ]
            weights = torch.stack(found).view(self.draws, size)
        return (weights / weights.sum(1, keepdim=True) / self.draws).flatten().tolist()

    def values_in(self, state: State, batch: Any) -> dict[str, Shaped[Tensor, "size"]]:
        """Each metric of a batch, as `value_of` gives it, at a state."""
        with Trace() if self._weighed_inside else nullcontext() as inside:
            return self.values_of(self.forward.outputs(state, batch), targets_of(batch), inside)

    def values_of(self, outputs: Any, targets: Any, inside: Trace | None = None) -> dict[str, Shaped[Tensor, "size"]]:
        """Each metric of a batch's outputs, as `value_of` gives it."""
        return {name: self.value_of(name, outputs, targets, inside) for name in self.metrics}

    def value_of(self, name: str, outputs: Any, targets: Any, inside: Trace | None = None) -> Shaped[Tensor, "size"]:
        """A metric of a batch's outputs: one value a sample, or (sum, weight) of a weighted mean, or one number.

        Args:
            name: Which metric.
            outputs: The outputs.
            targets: The targets of the same batch.
            inside: The trace of the model's forward pass, which still listens.
        """
        if (by_sample := self.by_sample[name]) is not None:
            return by_sample(outputs, targets)
        if self.reductions[name] != WEIGHTED:
            return as_number(self._called(name, outputs, targets)).reshape(1)
        with Trace() if inside is None else nullcontext(inside) as trace:
            return sum_and_weight(name, self._called(name, outputs, targets), trace)

    def _called(self, name: str, outputs: Any, targets: Any) -> Any:
        """What a metric returns for a batch's outputs; only the call itself is somebody else's code."""
        with marking_foreign():
            return self.metrics[name](outputs, targets)

    def _seeded(self, prefix: str, draw: int) -> Iterator[Any]:
        """The batches of a data set, each with the random numbers that are its own in a draw."""
        for number, (batch, _) in enumerate(self.groups[prefix]):
            self._seed(prefix, draw, number)
            yield batch

    def _seed(self, prefix: str, draw: int, number: int) -> None:
        """Let a batch see the same random numbers whenever it is evaluated, in whatever order."""
        if self.seed is not None:
            seed_everything(self.seed, draw, list(self.groups).index(prefix), number)


def _mean_of_draws(draws: list[dict[str, float]], names: list[str]) -> dict[str, float]:
    """The mean of each value over draws, and of means the standard error over draws."""
    if len(draws) == 1:
        return draws[0]
    result = {}
    for name in names:
        values = np.array([draw[name.removesuffix(DRAWS_STDERR)] for draw in draws])
        spread = values.std(ddof=1) / len(draws) ** 0.5
        result[name] = float(spread if name.endswith(DRAWS_STDERR) else values.mean())
    return result
