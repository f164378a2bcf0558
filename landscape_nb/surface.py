"""Values of an objective on a line, on a plane and between two minima, as `xarray.Dataset`s."""

import json
from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb.directions import orthogonalized, random_directions, towards
from landscape_nb.engines import choose_engine, measured_by, streamlined
from landscape_nb.grid import Extent, Resolution, make_axes
from landscape_nb.normalization import relative_steps
from landscape_nb.objective import Buffers, Objective
from landscape_nb.parameters import Affine, Params, check_frame, check_params, parameters_of
from landscape_nb.precision import PRECISIONS, bfloat16_engine
from landscape_nb.provenance import fingerprint
from landscape_nb.sweep import Row, sweep

STATISTICS = ("frozen", "interpolated", "recalibrated")
_DIMS = ("alpha", "beta")


def evaluate_line(
    objective: Objective,
    direction: Params,
    extent: Extent = (-1, 1),
    resolution: Resolution = 51,
    origin: Params | None = None,
    repeats: int = 1,
    precision: str = "full",
    store: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Measure an objective along a line: at origin + α · direction.

    Args:
        objective: What is measured.
        direction: The direction, keyed like `objective.origin`.
        extent: The first and the last α.
        resolution: The number of points, from 2 up; an odd number has one at α = 0 when `extent` is
            symmetric.
        origin: The point at α = 0; default the objective's.
        repeats: How many draws of the random direction; the first is the one given, the others
            come from the same seed.
        precision: `'full'`, the model's own, or `'bfloat16'` for the network, which is faster where the
            processor knows it; it is compared with the full precision on some of the points first.
        store: A Zarr path that keeps what is measured, piece by piece; the same call goes on from there.
        n_jobs: Processes of one thread each (joblib); None measures in this one.
        progress: Whether to show a progress bar.

    Returns:
        `loss` and every metric over the dimension `alpha`, their standard errors over the data
        (`loss_stderr`, …), and how they were made in `attrs`. With `repeats`, everything has a first
        dimension `repeat`, and `loss_spread` is the standard deviation of the loss over it.

    Raises:
        ValueError: A bad extent or resolution, a direction that does not fit the model, repeats of a
            direction that is not random, bfloat16 that changes the loss by more than 2 %, or a store that
            was made from something else.

    Example:
        >>> import torch
        >>> model = nn.Linear(1, 1, bias=False)
        >>> objective = Objective(model, (torch.ones(1, 1), torch.zeros(1, 1)), nn.functional.mse_loss)
        >>> zero, one = {"weight": torch.zeros(1, 1)}, {"weight": torch.ones(1, 1)}
        >>> line = evaluate_line(objective, one, (-2, 2), 5, origin=zero, progress=False)
        >>> line.loss.values
        array([4., 1., 0., 1., 4.])

    Source: Goodfellow et al. (2014), section 2; Li et al. (2018), section 3.
    """
    how = {"store": store, "n_jobs": n_jobs, "progress": progress}
    return _evaluate_around(objective, [direction], extent, resolution, origin, repeats, precision, how)


def evaluate_plane(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent = (-1, 1),
    resolution: Resolution = 51,
    origin: Params | None = None,
    repeats: int = 1,
    precision: str = "full",
    store: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Measure an objective on a plane: at origin + α · directions[0] + β · directions[1].

    Args:
        objective: What is measured.
        directions: Two directions, keyed like `objective.origin`.
        extent: The first and last coordinate, one pair for both axes or one pair each.
        resolution: The number of points along an axis, one for both or one each.
        origin: The point at (0, 0); default the objective's.
        repeats: How many draws of the random directions; the first is the one given, the others
            come from the same seed.
        precision: `'full'`, the model's own, or `'bfloat16'` for the network, which is faster where the
            processor knows it; it is compared with the full precision on some of the points first.
        store: A Zarr path that keeps what is measured, piece by piece; the same call goes on from there.
        n_jobs: Processes of one thread each (joblib); None measures in this one.
        progress: Whether to show a progress bar.

    Returns:
        `loss` and every metric over the dimensions `alpha` and `beta`, in this order, their standard
        errors over the data (`loss_stderr`, …), and how they were made in `attrs`; `repeats` as in
        `evaluate_line`. `plane.loss.sel(alpha=a, beta=b)` is the loss at that point exactly.

    Raises:
        ValueError: A bad extent or resolution, directions that are not two or do not fit the model,
            repeats of directions that are not random, bfloat16 that changes the loss by more than 2 %,
            or a store that was made from something else.

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (torch.eye(2), torch.zeros(2, 1)), nn.functional.mse_loss)
        >>> origin, d1, d2 = ({"weight": torch.tensor([w])} for w in ([0.0, 0.0], [1.0, 0.0], [0.0, 2.0]))
        >>> plane = evaluate_plane(objective, (d1, d2), [(-1, 1), (0, 2)], (3, 2), origin, progress=False)
        >>> plane.loss.values
        array([[0.5, 8.5],
               [0. , 8. ],
               [0.5, 8.5]])

    Source: Li et al. (2018), sections 3 and 5.
    """
    if len(directions) != 2:
        raise ValueError(f"directions: got {len(directions)}, a plane has two")
    how = {"store": store, "n_jobs": n_jobs, "progress": progress}
    return _evaluate_around(objective, directions, extent, resolution, origin, repeats, precision, how)


def interpolate(
    objective: Objective,
    start: Params | nn.Module,
    end: Params | nn.Module,
    extent: Extent = (-0.5, 1.5),
    resolution: Resolution = 81,
    batch_norm: str | None = None,
    store: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Measure an objective on the straight line through two points: at (1 − α) · start + α · end.

    Between two models, batch norm's running statistics are interpolated with the weights, as the
    paper does. Beyond either end a running variance can then become negative: such a network does
    not exist, its values are NaN, and `negative_variance` is 1 there. Recalibrated statistics, found
    from the data at each point (REPAIR), exist everywhere.

    Args:
        objective: What is measured.
        start: The model or point at α = 0.
        end: The model or point at α = 1.
        extent: The first and the last α.
        resolution: The number of points, from 2 up.
        batch_norm: Running statistics between the ends: `'frozen'` (the objective's own everywhere),
            `'interpolated'` (the default between models), or `'recalibrated'`; between points (dicts)
            the default is the objective's policy.
        store: A Zarr path that keeps what is measured, as in `evaluate_plane`.
        n_jobs: Processes of one thread each (joblib); None measures in this one.
        progress: Whether to show a progress bar.

    Returns:
        `loss`, every metric, their standard errors and `negative_variance` over the dimension `alpha`.
        Between models, `attrs["end_losses"]` has the loss of each with its own running statistics.

    Raises:
        ValueError: A bad extent or resolution, or ends that do not fit the objective's model.
        TypeError: One end is a model and the other is not.

    Example:
        >>> import torch
        >>> model = nn.Linear(1, 1, bias=False)
        >>> objective = Objective(model, (torch.ones(1, 1), torch.zeros(1, 1)), nn.functional.mse_loss)
        >>> a, b = {"weight": torch.tensor([[1.0]])}, {"weight": torch.tensor([[3.0]])}
        >>> interpolate(objective, a, b, (0, 1), 3, progress=False).loss.values
        array([1., 4., 9.])

    Source: Goodfellow et al. (2014), section 2; Li et al. (2018), section 3 and Figure 2.
    """
    if isinstance(start, nn.Module) != isinstance(end, nn.Module):
        raise TypeError("start, end: wants two models or two points, got one of each")
    between_models = isinstance(start, nn.Module)
    default = "interpolated" if between_models else _STATISTICS_OF[objective.batch_norm]
    batch_norm = default if batch_norm is None else batch_norm
    if batch_norm not in STATISTICS or (batch_norm == "interpolated" and not between_models):
        wanted = STATISTICS if between_models else ("frozen", "recalibrated")
        raise ValueError(f"batch_norm: got {batch_norm!r}, wants one of {', '.join(map(repr, wanted))}")
    points = [parameters_of(m) if between_models else m for m in (start, end)]
    buffers = [dict(m.named_buffers()) if between_models else {} for m in (start, end)]
    for name, point in zip(("start", "end"), points, strict=True):
        check_params(name, point, objective.origin)
    (axis,) = make_axes(extent, resolution, 1)
    attrs = _attrs(objective, "interpolation", [axis], points, buffers) | {"batch_norm": batch_norm}
    measurement = _Between(objective, points, buffers, batch_norm)
    if between_models:
        own = [measurement.objective.measure(*end, "frozen") for end in zip(points, buffers, strict=True)]
        attrs["end_losses"] = [values["loss"] for values in own]
    return sweep(measurement, {"alpha": axis}, attrs, store, n_jobs, progress)


_STATISTICS_OF = {"frozen": "frozen", "recalibrate": "recalibrated"}


class _Around:
    """Measures at origin + Σ coordinate · direction; with repeats, the first coordinate is which draw."""

    def __init__(
        self,
        objective: Objective,
        origin: Params,
        draws: Sequence[Sequence[Params]],
        axes: Sequence[Float[np.ndarray, "_"]],
        precision: str,
    ):
        if precision not in PRECISIONS:
            raise ValueError(f"precision: got {precision!r}, wants one of {', '.join(map(repr, PRECISIONS))}")
        self.names = objective.names
        self.affines = [Affine(origin, directions) for directions in draws]
        self.error = 0.0
        if precision == "full":
            self.engine = choose_engine(objective, self.affines[0])
        else:
            self.engine, self.error = bfloat16_engine(objective, self.affines, axes)

    def __call__(self, points: Float[np.ndarray, "points axes"]) -> Row:
        return measured_by(self.engine, self.affines, points)


class _Between:
    """Measures at (1 − α) · start + α · end."""

    def __init__(self, objective: Objective, ends: Sequence[Params], buffers: Sequence[Buffers], batch_norm: str):
        self.ends, self.buffers, self.batch_norm = ends, buffers, batch_norm
        recalibrated = batch_norm == "recalibrated"
        line = Affine(ends[0], [towards(*ends)])
        self.objective = objective if recalibrated else streamlined(objective, line).objective
        self.names = [*objective.names, "negative_variance"]

    def __call__(self, points: Float[np.ndarray, "points axes"]) -> Row:
        rows = [self._at(float(alpha)) for alpha in points[:, 0]]
        return {name: np.array([row[name] for row in rows]) for name in self.names}

    def _at(self, alpha: float) -> dict[str, float]:
        buffers = _mix(*self.buffers, alpha) if self.batch_norm == "interpolated" else None
        if any(name.endswith("running_var") and bool((b < 0).any()) for name, b in (buffers or {}).items()):
            return dict.fromkeys(self.objective.names, np.nan) | {"negative_variance": 1.0}
        policy = "recalibrate" if self.batch_norm == "recalibrated" else "frozen"
        return self.objective.measure(_mix(*self.ends, alpha), buffers, policy) | {"negative_variance": 0.0}


def _evaluate_around(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent,
    resolution: Resolution,
    origin: Params | None,
    repeats: int,
    precision: str,
    how: dict,
) -> xr.Dataset:
    origin = objective.origin if origin is None else origin
    check_frame(origin, directions, objective.origin)
    axes = make_axes(extent, resolution, len(directions))
    draws = _draws(directions, origin, repeats)
    measurement = _Around(objective, origin, draws, axes, precision)
    attrs = describe_around(objective, axes, origin, draws) | {
        "engine": measurement.engine.description,
        "precision": precision,
        "precision_error": measurement.error,
    }
    dims = dict(zip(_DIMS, axes, strict=False))
    if repeats == 1:
        return sweep(measurement, dims, attrs, **how)
    values = sweep(measurement, {"repeat": np.arange(repeats)} | dims, attrs, **how)
    return values.assign(loss_spread=values.loss.std("repeat", ddof=1))


def describe_around(
    objective: Objective, axes: Sequence[Float[np.ndarray, "_"]], origin: Params, draws: Sequence[Sequence[Params]]
) -> dict:
    """What determines the values on a line or plane, as a Dataset's `attrs` say it."""
    made = [getattr(direction, "made", {}) for direction in draws[0]]
    return _attrs(objective, "line" if len(axes) == 1 else "plane", axes, origin, draws) | {
        "normalization": _common(m.get("normalization", "unknown") for m in made),
        "seed": _common(m.get("seed", "none") for m in made),
        "directions": json.dumps(made),
        "relative_steps": _relative_steps(draws[0], origin),
        "origin_loss": (objective.origin_values if origin is objective.origin else objective(origin))["loss"],
    }


def _relative_steps(directions: Sequence[Params], origin: Params) -> list[float]:
    """The shortest and longest relative step of directions that are filter- or layer-normalized; else nothing."""
    methods = [getattr(direction, "made", {}).get("normalization") for direction in directions]
    if not set(methods) <= {"filter", "layer"}:
        return []
    steps = [relative_steps(d, origin, method) for d, method in zip(directions, methods, strict=True)]
    return [min(low for low, _ in steps), max(high for _, high in steps)]


def _draws(directions: Sequence[Params], origin: Params, repeats: int) -> list[list[Params]]:
    """The directions, and as many further draws of them as repeats ask for."""
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"repeats: got {repeats!r}, wants a whole number from 1 up")
    if repeats == 1:
        return [list(directions)]
    made = [getattr(direction, "made", {}) for direction in directions]
    if any(m.get("kind") != "random" or m.get("ignored") not in (None, "one-dimensional") for m in made):
        raise ValueError("repeats: only directions of random_directions without a function ignore= are drawn again")
    first, count = made[0], len(directions)
    drawn = random_directions(
        origin, first["draw"] + repeats * count, first["normalization"], first["seed"], first["ignored"]
    )
    more = [drawn[i : i + count] for i in range(first["draw"] + count, len(drawn), count)]
    if first.get("orthogonal"):
        more = [orthogonalized(group, origin) for group in more]
    return [list(directions), *more[: repeats - 1]]


def _attrs(objective: Objective, kind: str, axes: Sequence[Float[np.ndarray, "_"]], *geometry: object) -> dict:
    """What determines the values: the objective, the grid, and the points and directions it lies on."""
    return {
        "kind": kind,
        "extent": [float(end) for axis in axes for end in (axis[0], axis[-1])],
        "resolution": list(map(len, axes)),
        "samples": objective.samples,
        "batch_norm": objective.batch_norm,
        "objective": objective.fingerprint,
        "geometry": fingerprint(*geometry),
    }


def _mix(start: Params | Buffers, end: Params | Buffers, alpha: float) -> dict[str, Tensor]:
    """(1 − α) · start + α · end; buffers that are no floating point stay those of `start`."""
    return {
        name: (1 - alpha) * tensor + alpha * end[name] if tensor.is_floating_point() else tensor
        for name, tensor in start.items()
    }


def _common(values: Iterable) -> object:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else ", ".join(map(str, distinct))
