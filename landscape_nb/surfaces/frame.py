"""A line or a plane in weight space with the grid on it: checked once, and described once in a result's `attrs`."""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from landscape_nb._common import schema
from landscape_nb._common.checks import check_kind
from landscape_nb._common.compat import AnyBatchNorm
from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.weakly import weakly_cached
from landscape_nb.objective.objective import Objective
from landscape_nb.surfaces.grid import Axes, Extent, Resolution, make_axes
from landscape_nb.weights.directions import cosines
from landscape_nb.weights.normalization import made_of, relative_steps
from landscape_nb.weights.params import Affine, Params, check_directions, check_params, directions_of, norm


class Frame:
    """A line or a plane through weight space, and the coordinates at which an objective is measured on it.

    `Frame.plane` makes one of exactly two directions.

    Args:
        objective: What is measured.
        directions: One direction for a line, two for a plane, keyed like `objective.origin`.
        extent: The first and last coordinate, one pair for both axes or one pair each.
        resolution: The number of points along an axis, one for both or one each.
        origin: The point at coordinates 0; default the objective's.

    Attributes:
        axes: The coordinates along each direction, by dimension: `alpha`, `beta`.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: The origin or a direction does not fit the objective's model, or extent or resolution is bad.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> objective = Objective(model, (torch.ones(1, 1), torch.zeros(1, 1)), torch.nn.functional.mse_loss)
        >>> frame = Frame(objective, [{"weight": torch.ones(1, 1)}], (-1, 1), 3)
        >>> frame.axes
        {'alpha': array([-1.,  0.,  1.])}
        >>> frame.affine()(0.0)["weight"] == objective.origin["weight"]
        tensor([[True]])
    """

    def __init__(
        self,
        objective: Objective,
        directions: Sequence[Params],
        extent: Extent,
        resolution: Resolution,
        origin: Params | None = None,
    ):
        check_kind("objective", objective, Objective, "an Objective")
        self.objective = objective
        self.origin = objective.origin if origin is None else origin
        check_params("origin", self.origin, objective.origin)
        self.directions = list(check_directions(directions, objective.origin))
        count = len(self.directions)
        self.axes: Axes = dict(zip(schema.DIMS[:count], make_axes(extent, resolution, count), strict=True))

    @classmethod
    def plane(
        cls,
        objective: Objective,
        directions: object,
        extent: Extent,
        resolution: Resolution,
        origin: Params | None = None,
    ) -> "Frame":
        """A plane, which has two directions.

        Raises:
            TypeError: `directions` is not a sequence.
            ValueError: It has more or fewer than two.
        """
        return cls(objective, directions_of(directions, plane=True), extent, resolution, origin)

    def affine(self, directions: Sequence[Params] | None = None) -> Affine:
        """The map from coordinates to points; along other directions, if some are given."""
        return Affine(self.origin, self.directions if directions is None else directions, self.objective.origin)

    def describe(self, draws: Sequence[Sequence[Params]] | None = None) -> dict:
        """What determines the values on this line or plane, as a Dataset's `attrs` say it.

        Args:
            draws: All draws of the directions that are measured; default only the frame's own directions.
        """
        draws = [self.directions] if draws is None else draws
        made = list(map(made_of, self.directions))
        kind = "line" if len(self.axes) == 1 else "plane"
        return describe(self.objective, kind, self.axes, dict(self.origin), draws) | {
            schema.NORMALIZATION: _common(m.get(schema.NORMALIZATION, "unknown") for m in made),
            schema.SEED: _common(m.get(schema.SEED, "none") for m in made),
            schema.DIRECTIONS: json.dumps(made),
            schema.RELATIVE_STEPS: _relative_steps(self.directions, self.origin),
            schema.DIRECTION_NORMS: [norm(direction) for direction in self.directions],
            schema.DIRECTION_COSINE: _cosine(self.directions),
            schema.ORIGIN_LOSS: self._loss_at_origin(),
        }

    def _loss_at_origin(self) -> float:
        own = self.origin is self.objective.origin
        return (origin_values(self.objective) if own else self.objective(self.origin))["loss"]


def describe(objective: Objective, kind: str, axes: Axes, *geometry: object) -> dict:
    """What determines measured values: the objective, the grid, and what that lies on.

    Args:
        objective: What is measured.
        kind: What the result is called, such as `'line'`.
        axes: The coordinates of the grid, by dimension.
        geometry: The points and directions that the grid lies on; of them only a fingerprint is kept.
    """
    return {
        schema.KIND: kind,
        "extent": [float(end) for axis in axes.values() for end in (axis[0], axis[-1])],
        "resolution": list(map(len, axes.values())),
        schema.SAMPLES: objective.samples,
        schema.REDUCTION: objective.reductions["loss"],
        "metric_reductions": [objective.reductions[name] for name in objective.evaluator.metrics if name != "loss"],
        schema.BATCH_NORM: objective.batch_norm,
        "draws": objective.draws,
        "remarks": "; ".join(objective.remarks),
        schema.BATCH_NORM_LAYERS: sum(isinstance(module, AnyBatchNorm) for module in objective.model.modules()),
        schema.OBJECTIVE: objective.fingerprint,
        "geometry": fingerprint(*geometry),
    }


@weakly_cached
def origin_values(objective: Objective) -> dict[str, float]:
    """What an objective gives at its origin; measured once, then kept."""
    return objective.measure()


def _relative_steps(directions: Sequence[Params], origin: Params) -> list[float]:
    """The shortest and longest relative step of directions that are filter- or layer-normalized; else nothing."""
    methods = [made_of(direction).get(schema.NORMALIZATION) for direction in directions]
    if not set(methods) <= {"filter", "layer"}:
        return []
    steps = [relative_steps(d, origin, str(method)) for d, method in zip(directions, methods, strict=True)]
    return [min(low for low, _ in steps), max(high for _, high in steps)]


def _cosine(directions: Sequence[Params]) -> list[float]:
    """The cosine of the angle between two directions; nothing for a line, or where one is zero."""
    return [float(c) for c in cosines(directions)[0, 1:] if np.isfinite(c)]


def _common(values: Iterable) -> object:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else ", ".join(map(str, distinct))
