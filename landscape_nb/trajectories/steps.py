"""The steps of a training run, compared with the gradient of the whole loss."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

from landscape_nb._common.checks import check_kind
from landscape_nb._common.provenance import versions
from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import EPOCH, KIND, LR_DROPS
from landscape_nb.objective.forward import Buffers
from landscape_nb.objective.gradient import gradient_at
from landscape_nb.objective.objective import Objective
from landscape_nb.trajectories.difference_rows import Points, Rows, own_buffers, points_of
from landscape_nb.trajectories.trajectory import Trajectory
from landscape_nb.weights.params import scale


def step_cosines(trajectory: Points, objective: Objective) -> xr.Dataset:
    """How well each step of a training run follows the negative gradient of the loss where the step begins.

    A step leads from one recorded point to the next; it may be the sum of many updates. A cosine of 1 means straight
    down the gradient, 0 at a right angle to it (along a contour of the loss), -1 straight up. The gradient is that
    of the loss alone, without a penalty on the weights, with batch norm's statistics held constant.

    Args:
        trajectory: A run, or points, as in `pca_directions`. A run, and points that are whole state dicts, are
            measured with their own buffers (batch norm's running statistics), unless the objective recalibrates
            them; other points with the objective's.
        objective: Its loss is differentiated, over all its data.

    Returns:
        Over the dimension `epoch`, which says where the step begins (the points' numbers, if they are not a run):
        `cosine`, of the angle between the step and the negative gradient, NaN where one of them is zero or not
        finite; and `length`, the step's norm.

    Raises:
        ValueError: Fewer than two points, or points that do not fit the objective's model.
        TypeError: `objective` is not an `Objective`, or `trajectory` is neither a run nor a sequence.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (2 * torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> points = [{"weight": torch.tensor([w])} for w in ([2.0, 0.0], [1.0, 0.0], [0.0, 1.0])]
        >>> found = step_cosines(points, objective)
        >>> found.cosine.values.round(2), found.length.values.round(2)
        (array([1.  , 0.71]), array([1.  , 1.41]))

    Source: Li et al. (2018), section 7, says it of the paths in their planes.
    """
    check_kind("objective", objective, Objective, "an Objective")
    points = points_of("trajectory", trajectory)
    if len(points) < 2:
        raise ValueError(f"trajectory: got {len(points)} point(s), wants two or more")
    with torch.inference_mode(False):  # inside a caller's own, no gradient could be computed
        rows = Rows("trajectory", points, scale(objective.origin, 0))
        buffers = own_buffers(objective, trajectory)
        found = np.array([_compared(rows, i, objective, buffers) for i in range(len(rows) - 1)])
    epochs, attrs = list(range(len(points))), {KIND: "steps", "versions": versions()}
    if isinstance(trajectory, Trajectory):
        epochs, attrs = trajectory.epochs, attrs | {LR_DROPS: trajectory.lr_drops}
    values = {name: (EPOCH, column) for name, column in zip(("cosine", "length"), found.T, strict=True)}
    return xr.Dataset(values, {EPOCH: epochs[:-1]}, attrs)


def _compared(
    rows: Rows, number: int, objective: Objective, buffers_at: Callable[[int], Buffers]
) -> tuple[float, float]:
    """The cosine between a step and the negative gradient where it begins, and the step's length."""
    step = rows[number + 1].double() - rows[number].double()
    point, buffers = rows.params(rows[number]), buffers_at(number)
    with torch.no_grad(), preserved_rng():
        state = objective.evaluator.state(point, buffers)
    with torch.enable_grad():
        gradient = gradient_at(objective.evaluator, point, {name: state[name] for name in buffers}).cpu().double()
    length = float(step.norm())
    cosine = -(step @ gradient) / (length * gradient.norm())
    return float(cosine.clamp(-1, 1)), length
