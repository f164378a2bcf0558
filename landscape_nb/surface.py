"""Values of an objective on a line, on a plane and between two minima, as `xarray.Dataset`s."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from landscape_nb.objective import Buffers, Objective
from landscape_nb.parameters import Affine, Params, check_params, parameters_of
from landscape_nb.provenance import versions

Extent = tuple[float, float] | Sequence[tuple[float, float]]
Resolution = int | Sequence[int]
_DIMS = ("alpha", "beta")


def evaluate_line(
    objective: Objective,
    direction: Params,
    extent: Extent = (-1, 1),
    resolution: Resolution = 51,
    origin: Params | None = None,
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
        progress: Whether to show a progress bar.

    Returns:
        `loss` and every metric over the dimension `alpha`, and how they were made in `attrs`.

    Raises:
        ValueError: A bad extent or resolution, or a direction that does not fit the model.

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
    return _evaluate_around(objective, [direction], extent, resolution, origin, progress)


def evaluate_plane(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent = (-1, 1),
    resolution: Resolution = 51,
    origin: Params | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Measure an objective on a plane: at origin + α · directions[0] + β · directions[1].

    Args:
        objective: What is measured.
        directions: Two directions, keyed like `objective.origin`.
        extent: The first and last coordinate, one pair for both axes or one pair each.
        resolution: The number of points along an axis, one for both or one each.
        origin: The point at (0, 0); default the objective's.
        progress: Whether to show a progress bar.

    Returns:
        `loss` and every metric over the dimensions `alpha` and `beta`, in this order, and how they
        were made in `attrs`. `plane.loss.sel(alpha=a, beta=b)` is the loss at that point exactly.

    Raises:
        ValueError: A bad extent or resolution, or directions that are not two or do not fit the model.

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
    return _evaluate_around(objective, directions, extent, resolution, origin, progress)


def interpolate(
    objective: Objective,
    start: Params | nn.Module,
    end: Params | nn.Module,
    extent: Extent = (-0.5, 1.5),
    resolution: Resolution = 81,
    progress: bool = True,
) -> xr.Dataset:
    """Measure an objective on the straight line through two points: at (1 − α) · start + α · end.

    Between two models, buffers of floating point (batch norm's running statistics) are interpolated
    with the weights, as the paper does. Beyond either end a running variance can become negative:
    such a network does not exist, it is not evaluated, and `negative_variance` is True there.
    Between two points (dicts), the objective's own buffers are used everywhere.

    Args:
        objective: What is measured.
        start: The model or point at α = 0.
        end: The model or point at α = 1.
        extent: The first and the last α.
        resolution: The number of points, from 2 up.
        progress: Whether to show a progress bar.

    Returns:
        `loss`, every metric and `negative_variance` over the dimension `alpha`.

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
    ends = [parameters_of(m) if between_models else m for m in (start, end)]
    ends_buffers = [dict(m.named_buffers()) if between_models else {} for m in (start, end)]
    for name, point in zip(("start", "end"), ends, strict=True):
        check_params(name, point, objective.origin)
    (axis,) = _axes(extent, resolution, 1)

    def measure(alpha: float) -> dict[str, float]:
        buffers = _between(*ends_buffers, alpha) if between_models else None
        negative = any(name.endswith("running_var") and bool((b < 0).any()) for name, b in (buffers or {}).items())
        if negative:
            return dict.fromkeys(objective.measures, np.nan) | {"negative_variance": True}
        return objective(_between(*ends, alpha), buffers) | {"negative_variance": False}

    statistics = "interpolated" if between_models and objective.batch_norm == "frozen" else objective.batch_norm
    made = {"kind": "interpolation", "batch_norm": statistics}
    return _sweep(objective, measure, [axis], made, progress)


def _evaluate_around(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent,
    resolution: Resolution,
    origin: Params | None,
    progress: bool,
) -> xr.Dataset:
    origin = objective.origin if origin is None else origin
    check_params("origin", origin, objective.origin)
    for number, direction in enumerate(directions):
        check_params(f"directions[{number}]", direction, origin)
    axes = _axes(extent, resolution, len(directions))

    point = Affine(origin, directions)

    def measure(*coordinates: float) -> dict[str, float]:
        return objective(point(*coordinates))

    made = [getattr(direction, "made", {}) for direction in directions]
    attrs = {
        "kind": "line" if len(directions) == 1 else "plane",
        "normalization": _common(m.get("normalization", "unknown") for m in made),
        "seed": _common(m.get("seed", "none") for m in made),
        "directions": json.dumps(made),
        "origin_loss": objective(origin)["loss"],
    }
    return _sweep(objective, measure, axes, attrs, progress)


def _sweep(
    objective: Objective,
    measure: Callable[..., dict[str, float]],
    axes: Sequence[Float[np.ndarray, "_"]],
    attrs: dict,
    progress: bool,
) -> xr.Dataset:
    """Call `measure` at every point of the grid and lay the values out."""
    began = time.perf_counter()
    shape = tuple(map(len, axes))
    points = tqdm(product(*axes), "Measuring", np.prod(shape), leave=False, disable=not progress)
    rows = [measure(*map(float, point)) for point in points]
    values = {name: (_DIMS[: len(axes)], np.reshape([row[name] for row in rows], shape)) for name in rows[0]}
    provenance = {
        "extent": [float(end) for axis in axes for end in (axis[0], axis[-1])],
        "resolution": list(shape),
        "samples": objective.samples,
        "batch_norm": objective.batch_norm,
        "objective": objective.fingerprint,
        "versions": versions(),
        "wall_time": round(time.perf_counter() - began, 3),
    }
    return xr.Dataset(values, dict(zip(_DIMS, axes, strict=False)), provenance | attrs)


def _axes(extent: Extent, resolution: Resolution, count: int) -> list[Float[np.ndarray, "_"]]:
    """Coordinates of each axis, with an exact 0 where rounding would miss it."""
    extents = _per_axis("extent", extent, count, is_single=lambda e: len(e) == 2 and not np.iterable(e[0]))
    resolutions = _per_axis("resolution", resolution, count, is_single=lambda r: not np.iterable(r))
    axes = []
    for pair, points in zip(extents, resolutions, strict=True):
        if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 2:
            raise ValueError(f"resolution: got {points!r}, wants a whole number from 2 up")
        low, high = _pair(pair)
        axis = np.linspace(low, high, points)
        axes.append(np.where(np.abs(axis) < 1e-9 * (high - low) / points, 0.0, axis))
    return axes


def _per_axis(name: str, value: object, count: int, is_single: Callable[..., bool]) -> list:
    try:
        values = [value] * count if is_single(value) else list(value)
    except TypeError:
        raise ValueError(f"{name}: got {value!r}, wants one for all axes or one an axis") from None
    if len(values) != count:
        raise ValueError(f"{name}: got {len(values)} of them for {count} axes")
    return values


def _pair(extent: object) -> tuple[float, float]:
    try:
        low, high = map(float, extent)
    except (TypeError, ValueError):
        raise ValueError(f"extent: got {extent!r}, wants two numbers (low, high)") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"extent: got ({low:g}, {high:g}), wants finite low < high")
    return low, high


def _between(start: Params | Buffers, end: Params | Buffers, alpha: float) -> dict[str, Tensor]:
    """(1 − α) · start + α · end; buffers that are no floating point stay those of `start`."""
    return {
        name: (1 - alpha) * tensor + alpha * end[name] if tensor.is_floating_point() else tensor
        for name, tensor in start.items()
    }


def _common(values: Iterable) -> object:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else ", ".join(map(str, distinct))
