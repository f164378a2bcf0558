"""Which engine measures an objective: the fastest one that is seen to give the plain one's values."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float

from landscape_nb._common import settings
from landscape_nb._common.checks import check_choice
from landscape_nb._common.foreign import FAILURES
from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import STDERR, Values
from landscape_nb._common.settings import strict
from landscape_nb._common.weakly import weakly_cached
from landscape_nb.engines.batched_mlp import Perceptron
from landscape_nb.engines.description import Description
from landscape_nb.engines.faults import InapplicableError, WrongValuesError, reason
from landscape_nb.engines.points import Engine, ManyAtOnce, OneByOne
from landscape_nb.engines.replay import replaying
from landscape_nb.objective.by_sample import batching_quietly
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.noise import noise
from landscape_nb.weights.params import Affine, unflatten

Chosen = TypeVar("Chosen", bound=Engine)
_Point = tuple[Affine, Float[np.ndarray, "1 axes"]]
_TOLERANCE = 1e-4
_ROUNDINGS = 32


def wants_plain(engine: str) -> bool:
    """Whether nothing but calls of the model is wanted: by a caller, or by `LANDSCAPE_NB_ENGINE=plain`.

    Args:
        engine: What the caller says: `'auto'` or `'plain'`.

    Raises:
        ValueError: Something else.

    Example:
        >>> wants_plain("plain")
        True
    """
    check_choice("engine", engine, ("auto", "plain"))
    return "plain" in (engine, settings.engine())


def choose_engine(objective: Objective, affine: Affine, engine: str = "auto") -> Engine:
    """The fastest engine that gives this objective's values, tried at three points.

    It is tried once for an objective, and kept as long as that lives.

    Args:
        objective: What is measured.
        affine: The line or plane.
        engine: `'plain'` leaves out all but the last of these.

    Returns:
        The first of these that applies and whose loss agrees with the plain one to 10⁻⁴, at the origin and
        twice beside another one: `Perceptron`, `ManyAtOnce` for small nets without convolutions or recurrence,
        `SideBySide` with replayed calls (`OneByOne`, if a criterion or metric is a reader's own), `OneByOne`
        with plain calls. Its description says what runs, and in the last case why.

    Example:
        >>> from landscape_nb.weights.directions import random_directions
        >>> model = torch.nn.Linear(3, 2)
        >>> objective = Objective(model, (torch.randn(8, 3), torch.zeros(8, dtype=torch.long)))
        >>> str(choose_engine(objective, Affine(objective.origin, random_directions(model, 1))).description)
        '32 points at once, layer by layer'
    """
    return plain_engine(objective) if wants_plain(engine) else _fastest(objective, affine)


@weakly_cached
def _fastest(objective: Objective, affine: Affine) -> Engine:
    return _first_right(objective, affine, [Perceptron, ManyAtOnce, replaying, partial(replaying, tiles=False)])


def plain_engine(objective: Objective, reason: str = "plain, as asked for") -> OneByOne:
    """The engine that calls the model at one point after the other.

    Args:
        objective: What is measured.
        reason: Why nothing faster is used.

    Example:
        >>> model = torch.nn.Linear(3, 2)
        >>> objective = Objective(model, (torch.randn(8, 3), torch.zeros(8, dtype=torch.long)))
        >>> str(plain_engine(objective, "batch norm is recalibrated").description)
        'one point at a time (batch norm is recalibrated)'
    """
    return OneByOne(objective.evaluator, Description(reasons=(reason,)))


def _first_right(
    objective: Objective, affine: Affine, makers: Sequence[Callable[[Evaluator], Chosen]]
) -> Chosen | OneByOne:
    """The first engine that applies and gives the plain one's values, else the plain one."""
    settings.allowed_isa()  # raises here, not where an error means that an engine does not apply
    trial = _Trial(OneByOne(objective.evaluator), affine)
    reasons: list[str] = []
    for make in makers:
        try:
            engine = make(objective.evaluator)
            trial.check(engine)
            return engine
        except (
            Exception
        ) as error:  # a model that does not bear an engine may raise anything; `reason` looks whose it is
            reasons.append(reason(error))
    return OneByOne(objective.evaluator, Description(reasons=tuple(dict.fromkeys(reasons))))


def one_by_one(objective: Objective, affine: Affine, tiles: bool = True, engine: str = "auto") -> OneByOne:
    """An engine that measures point after point in one thread: with replayed calls if they are right, else plainly.

    Args:
        objective: What is measured.
        affine: A line or plane, for the trial.
        tiles: Whether 3×3 convolutions may be computed in tiles.
        engine: `'plain'` for plain calls.

    Example:
        >>> model = torch.nn.Linear(3, 2)
        >>> objective = Objective(model, (torch.randn(8, 3), torch.zeros(8, dtype=torch.long)))
        >>> str(one_by_one(objective, Affine(objective.origin, [objective.origin])).description)
        'one point at a time (no convolutions)'
    """
    if wants_plain(engine):
        return plain_engine(objective)
    makers = [partial(replaying, tiles=tiled, threads=False) for tiled in ([True, False] if tiles else [False])]
    return _first_right(objective, affine, makers)


# A trial measures at three points. At the origin batch norm's statistics fit, activations have their usual sizes, and
# layers may be all zero, as networks may begin with: behind those nothing shows of what an engine does. So the others
# lie beside another origin, whose weights are a little different and nowhere zero. An engine is kept for all lines and
# planes of an objective, and what it does may depend on what moves (`Replayed.made_along`: whether a γ does): weights
# of one dimension stay in one of the two, and move in the other. What a trial cannot see is a difference that shows
# only farther away: values that overflow there, or a model that decides by looking at values. The recorder refuses
# the latter, and where convolutions are in tiles overflow is looked for at every point (`replay`).
class _Trial:
    """Points at which an engine must give the plain one's values: the origin, and two beside another origin."""

    def __init__(self, plain: OneByOne, affine: Affine):
        self.plain = plain
        origin, beside = (np.full((1, len(affine.directions)), coordinate) for coordinate in (0.0, 0.01))
        self.points, self.wanted = [(affine, origin)], [plain(affine, origin)]
        for moving in (False, True):
            point = _elsewhere(affine, moving), beside
            values = _finite_values(plain, *point)
            if values is None:
                point = affine, beside
                values = plain(*point)
            self.points.append(point)
            self.wanted.append(values)

    def check(self, engine: Engine) -> None:
        """Raise where an engine gives other values.

        Raises:
            InapplicableError: They may be others: the model's own values depend on how it is called.
            WrongValuesError: They are wrong, or its outputs have another shape or number format.
        """
        if isinstance(engine, OneByOne | Perceptron):  # others have the model's own outputs
            _check_outputs(engine, self.plain)
        for point, wanted in zip(self.points, self.wanted, strict=True):
            if not _agree(engine(*point), wanted):
                odd = strict() and self._may_differ(engine, point, wanted)
                raise (InapplicableError if odd else WrongValuesError)(f"{engine.description}: other values")

    # Some models rightly have other values where they are called otherwise: one that normalizes by the batch at hand
    # and gets other batches, one that looks whether `vmap` batches its weights, a random one; where the loss is not
    # finite, or changes as much by roundings, others prove nothing. Such a model is called plainly without an error. It
    # shows in calls of the model that no engine has a part in.
    def _may_differ(self, engine: Engine, point: _Point, wanted: Values) -> bool:
        """Whether the model alone, called plainly again, with a rounding or as the engine does, has other values."""
        affine, coords = point
        ways = (self.plain, point), (self.plain, (_rounded(affine), coords)), (_called_like(engine), point)
        finite = all(np.isfinite(wanted[name]).all() for name in _losses(wanted))
        return not finite or not all(_agree(way(*where), wanted) for way, where in ways)


def _check_outputs(engine: OneByOne | Perceptron, plain: OneByOne) -> None:
    """Raise where metrics get tensors of another shape or number format than the model gives."""
    for batch in {batch[0].shape: batch for batch in engine.evaluator.batches}.values():
        found, wanted = engine.outputs(batch), plain.outputs(batch)
        if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            raise WrongValuesError(
                f"{engine.description}: outputs {tuple(found.shape)} in {found.dtype} instead of "
                f"{tuple(wanted.shape)} in {wanted.dtype}"
            )


def _called_like(engine: Engine) -> Callable[[Affine, Float[np.ndarray, "1 axes"]], Values]:
    """Measures by calls of the model on the engine's own batches, under `vmap` if the engine calls it so."""
    evaluator = replace(engine.evaluator, forward=engine.evaluator.forward.plain)
    return partial(_under_vmap, evaluator) if isinstance(engine, ManyAtOnce) else OneByOne(evaluator)


def _under_vmap(evaluator: Evaluator, affine: Affine, coords: Float[np.ndarray, "1 axes"]) -> Values:
    """The values at a point, as a stack of one."""
    state = evaluator.state(affine(*coords[0].tolist()))
    params = {name: state[name][None] for name in evaluator.forward.origin}
    with torch.no_grad(), preserved_rng(), batching_quietly():
        values = evaluator.summarize(lambda batch: torch.vmap(lambda p: evaluator.values_in(state | p, batch))(params))
    return {name: value.numpy(force=True) for name, value in values.items()}


def _rounded(affine: Affine) -> Affine:
    """The same directions from an origin that differs by some roundings, as sums in another order do."""
    generator = torch.Generator().manual_seed(0)
    origin, *directions = (unflatten(vector, affine.template) for vector in (affine.origin, *affine.directions))
    factors = {
        name: 1 + _ROUNDINGS * torch.finfo(p.dtype).eps * torch.randn(p.shape, generator=generator).to(p)
        for name, p in origin.items()
    }
    return Affine({name: p * factors[name] for name, p in origin.items()}, directions, affine.template)


def _fails(engine: Engine, affine: Affine, coords: Float[np.ndarray, "1 axes"]) -> bool:
    try:
        engine(affine, coords)
    except FAILURES:
        return True
    return False


def _finite_values(plain: Engine, affine: Affine, coords: Float[np.ndarray, "1 axes"]) -> Values | None:
    """The values at a point, if the loss is finite; a model may refuse weights that are other than its own.

    An error that does not come again has other reasons, and is raised.
    """
    try:
        values = plain(affine, coords)
    except FAILURES:
        if not _fails(plain, affine, coords):
            raise
        return None
    return values if np.isfinite(values["loss"]).all() else None


def _elsewhere(affine: Affine, moving: bool) -> Affine:
    """The same directions from an origin whose weights are a little different, and nowhere all zero.

    Args:
        affine: The line or plane.
        moving: Whether weights of one dimension move, in a random direction; else they stay.
    """
    generator = torch.Generator().manual_seed(0)
    origin, *directions = (unflatten(vector, affine.template) for vector in (affine.origin, *affine.directions))
    moved = {name: tensor + noise(tensor, generator) for name, tensor in origin.items()}
    for direction in directions:
        few = {name: origin[name] for name in origin if origin[name].ndim < 2}
        direction |= {name: noise(p, generator) if moving else torch.zeros_like(p) for name, p in few.items()}
    return Affine(moved, directions, affine.template)


def _agree(found: Values, wanted: Values) -> bool:
    """Whether losses agree; a metric like accuracy may jump where the loss only rounds."""
    return all(
        np.allclose(found[name], wanted[name], rtol=_TOLERANCE, atol=1e-7, equal_nan=True)
        and _errors_agree(found[name + STDERR], wanted[name + STDERR], wanted[name])
        for name in _losses(wanted)
    )


def _errors_agree(found: np.ndarray, wanted: np.ndarray, means: np.ndarray) -> bool:
    """Whether standard errors agree; where all samples have one value, what is left is that value's rounding."""
    rounding = 1e-7 + 0.01 * _TOLERANCE * np.abs(np.nan_to_num(means))
    return np.allclose(found, wanted, rtol=_TOLERANCE, atol=rounding, equal_nan=True)


def _losses(values: Values) -> list[str]:
    return [name for name in values if name.endswith("loss")]
