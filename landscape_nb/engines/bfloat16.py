"""The network in bfloat16, where that is asked for and draws the same picture."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from landscape_nb._common.compat import tree_map
from landscape_nb.engines.choose import one_by_one
from landscape_nb.engines.points import OneByOne
from landscape_nb.objective.batches import Batches
from landscape_nb.objective.forward import Buffers, State, Wrapper
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.params import Affine, Params

TOLERANCE = 0.02


class Bfloat16(Wrapper):
    """A forward pass in bfloat16; loss and metrics are computed from its outputs in float32.

    Args:
        exact: The same in full precision, of pairs of tensors.

    Example:
        >>> import torch
        >>> from landscape_nb.objective.forward import Plain
        >>> exact = Plain(torch.nn.Linear(2, 2))
        >>> halved, batch = Bfloat16(exact), (torch.randn(8, 2), None)
        >>> exact_outputs, outputs = (each.outputs(each.state(), batch) for each in (exact, halved))
        >>> outputs.dtype, bool((outputs - exact_outputs).abs().max() < 0.1)
        (torch.float32, True)
    """

    def state(
        self, params: Params | None = None, buffers: Buffers | None = None, recalibrated_on: Batches | None = None
    ) -> State:
        """Parameters and buffers at a point."""
        return {name: _halved(tensor) for name, tensor in self.inner.state(params, buffers, recalibrated_on).items()}

    def states_along(self, affine: Affine, recalibrated_on: Batches | None = None) -> Callable[..., State]:
        """A function that makes the state at a point of a line or plane from its coordinates."""
        return lambda *coords, scratch: self.state(affine(*coords), recalibrated_on=recalibrated_on)

    def outputs(self, state: State, batch: tuple[Tensor, Tensor]) -> Any:
        """The model's outputs for a batch."""
        return tree_map(_whole, self.inner.outputs(state, (_halved(batch[0]), batch[1])))

    def fitted_to(self, batches: Iterable[Any]) -> "Bfloat16":
        """The same for batches of other shapes."""
        return Bfloat16(self.inner.fitted_to(batches))


def _halved(tensor: Tensor) -> Tensor:
    return tensor.bfloat16() if tensor.is_floating_point() else tensor


def _whole(part: Any) -> Any:
    return part.float() if isinstance(part, Tensor) and part.is_floating_point() else part


def bfloat16_engine(
    objective: Objective, affines: Sequence[Affine], axes: Sequence[Float[np.ndarray, "_"]], engine: str = "auto"
) -> tuple[OneByOne, float]:
    """An engine that measures in bfloat16, and how far its loss is from the full precision's on some of the points.

    Args:
        objective: What is measured.
        affines: The lines or planes that are to be measured.
        axes: The coordinates along each direction. The sample of a line is its ends, its middle and its
            quarters; that of a plane, the nine points at the ends and middles of both axes.
        engine: As in `choose_engine`.

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
        >>> str(engine.description), error < 0.02
        ('one point at a time, in bfloat16 (no convolutions)', True)
    """
    if not objective.evaluator.reads_pairs:
        raise ValueError("precision: 'bfloat16' needs batches that are pairs of tensors, without forward=")
    exact = one_by_one(objective, affines[0], tiles=False, engine=engine)
    halved = replace(exact.evaluator, forward=Bfloat16(exact.evaluator.forward))
    in_bfloat16 = OneByOne(halved, replace(exact.description, bfloat16=True))
    parts = 4 if len(axes) == 1 else 2
    coords = np.array(list(product(*(axis[np.linspace(0, len(axis) - 1, parts + 1).astype(int)] for axis in axes))))
    worst = 0.0
    for affine in affines:
        wanted, found = exact(affine, coords)["loss"], in_bfloat16(affine, coords)["loss"]
        with np.errstate(invalid="ignore"):
            errors = np.where(found == wanted, 0, np.abs(found - wanted) / np.abs(wanted))
        errors = np.where(np.isnan(found) & np.isnan(wanted), 0, np.nan_to_num(errors, nan=np.inf, posinf=np.inf))
        at = int(errors.argmax())
        if errors[at] > TOLERANCE:
            raise ValueError(
                f"precision: bfloat16 gives a loss of {found[at]:.4g} instead of {wanted[at]:.4g} at "
                f"{tuple(coords[at].tolist())}; at most {TOLERANCE:.0%} is tolerated, use 'full'"
            )
        worst = max(worst, float(errors[at]))
    return in_bfloat16, worst
