"""Values of an objective on a line and on a plane, as `xarray.Dataset`s."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from landscape_nb._common.checks import check_choice
from landscape_nb._common.schema import ENGINE, LOSS_SPREAD, PRECISION_ERROR, PRECISIONS, REPEAT, Values
from landscape_nb.engines import bfloat16_engine, choose_engine, measured_by
from landscape_nb.objective.objective import Objective
from landscape_nb.surfaces.frame import Frame
from landscape_nb.surfaces.grid import Extent, Resolution
from landscape_nb.surfaces.sweep import sweep
from landscape_nb.weights.directions import redrawn
from landscape_nb.weights.params import Params


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
    engine: str = "auto",
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
        engine: `'auto'`, the fastest way that is seen to give the same values, or `'plain'`, calls of the model.

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
        >>> from torch import nn
        >>> model = nn.Linear(1, 1, bias=False)
        >>> objective = Objective(model, (torch.ones(1, 1), torch.zeros(1, 1)), nn.functional.mse_loss)
        >>> zero, one = {"weight": torch.zeros(1, 1)}, {"weight": torch.ones(1, 1)}
        >>> line = evaluate_line(objective, one, (-2, 2), 5, origin=zero, progress=False)
        >>> line.loss.values
        array([4., 1., 0., 1., 4.])

    Source: Goodfellow et al. (2014), section 2; Li et al. (2018), section 3.
    """
    frame = Frame(objective, [direction], extent, resolution, origin)
    return _evaluate(frame, repeats, precision, engine, store=store, n_jobs=n_jobs, progress=progress)


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
    engine: str = "auto",
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
        engine: `'auto'`, the fastest way that is seen to give the same values, or `'plain'`, calls of the model.

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
        >>> from torch import nn
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
    frame = Frame.plane(objective, directions, extent, resolution, origin)
    return _evaluate(frame, repeats, precision, engine, store=store, n_jobs=n_jobs, progress=progress)


class _Around:
    """Measures at origin + Σ coordinate · direction; with repeats, the first coordinate is the number of the draw."""

    def __init__(self, frame: Frame, draws: Sequence[Sequence[Params]], precision: str, engine: str):
        check_choice("precision", precision, PRECISIONS)
        self.names = frame.objective.names
        self.affines = [frame.affine(directions) for directions in draws]
        self.error = 0.0
        if precision == "full":
            self.engine = choose_engine(frame.objective, self.affines[0], engine)
        else:
            axes = list(frame.axes.values())
            self.engine, self.error = bfloat16_engine(frame.objective, self.affines, axes, engine)

    def __call__(self, points: Float[np.ndarray, "points axes"]) -> Values:
        return measured_by(self.engine, self.affines, points)


def _evaluate(frame: Frame, repeats: int, precision: str, engine: str, **how: Any) -> xr.Dataset:
    """Measure on a line or plane; `how` has the other arguments of `sweep`."""
    draws = redrawn(frame.directions, frame.origin, repeats)
    measurement = _Around(frame, draws, precision, engine)
    attrs = frame.describe(draws) | {
        ENGINE: str(measurement.engine.description),
        "precision": precision,
        PRECISION_ERROR: measurement.error,
    }
    if repeats == 1:
        return sweep(measurement, frame.axes, attrs, **how)
    values = sweep(measurement, {REPEAT: np.arange(repeats), **frame.axes}, attrs, **how)
    return values.assign({LOSS_SPREAD: values.loss.std(REPEAT, ddof=1)})
