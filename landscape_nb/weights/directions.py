"""Directions in weight space: random, towards another point; and the angles between them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from landscape_nb._common.checks import check_choice, check_kind, check_whole
from landscape_nb._common.schema import IGNORED, KIND, NORMALIZATION, RANDOM, SEED
from landscape_nb.weights.filters import FilterDim, carrying, filters_of, joined_filter_fields
from landscape_nb.weights.normalization import (
    METHODS,
    Direction,
    Ignore,
    as_params,
    check_ignore,
    is_ignored,
    made_of,
    normalized_direction,
    warn_of_computed,
)
from landscape_nb.weights.params import (
    Params,
    add,
    check_fits,
    check_params,
    check_tensors,
    directions_of,
    dot,
    norm,
    scale,
)

_MOST_ROUNDS = 50
_MOST_DIRECTIONS = 10**6
_ORTHOGONAL = 1e-6


def random_directions(
    model: nn.Module | Params,
    count: int = 2,
    normalize: str = "filter",
    seed: int = 0,
    ignore: Ignore = "one-dimensional",
    orthogonal: bool = False,
    filter_dim: FilterDim | None = None,
) -> list[Direction]:
    """Gaussian directions, rescaled to the model's weights.

    Direction i depends on `seed` and i alone: asking for more leaves the first ones as they were.
    NumPy draws them on the CPU, the same on every machine. They are made orthogonal only on request: in n
    dimensions the cosine of two of them is about √(2/(πn)) in size anyway.

    Args:
        model: A model, or a point, whose parameters give shapes and scales. Frozen parameters
            (`requires_grad=False`) count like all others; `ignore` holds parameters still.
        count: How many, up to a million.
        normalize: A method of `normalize_direction`.
        seed: Seed of the draw, from 0 up.
        ignore: Which tensors do not move, as in `normalize_direction`.
        orthogonal: Make each direction orthogonal to those before it, as `orthogonalized` does.
        filter_dim: Along which dimension the filters of some parameters lie, as in `parameters_of`; torch's own
            layers and Hugging Face's `Conv1D` are known.

    Returns:
        `count` directions, each keyed like `model.named_parameters()`.

    Warns:
        UserWarning: A weight is computed from other parameters, as in `normalize_direction`.

    Raises:
        TypeError: `model` is neither a model nor a dict of tensors.
        ValueError: An unknown method, a negative seed, a count below 1, a model in which `ignore` leaves nothing to
            move, or directions that cannot be made orthogonal.

    Example:
        >>> d1, d2 = random_directions(nn.Linear(3, 2), 2, seed=0)
        >>> d1["weight"].shape, d1.made["normalization"]
        (torch.Size([2, 3]), 'filter')

    Source: Li et al. (2018), section 4.
    """
    check_choice("normalize", normalize, METHODS)
    check_ignore(ignore)
    check_kind("orthogonal", orthogonal, bool, "True or False")
    reference = as_params("model", model, filter_dim)
    directions = _drawn(reference, count, normalize, seed, ignore)
    warn_of_computed(directions[0])
    return orthogonalized(directions, reference) if orthogonal else directions


def _drawn(reference: Params, count: int, normalize: str, seed: int, ignore: Ignore) -> list[Direction]:
    count, seed = check_whole("count", count, 1, _MOST_DIRECTIONS), check_whole("seed", seed, 0)
    if not reference:
        raise ValueError("model: it has no parameters")
    filters = filters_of(reference)
    if ignore == "one-dimensional" and all(is_ignored(n, t, ignore, filters[n]) for n, t in reference.items()):
        raise ValueError("ignore: it leaves no parameter to move; with ignore=None those of one dimension move, too")
    streams = np.random.SeedSequence(seed).spawn(count)
    drawn = [_gaussian(reference, np.random.default_rng(stream)) for stream in streams]
    made = [Direction(d, **{KIND: RANDOM, SEED: seed}, draw=i) for i, d in enumerate(drawn)]
    return [normalized_direction(d, reference, normalize, ignore) for d in made]


def orthogonalized(directions: Sequence[Direction], reference: Params | nn.Module) -> list[Direction]:
    """Make each direction orthogonal to those before it, without undoing its normalization.

    Two steps alternate until the cosines are below 10⁻⁶: the projection on the earlier directions is
    subtracted, and filters (or whatever the method scales) are rescaled. Directions normalized by `'weight'` or
    `'none'` are not rescaled: for them one subtraction is enough.

    Args:
        directions: Directions with the same normalization; the first stays as it is.
        reference: The point that they are normalized to, or a model.

    Returns:
        The directions, as many, the first unchanged; the others are marked as `orthogonal` in `made`.

    Raises:
        TypeError: One is not a `Direction`, so that its normalization is not known.
        ValueError: There are none, or they cannot be made orthogonal: they are linearly dependent, or rescaling
            undoes it every time.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> pair = orthogonalized(random_directions(model, 2), model)
        >>> bool(abs(cosines(pair)[0, 1]) < 1e-6)
        True
    """
    reference = as_params("reference", reference)
    done: list[Direction] = []
    for number, direction in enumerate(_some(directions)):
        check_kind(f"directions[{number}]", direction, Direction, "a Direction, as normalize_direction makes")
        check_params(f"directions[{number}]", direction, reference)
        method = direction.made[NORMALIZATION]
        # Rescaling multiplies each filter by a factor of its own, which brings a cosine back, but a smaller one each
        # time (in a ResNet-20 some 25 times smaller), as the filters come to have almost the right norms already. It
        # fails where filters leave no freedom: one with a single entry can only be + or − its weight.
        for _ in range(_MOST_ROUNDS):
            for other in done:
                direction = Direction(
                    add(direction, scale(other, -dot(direction, other) / (dot(other, other) or 1.0))), **direction.made
                )
            if done and method not in ("none", "weight"):
                made, still = direction.made, lambda name, d=direction: not d[name].any()
                direction = Direction(normalized_direction(direction, reference, method, still), **made)
            if not done or np.abs(cosines([*done, direction])[-1, :-1]).max() < _ORTHOGONAL:
                break
        else:
            raise ValueError(f"directions: they cannot be made orthogonal under {method!r} normalization")
        done.append(Direction(direction, **direction.made | {"orthogonal": True}))
    return done


def redrawn(directions: Sequence[Params], origin: Params, repeats: int) -> list[list[Params]]:
    """The directions and further draws of them, `repeats` sets in all."""
    if check_whole("repeats", repeats, 1, _MOST_DIRECTIONS) == 1:
        return [list(directions)]
    # Direction i depends on the seed and i alone, so that further draws are simply the next ones of the same seed.
    made = list(map(made_of, directions))
    if any(m.get(KIND) != RANDOM or m.get(IGNORED) not in (None, "one-dimensional") for m in made):
        raise ValueError("repeats: only directions of random_directions without a function ignore= are drawn again")
    first, count = made[0], len(directions)
    origin = carrying(origin, joined_filter_fields(directions[0], origin))
    drawn = _drawn(origin, first["draw"] + repeats * count, first[NORMALIZATION], first[SEED], first[IGNORED])
    more: list[Any] = [drawn[i : i + count] for i in range(first["draw"] + count, len(drawn), count)]
    if first.get("orthogonal"):
        more = [orthogonalized(group, origin) for group in more]
    return [list(directions), *more[: repeats - 1]]


def towards(start: Params, end: Params) -> Direction:
    """The direction that leads from one point to another: coordinate 1 is `end`.

    Args:
        start: The point at coordinate 0.
        end: The point at coordinate 1.

    Returns:
        The difference `end` minus `start`, not normalized.

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

    Raises:
        TypeError: They are not a sequence of dicts of tensors.
        ValueError: There are none, or they differ in keys or shapes.

    Example:
        >>> x, y = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}
        >>> cosines([x, y]).round(4)
        array([[1.    , 0.7071],
               [0.7071, 1.    ]])
    """
    directions = _some(directions)
    check_tensors("directions[0]", directions[0])
    for number, direction in enumerate(directions):
        check_fits(f"directions[{number}]", direction, directions[0])
    lengths = np.array([norm(d) for d in directions])
    products = np.array([[dot(x, y) for y in directions] for x in directions])
    with np.errstate(invalid="ignore"):
        return products / np.outer(lengths, lengths)


def _some(directions: Any) -> list[Any]:
    """The directions as a list, of one or more."""
    if not len(directions_of(directions)):
        raise ValueError("directions: got none, wants one or more")
    return list(directions)


def _gaussian(reference: Params, rng: np.random.Generator) -> Params:
    return {
        name: torch.from_numpy(rng.standard_normal(tuple(w.shape), np.float32)).to(w.device, w.dtype)
        for name, w in reference.items()
    }
