"""Values of an objective on the straight line between two points or two trained networks."""

from collections.abc import Sequence
from os import PathLike

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.schema import ALPHA, BATCH_NORM, END_LOSSES, ENGINE, INTERPOLATION, NEGATIVE_VARIANCE, Values
from landscape_nb.engines import OneByOne, one_by_one, plain_engine, wants_plain
from landscape_nb.objective.forward import Buffers
from landscape_nb.objective.objective import Objective
from landscape_nb.surfaces.frame import describe
from landscape_nb.surfaces.grid import Extent, Resolution, make_axes
from landscape_nb.surfaces.sweep import sweep
from landscape_nb.weights.directions import towards
from landscape_nb.weights.params import Affine, Params, check_params, parameters_of

STATISTICS = ("frozen", "interpolated", "recalibrated")
_RUNNING = ("running_mean", "running_var")
_STATISTICS_OF = {"frozen": "frozen", "recalibrate": "recalibrated"}


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
    engine: str = "auto",
) -> xr.Dataset:
    """Measure an objective on the straight line through two points: at (1 − α) · start + α · end.

    Between two models, batch norm's running statistics are interpolated with the weights, as the paper does. Beyond
    either end a running variance can then become negative, by more than batch norm adds to it (`eps`): such a network
    does not exist, its values are NaN, and `negative_variance` is 1 there. Recalibrated statistics, found from the
    data at each point (REPAIR), exist everywhere.

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
        engine: `'auto'`, the fastest way that is seen to give the same values, or `'plain'`, calls of the model.

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
    check_kind("objective", objective, Objective, "an Objective")
    if isinstance(start, nn.Module) != isinstance(end, nn.Module):
        raise TypeError("start, end: wants two models or two points, got one of each")
    between_models = isinstance(start, nn.Module)
    default = "interpolated" if between_models else _STATISTICS_OF[objective.batch_norm]
    batch_norm = default if batch_norm is None else batch_norm
    check_choice("batch_norm", batch_norm, STATISTICS if between_models else _STATISTICS_OF.values())
    points = [dict(parameters_of(m)) if isinstance(m, nn.Module) else m for m in (start, end)]
    buffers: list[Buffers] = [dict(m.named_buffers()) if isinstance(m, nn.Module) else {} for m in (start, end)]
    for name, point in zip(("start", "end"), points, strict=True):
        check_params(name, point, objective.origin)
    (axis,) = make_axes(extent, resolution, 1)
    axes = {ALPHA: axis}
    attrs = describe(objective, INTERPOLATION, axes, points, buffers) | {BATCH_NORM: batch_norm}
    measurement = _Between(objective, points, buffers, batch_norm, engine)
    attrs[ENGINE] = measurement.engine
    if between_models:
        own = [measurement.evaluator.measure(*end, "frozen") for end in zip(points, buffers, strict=True)]
        attrs[END_LOSSES] = [values["loss"] for values in own]
    return sweep(measurement, axes, attrs, store, n_jobs, progress)


class _Between:
    """Measures at (1 − α) · start + α · end."""

    def __init__(
        self,
        objective: Objective,
        ends: Sequence[Params],
        buffers: Sequence[Buffers],
        batch_norm: str,
        engine: str,
    ):
        self.ends, self.buffers, self.batch_norm = ends, buffers, batch_norm
        modules = {f"{name}.running_var".lstrip("."): module for name, module in objective.model.named_modules()}
        self.added = {name: vars(module).get("eps", 0.0) for name, module in modules.items()}
        chosen = self._chosen(objective, engine)
        self.evaluator, self.engine = chosen.evaluator, str(chosen.description)
        self.names = [*objective.names, NEGATIVE_VARIANCE]

    def _chosen(self, objective: Objective, engine: str) -> OneByOne:
        if self.batch_norm == "recalibrated" and not wants_plain(engine):
            return plain_engine(objective, "batch norm is recalibrated")
        start, end = self.ends
        return one_by_one(objective, Affine(start, [towards(start, end)]), engine=engine)

    def __call__(self, points: Float[np.ndarray, "points axes"]) -> Values:
        found = [self._at(float(alpha)) for alpha in points[:, 0]]
        return {name: np.array([values[name] for values in found]) for name in self.names}

    def _buffers(self, alpha: float) -> Buffers | None:
        if self.batch_norm != "interpolated":
            return None
        start, end = self.buffers
        return _mix_statistics(start, end, alpha)

    def _at(self, alpha: float) -> dict[str, float]:
        buffers = self._buffers(alpha)
        variances = {name: buffer for name, buffer in (buffers or {}).items() if name.endswith("running_var")}
        if any(bool((variance + self.added[name] <= 0).any()) for name, variance in variances.items()):
            return dict.fromkeys(self.evaluator.names, np.nan) | {NEGATIVE_VARIANCE: 1.0}
        policy = "recalibrate" if self.batch_norm == "recalibrated" else "frozen"
        start, end = self.ends
        return self.evaluator.measure(_mix(start, end, alpha), buffers, policy) | {NEGATIVE_VARIANCE: 0.0}


def _mix_statistics(start: Buffers, end: Buffers, alpha: float) -> Buffers:
    """Running statistics between those of two models; other buffers are the nearer model's."""
    mixed = {name: tensor for name, tensor in start.items() if name.endswith(_RUNNING)}
    return {**(start if alpha < 0.5 else end), **_mix(mixed, end, alpha)}


def _mix(start: Params | Buffers, end: Params | Buffers, alpha: float) -> dict[str, Tensor]:
    """(1 − α) · start + α · end."""
    return {name: (1 - alpha) * tensor + alpha * end[name] for name, tensor in start.items()}
