"""How an objective is measured at many points: one after the other, or many at once where that is faster."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb.objective import Objective
from landscape_nb.parameters import Affine, unflatten

_MOST_WEIGHTS = 100_000
_ENTRIES_AT_ONCE = 600_000
_TOLERANCE = 1e-4
_WITH_WEIGHTS_OF_THEIR_OWN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)
Row = dict[str, Float[np.ndarray, "points"]]


class Engine(Protocol):
    """Measures an objective at points of a line or plane; `description` says how."""

    description: str

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        ...


class OneByOne:
    """Measures point after point."""

    def __init__(self, objective: Objective, reason: str):
        self.objective = objective
        self.description = f"one point at a time ({reason})"

    def __call__(self, affine: Affine, places: Float[np.ndarray, "points axes"]) -> Row:
        """The values at points, each given by its coordinates."""
        rows = [self.objective.measure(affine(*place)) for place in places.tolist()]
        return {name: np.array([row[name] for row in rows]) for name in self.objective.names}


class ManyAtOnce:
    """Measures several points in one batched pass (`torch.vmap`): small nets are all overhead otherwise."""

    def __init__(self, objective: Objective):
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
    """The fastest engine that gives this objective's values, tried on two points near the centre.

    Args:
        objective: What is measured.
        affine: The line or plane.

    Returns:
        `ManyAtOnce` for small nets without convolutions or recurrence whose batched values agree with
        the plain ones to 10⁻⁴; else `OneByOne`. Its description gives the reason.

    Example:
        >>> from landscape_nb.directions import random_directions
        >>> model = nn.Linear(3, 2)
        >>> objective = Objective(model, (torch.randn(8, 3), torch.zeros(8, dtype=torch.long)))
        >>> choose_engine(objective, Affine(objective.origin, random_directions(model, 1))).description
        '37500 points at once (vmap)'
    """
    if reason := _reason_against_batching(objective):
        return OneByOne(objective, reason)
    plain, batched = OneByOne(objective, "the batched values differ"), ManyAtOnce(objective)
    places = np.array([[0.0] * len(affine.directions), [0.01] * len(affine.directions)])
    try:
        found = batched(affine, places)
    except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError) as error:
        return OneByOne(objective, f"vmap: {str(error).splitlines()[0]}")
    wanted = plain(affine, places)
    same = all(np.allclose(found[n], wanted[n], rtol=_TOLERANCE, atol=1e-7, equal_nan=True) for n in wanted)
    return batched if same else plain


def _reason_against_batching(objective: Objective) -> str | None:
    if objective.batch_norm != "frozen":
        return "batch norm is recalibrated"
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
