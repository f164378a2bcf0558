"""Half the digits where they are asked for, and only where they draw the same picture."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.utils._pytree import tree_map

from landscape_nb.engines.choose import BLOCKS, OneByOne, streamlined
from landscape_nb.objective.batches import is_pair
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.params import Affine

PRECISIONS = ("full", "bfloat16")
TOLERANCE = 0.02


class Bfloat16(Objective):
    """An objective whose network computes in bfloat16; its loss and metrics are computed in float32.

    Args:
        objective: What is measured, on pairs of tensors.

    Raises:
        ValueError: Batches that are no pairs of tensors.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 2)
        >>> objective = Objective(model, (torch.randn(8, 2), torch.zeros(8, dtype=torch.long)))
        >>> abs(Bfloat16(objective)()["loss"] - objective()["loss"]) < 0.02
        True
    """

    def __init__(self, objective: Objective):
        batches = [batch for group in objective.groups.values() for batch in group.batches]
        if objective.forward or not all(is_pair(b) and isinstance(b[0], Tensor) for b in batches):
            raise ValueError("precision: 'bfloat16' needs batches that are pairs of tensors, without forward=")
        self.__dict__.update(objective.__dict__)
        self.exact = objective

    def state(self, *args, **kwargs) -> dict[str, Tensor]:
        """Parameters and buffers at a point."""
        return {name: _halved(tensor) for name, tensor in self.exact.state(*args, **kwargs).items()}

    def outputs(self, state: Mapping[str, Tensor], batch: tuple[Tensor, Tensor]) -> Any:
        """The model's outputs for a batch."""
        return tree_map(_whole, self.exact.outputs(state, (_halved(batch[0]), batch[1])))


def _halved(tensor: Tensor) -> Tensor:
    return tensor.bfloat16() if tensor.is_floating_point() else tensor


def _whole(part: Any) -> Any:
    return part.float() if isinstance(part, Tensor) and part.is_floating_point() else part


def bfloat16_engine(
    objective: Objective, affines: Sequence[Affine], axes: Sequence[Float[np.ndarray, "_"]]
) -> tuple[OneByOne, float]:
    """What measures in bfloat16, and how far its loss is from the full precision's on a sample of the points.

    Args:
        objective: What is measured.
        affines: The lines or planes that are to be measured.
        axes: The coordinates along each direction. The sample is the ends, the middle and the quarters
            of a line; of a plane, the nine points that the ends and the middles make.

    Returns:
        The engine, and the largest relative error of a finite loss in the sample.

    Raises:
        ValueError: The error is above `TOLERANCE`, or a loss is finite in one precision only.

    Example:
        >>> from landscape_nb.weights.directions import random_directions
        >>> import torch
        >>> model = torch.nn.Linear(2, 2)
        >>> objective = Objective(model, (torch.randn(8, 2), torch.zeros(8, dtype=torch.long)))
        >>> affine = Affine(objective.origin, random_directions(model, 1))
        >>> engine, error = bfloat16_engine(objective, [affine], [np.linspace(-1, 1, 5)])
        >>> engine.description, error < 0.02
        ('one point at a time, in bfloat16', True)
    """
    exact = streamlined(objective, affines[0], tiles=False)
    how = exact.description.replace(BLOCKS, "")
    engine = OneByOne(Bfloat16(exact.objective), f"{how}, in bfloat16")
    parts = 4 if len(axes) == 1 else 2
    places = np.array(list(product(*(axis[np.linspace(0, len(axis) - 1, parts + 1).astype(int)] for axis in axes))))
    worst = 0.0
    for affine in affines:
        wanted, found = exact(affine, places)["loss"], engine(affine, places)["loss"]
        with np.errstate(invalid="ignore"):
            errors = np.where(found == wanted, 0, np.abs(found - wanted) / np.abs(wanted))
        errors = np.where(np.isnan(found) & np.isnan(wanted), 0, np.nan_to_num(errors, nan=np.inf, posinf=np.inf))
        at = int(errors.argmax())
        if errors[at] > TOLERANCE:
            raise ValueError(
                f"precision: bfloat16 gives a loss of {found[at]:.4g} instead of {wanted[at]:.4g} at "
                f"{tuple(places[at].tolist())}; at most {TOLERANCE:.0%} is tolerated, use 'full'"
            )
        worst = max(worst, float(errors[at]))
    return engine, worst
