"""How an objective is measured at many points: plainly, or in a faster way that is seen to give the same."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.foreign import FAILURES
from landscape_nb._common.schema import Row
from landscape_nb._common.settings import allowed_isa
from landscape_nb.engines.batched_mlp import Perceptron
from landscape_nb.engines.graph import State
from landscape_nb.engines.replay import Streamlined
from landscape_nb.engines.threads import one_thread_each
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.noise import noise
from landscape_nb.weights.params import Affine, unflatten

BLOCKS = "channels in blocks, "
_MOST_WEIGHTS = 100_000
_ENTRIES_AT_ONCE = 600_000
_TOLERANCE = 1e-4
_WITH_WEIGHTS_OF_THEIR_OWN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)


class Engine(Protocol):
    """Measures an objective at points of a line or plane; `description` says how."""

    description: str

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        ...


class OneByOne:
    """Measures point after point."""

    def __init__(self, objective: Objective, description: str = "one point at a time"):
        self.objective, self.description = objective, description

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        state_at = self.objective.states_along(affine)
        rows = [self.objective.measure_state(partial(state_at, *place, space=0)) for place in places.tolist()]
        return {name: np.array([row[name] for row in rows]) for name in self.objective.names}


class SideBySide(OneByOne):
    """Measures as many batches at a time as torch has threads, each in one thread.

    A batch's convolutions are too small to keep several threads busy: they wait for each other after
    every layer. Batches need not wait, neither those of one point nor those of the next.
    """

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        threads = torch.get_num_threads()
        if threads < 2:
            return super().__call__(affine, places)
        pool = one_thread_each(threads)
        ahead = -(-threads // sum(len(group.batches) for group in self.objective.groups.values()))
        state_at = self.objective.states_along(affine)
        begun: deque[list[Future]] = deque()
        rows = []
        try:
            for number, place in enumerate(places.tolist()):
                begun.append(self._begin(pool, partial(state_at, *place, space=number % (ahead + 1))))
                if len(begun) > ahead:
                    rows.append(self._ended(begun))
            while begun:
                rows.append(self._ended(begun))
        finally:
            _drop([future for point in begun for future in point])
        return {name: np.array([row[name] for row in rows]) for name in self.objective.names}

    def _begin(self, pool: ThreadPoolExecutor, make_state: Callable[[], State]) -> list[Future]:
        """Have the weights at a point made, then the values of each batch, in the order of the data."""
        state = pool.submit(torch.no_grad()(make_state))
        values_of = torch.no_grad()(lambda batch: self.objective.values_in(state.result(), batch))
        batches = [batch for group in self.objective.groups.values() for batch in group.batches]
        return [state, *(pool.submit(values_of, batch) for batch in batches)]

    def _ended(self, begun: deque[list[Future]]) -> dict[str, float]:
        """Means and standard errors of the first point, which is taken off the queue."""
        _, *values = begun[0]
        following = iter(values)
        summary = self.objective.summarize(lambda batch: next(following).result())
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
        ValueError: Batching cannot be expected to be faster, or batch norm is recalibrated.
    """

    def __init__(self, objective: Objective):
        if reason := _reason_against_batching(objective):
            raise ValueError(reason)
        self.objective = objective
        self.points = max(1, _ENTRIES_AT_ONCE // _entries(objective))
        self.description = f"{self.points} points at once (vmap)"

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        coordinates = torch.from_numpy(places).to(affine.origin)
        parts = [self._measure(affine, part) for part in coordinates.split(self.points)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.objective.names}

    def _measure(self, affine: Affine, coordinates: Float[Tensor, "points axes"]) -> Row:
        vectors = affine.origin
        for column, direction in zip(coordinates.T, affine.directions, strict=True):
            vectors = vectors + column[:, None] * direction
        values = self.objective.measure_stack(unflatten(vectors, affine.like))
        return {name: value.numpy(force=True) for name, value in values.items()}


def choose_engine(objective: Objective, affine: Affine) -> Engine:
    """The fastest engine that gives this objective's values, tried at two points.

    It is tried once for an objective, which then keeps it.

    Args:
        objective: What is measured.
        affine: The line or plane.

    Returns:
        The first of these that applies and whose loss agrees with the plain one to 10⁻⁴, there and where
        weights are other ones: `Perceptron`,
        `ManyAtOnce` for small nets without convolutions or recurrence, `SideBySide` of a `Streamlined`
        objective (`OneByOne`, if a criterion or metric is a reader's own), `OneByOne` of the plain one.
        Its description says what runs, and in the last case why.

    Example:
        >>> from landscape_nb.weights.directions import random_directions
        >>> model = nn.Linear(3, 2)
        >>> objective = Objective(model, (torch.randn(8, 3), torch.zeros(8, dtype=torch.long)))
        >>> choose_engine(objective, Affine(objective.origin, random_directions(model, 1))).description
        '32 points at once, layer by layer'
    """
    if objective.engine is None:
        objective.engine = _fastest(objective, affine)
    return objective.engine


def _fastest(objective: Objective, affine: Affine) -> Engine:
    allowed_isa()  # raises here, not where an error means that an engine does not apply
    trial = _Trial(OneByOne(objective), affine)
    reasons = []
    for make in (Perceptron, ManyAtOnce, _streamlined, partial(_streamlined, tiles=False)):
        try:
            engine = make(objective)
            if trial.passed_by(engine):
                return engine
            reasons.append(f"{engine.description}: other values")
        except FAILURES as error:
            reasons.append(str(error).splitlines()[0])
    return OneByOne(objective, f"one point at a time ({'; '.join(dict.fromkeys(reasons))})")


def streamlined(objective: Objective, affine: Affine, tiles: bool = True) -> OneByOne:
    """Measures point after point, replayed where that gives the same values (in tiles if asked), else plainly."""
    allowed_isa()
    plain = OneByOne(objective)
    trial = _Trial(plain, affine)
    for tiled in (True, False) if tiles else (False,):
        try:
            engine = _streamlined(objective, tiled)
            if trial.passed_by(engine):
                return engine
        except FAILURES:
            return plain
    return plain


def _streamlined(objective: Objective, tiles: bool = True) -> OneByOne:
    """What measures the objective streamlined: batches side by side, if its measures may run in threads."""
    faster = Streamlined(objective, tiles=tiles)
    tiled = f"{len(faster.filters)} convolutions in tiles, " * bool(faster.filters)
    layout = "channels-last, " if faster.layout is torch.channels_last else BLOCKS * faster.blocked
    folded = f"{len(faster.folds)} batch norms folded"
    how = f"calls replayed, {folded}, {tiled}{layout}{max(faster.data.counts)} samples a batch"
    if all(map(_is_known, objective.measures.values())):
        return SideBySide(faster, f"a batch a thread, {how}")
    return OneByOne(faster, f"one point at a time, {how}")


def _is_known(function: Callable) -> bool:
    """Whether a function may run in several threads: torch's and ours hold no state, a reader's may."""
    module = getattr(function, "__module__", None) or type(function).__module__
    return module.split(".")[0] in ("torch", "landscape_nb")


class _Trial:
    """Two points at which an engine must give the plain one's values: the origin, and one beside another origin."""

    def __init__(self, plain: Engine, affine: Affine):
        origin, beside = (np.full((1, len(affine.directions)), coordinate) for coordinate in (0.0, 0.01))
        second = _elsewhere(affine), beside
        values = _finite_values(plain, *second)
        if values is None:
            second = affine, beside
            values = plain(*second)
        self.points, self.wanted = [(affine, origin), second], [plain(affine, origin), values]

    def passed_by(self, engine: Engine) -> bool:
        return all(_agree(engine(*point), wanted) for point, wanted in zip(self.points, self.wanted, strict=True))


def _fails(engine: Engine, affine: Affine, place: Float[np.ndarray, "1 axes"]) -> bool:
    try:
        engine(affine, place)
    except FAILURES:
        return True
    return False


def _finite_values(plain: Engine, affine: Affine, place: Float[np.ndarray, "1 axes"]) -> Row | None:
    """The values at a point, if the loss is finite; a model may refuse weights that are other than its own.

    An error that does not come again has other reasons, and is raised.
    """
    try:
        values = plain(affine, place)
    except FAILURES:
        if not _fails(plain, affine, place):
            raise
        return None
    return values if np.isfinite(values["loss"]).all() else None


def _elsewhere(affine: Affine) -> Affine:
    """The same directions from an origin whose weights are a little different, and nowhere all zero.

    Behind a layer of zeros, as networks may begin with, nothing that an engine does is seen.
    """
    generator = torch.Generator().manual_seed(0)
    origin, *directions = (unflatten(vector, affine.like) for vector in (affine.origin, *affine.directions))
    moved = {name: tensor + noise(tensor, generator) for name, tensor in origin.items()}
    return Affine(moved, directions, affine.like)


def _agree(found: Row, wanted: Row) -> bool:
    """Whether losses agree; a metric like accuracy may jump where the loss only rounds."""
    losses = [name for name in wanted if name.removesuffix("_stderr").endswith("loss")]
    return all(np.allclose(found[n], wanted[n], rtol=_TOLERANCE, atol=1e-7, equal_nan=True) for n in losses)


def _reason_against_batching(objective: Objective) -> str | None:
    if objective.batch_norm != "frozen":
        return "batch norm is recalibrated"
    if objective.findings.only_plain:
        return objective.findings.only_plain
    if sum(weight.numel() for weight in objective.origin.values()) > _MOST_WEIGHTS:
        return "a large net"
    if any(isinstance(module, _WITH_WEIGHTS_OF_THEIR_OWN) for module in objective.model.modules()):
        return "convolutions or recurrence"
    return None


def _entries(objective: Objective) -> int:
    """Numbers that one point needs: its weights, or the largest layer's output for a batch."""
    widths = [m.out_features for m in objective.model.modules() if isinstance(m, nn.Linear)]
    weights = sum(weight.numel() for weight in objective.origin.values())
    return max(weights, max(widths, default=1) * max(max(group.counts) for group in objective.groups.values()))


def measured_by(engine: Engine, affines: Sequence[Affine], points: Float[np.ndarray, "points axes"]) -> Row:
    """Measure points whose first coordinate, if there is one more than axes, says which line or plane."""
    axes = len(affines[0].directions)
    draws = points[:, 0].astype(int) if points.shape[1] > axes else np.zeros(len(points), int)
    parts = [engine(affines[draw], points[draws == draw][:, -axes:]) for draw in np.unique(draws)]
    order = np.argsort(np.concatenate([np.flatnonzero(draws == draw) for draw in np.unique(draws)]))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
