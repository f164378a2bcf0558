"""Engines: they measure at points of a line or plane, one by one, batches side by side, or many at once."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import Values
from landscape_nb.engines.description import Description
from landscape_nb.engines.faults import InapplicableError
from landscape_nb.engines.threads import one_thread_each
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.objective.forward import State
from landscape_nb.objective.nested import copied
from landscape_nb.weights.params import Affine, unflatten

NUMBERS_AT_ONCE = 600_000
"""Numbers that a pass over several points may hold, so that they stay in the processor's cache."""
_MOST_WEIGHTS = 100_000
_WITH_WEIGHTS_OF_THEIR_OWN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)


class Engine(Protocol):
    """Measures at points of a line or plane; `description` says how.

    Attributes:
        evaluator: What evaluates the metrics.
        description: How it does so.
    """

    evaluator: Evaluator
    description: Description

    def __call__(self, affine: Affine, coords: Float[np.ndarray, "points axes"]) -> Values:
        """The values at points, each given by its coordinates."""
        ...


class OneByOne:
    """Measures point after point.

    Args:
        evaluator: What evaluates the metrics at a point.
        description: How it does so.
    """

    def __init__(self, evaluator: Evaluator, description: Description | None = None):
        self.evaluator, self.description = evaluator, description or Description()

    def __call__(self, affine: Affine, coords: Float[np.ndarray, "points axes"]) -> Values:
        """The values at points, each given by its coordinates."""
        state_at = self.evaluator.states_along(affine)
        found = [self.evaluator.measure_state(partial(state_at, *each, scratch=0)) for each in coords.tolist()]
        return {name: np.array([values[name] for values in found]) for name in self.evaluator.names}

    def outputs(self, batch: Any) -> Any:
        """The outputs that metrics get for a batch at the origin."""
        with torch.no_grad(), preserved_rng():
            return self.evaluator.forward.outputs(self.evaluator.state(), copied(batch))


class SideBySide(OneByOne):
    """Measures as many batches at a time as torch has threads, each in one thread.

    A batch's convolutions are too small to keep several threads busy: they wait for each other after
    every layer. Batches need not wait, neither those of one point nor those of the next.
    """

    # So many points are begun ahead that every thread has a batch. Each has its weights in memory of its own
    # (`scratch`): one piece more than there are points ahead, as the oldest point is still read while the newest is
    # made. With fewer, a point's weights would be overwritten under the threads that read them, and values would be
    # wrong without an error. Metrics run in several threads at a time: `replaying` takes this engine only for metrics
    # of torch and of this package, which keep nothing between calls.

    def __call__(self, affine: Affine, coords: Float[np.ndarray, "points axes"]) -> Values:
        """The values at points, each given by its coordinates."""
        threads = torch.get_num_threads()
        if threads < 2:
            return super().__call__(affine, coords)
        pool = one_thread_each(threads)
        ahead = -(-threads // len(self.evaluator.batches))
        state_at = self.evaluator.states_along(affine)
        begun: deque[list[Future]] = deque()
        found = []
        try:
            for number, each in enumerate(coords.tolist()):
                begun.append(self._begin(pool, partial(state_at, *each, scratch=number % (ahead + 1))))
                if len(begun) > ahead:
                    found.append(self._ended(begun))
            while begun:
                found.append(self._ended(begun))
        finally:
            _drop([future for point in begun for future in point])
        return {name: np.array([values[name] for values in found]) for name in self.evaluator.names}

    def _begin(self, pool: ThreadPoolExecutor, make_state: Callable[[], State]) -> list[Future]:
        """Have the weights at a point made, then the values of each batch, in the order of the data."""
        state = pool.submit(torch.no_grad()(make_state))
        values_of = torch.no_grad()(lambda batch: self.evaluator.values_in(state.result(), batch))
        return [state, *(pool.submit(values_of, batch) for batch in self.evaluator.batches)]

    def _ended(self, begun: deque[list[Future]]) -> dict[str, float]:
        """Means and standard errors of the first point, which is taken off the queue."""
        _, *values = begun[0]
        following = iter(values)
        summary = self.evaluator.summarize(lambda batch: next(following).result())
        begun.popleft()
        return {name: float(value) for name, value in summary.items()}


def _drop(futures: Sequence[Future]) -> None:
    """Cancel what has not begun, and wait for what has."""
    for future in futures:
        future.cancel()
    wait(futures)


class ManyAtOnce:
    """Measures several points in one batched pass (`torch.vmap`): small nets are all overhead otherwise.

    Raises:
        InapplicableError: Batching cannot be expected to be faster, or batch norm is recalibrated.
    """

    def __init__(self, evaluator: Evaluator):
        if against := _reason_against_batching(evaluator):
            raise InapplicableError(against)
        self.evaluator = evaluator
        self.points = max(1, NUMBERS_AT_ONCE // _numbers_of_a_point(evaluator))
        self.description = Description(points=self.points, batched="vmap")

    def __call__(self, affine: Affine, coords: Float[np.ndarray, "points axes"]) -> Values:
        """The values at points, each given by its coordinates."""
        coordinates = torch.from_numpy(coords).to(affine.origin)
        parts = [self._measure(affine, part) for part in coordinates.split(self.points)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.evaluator.names}

    def _measure(self, affine: Affine, coordinates: Float[Tensor, "points axes"]) -> Values:
        vectors = affine.origin
        for column, direction in zip(coordinates.T, affine.directions, strict=True):
            vectors = vectors + column[:, None] * direction
        values = self.evaluator.measure_stack(unflatten(vectors, affine.template))
        return {name: value.numpy(force=True) for name, value in values.items()}


def _reason_against_batching(evaluator: Evaluator) -> str:
    forward = evaluator.forward
    if evaluator.only_plain:
        return evaluator.only_plain
    if sum(weight.numel() for weight in forward.origin.values()) > _MOST_WEIGHTS:
        return "a large net"
    if any(isinstance(module, _WITH_WEIGHTS_OF_THEIR_OWN) for module in forward.model.modules()):
        return "convolutions or recurrence"
    return ""


def _numbers_of_a_point(evaluator: Evaluator) -> int:
    """Numbers that one point needs: its weights, or the largest layer's output for a batch."""
    forward = evaluator.forward
    widths = [m.out_features for m in forward.model.modules() if isinstance(m, nn.Linear)]
    weights = sum(weight.numel() for weight in forward.origin.values())
    return max(weights, max(widths, default=1) * max(max(group.counts) for group in evaluator.groups.values()))


def measured_by(engine: Engine, affines: Sequence[Affine], points: Float[np.ndarray, "points axes"]) -> Values:
    """Measure points whose first coordinate, if there is one more than axes, says which line or plane."""
    axes = len(affines[0].directions)
    draws = points[:, 0].astype(int) if points.shape[1] > axes else np.zeros(len(points), int)
    parts = [engine(affines[draw], points[draws == draw][:, -axes:]) for draw in np.unique(draws)]
    order = np.argsort(np.concatenate([np.flatnonzero(draws == draw) for draw in np.unique(draws)]))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
