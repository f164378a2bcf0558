"""Directions in weight space: random, towards another point; and the angles between them."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from landscape_nb.normalization import Direction, Ignore, normalize_direction
from landscape_nb.parameters import Params, add, check_params, dot, norm, parameters_of, scale


def random_directions(
    model: nn.Module | Params,
    count: int = 2,
    normalize: str = "filter",
    seed: int = 0,
    ignore: Ignore = "one-dimensional",
) -> list[Direction]:
    """Gaussian directions, rescaled to the model's weights.

    Direction i depends on `seed` and i alone: asking for more leaves the first ones as they were.
    They are drawn by NumPy on the CPU, the same on every machine, and are not made orthogonal: in
    n dimensions the cosine of two of them is about √(2/(πn)) in size.

    Args:
        model: A model, or a point, whose parameters give shapes and scales. Frozen parameters
            (`requires_grad=False`) count like all others; `ignore` holds parameters still.
        count: How many.
        normalize: A method of `normalize_direction`.
        seed: Seed of the draw, from 0 up.
        ignore: What stays put, as in `normalize_direction`.

    Returns:
        `count` directions, each keyed like `model.named_parameters()`.

    Raises:
        ValueError: An unknown method, a negative seed or a count below 1.

    Example:
        >>> d1, d2 = random_directions(nn.Linear(3, 2), 2, seed=0)
        >>> d1["weight"].shape, d1.made["normalization"]
        (torch.Size([2, 3]), 'filter')

    Source: Li et al. (2018), section 4.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name}: got {value!r}, wants a whole number from {least} up")
    reference = parameters_of(model) if isinstance(model, nn.Module) else model
    streams = np.random.SeedSequence(int(seed)).spawn(count)
    drawn = [_gaussian(reference, np.random.default_rng(stream)) for stream in streams]
    made = [Direction(d, kind="random", seed=int(seed), draw=i) for i, d in enumerate(drawn)]
    return [normalize_direction(d, reference, normalize, ignore) for d in made]


def towards(start: Params, end: Params) -> Direction:
    """The direction that leads from one point to another: coordinate 1 is `end`.

    Args:
        start: The point at coordinate 0.
        end: The point at coordinate 1.

    Raises:
        ValueError: The points differ in keys or shapes, or hold NaN.

    Example:
        >>> towards({"w": torch.ones(1)}, {"w": torch.tensor([3.0])})["w"].item()
        2.0
    """
    check_params("start", start, start)
    check_params("end", end, start)
    return Direction(add(end, scale(start, -1)), kind="towards a point", normalization="none")


def cosines(directions: Sequence[Params]) -> Float[np.ndarray, "count count"]:
    """Cosines of the angles between directions, in float64.

    Args:
        directions: Directions of one weight space.

    Returns:
        A symmetric matrix with ones on its diagonal; NaN where a direction is zero.

    Example:
        >>> x, y = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}
        >>> cosines([x, y]).round(4)
        array([[1.    , 0.7071],
               [0.7071, 1.    ]])
    """
    lengths = np.array([norm(d) for d in directions])
    products = np.array([[dot(x, y) for y in directions] for x in directions])
    with np.errstate(invalid="ignore"):
        return products / np.outer(lengths, lengths)


def _gaussian(reference: Params, rng: np.random.Generator) -> Params:
    return {
        name: torch.from_numpy(rng.standard_normal(tuple(w.shape), np.float32)).to(w.device, w.dtype)
        for name, w in reference.items()
    }
