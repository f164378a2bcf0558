"""The points of a rectangular grid, and their order in pieces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from landscape_nb._common.checks import check_whole

Extent = tuple[float, float] | Sequence[tuple[float, float]]
Resolution = int | Sequence[int]
Axes = Mapping[str, Real[np.ndarray, "_"]]
"""Coordinates of each dimension, by name; those of `repeat` are whole numbers."""

_LINE_PIECE = 8
_MOST_POINTS = 10**7


@dataclass(frozen=True)
class Grid:
    """A grid whose points are measured piece by piece: a row of a plane, or a run of points of a line.

    Attributes:
        axes: Coordinates of each dimension, by name.
        longest: The number of points of a piece; None means a row of a plane, or a few points of a line.

    Example:
        >>> grid = Grid({"alpha": np.array([0.0, 1.0]), "beta": np.array([5.0, 6.0, 7.0])})
        >>> grid.pieces, grid.index(1)
        (2, (1, slice(0, 3, None)))
        >>> grid.points(1)
        array([[1., 5.],
               [1., 6.],
               [1., 7.]])
    """

    axes: Axes
    longest: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """How many coordinates each dimension has."""
        return tuple(map(len, self.axes.values()))

    @property
    def piece(self) -> int:
        """How many points a piece has at most."""
        return self.longest or (self.shape[-1] if len(self.shape) > 1 else _LINE_PIECE)

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return int(np.prod(self.shape[:-1], dtype=int)) * self._runs

    @property
    def _runs(self) -> int:
        return -(-self.shape[-1] // self.piece)

    def index(self, number: int) -> tuple[int | slice, ...]:
        """The index of a piece in an array of the grid's shape."""
        *outer, run = np.unravel_index(number, (*self.shape[:-1], self._runs))
        start = int(run) * self.piece
        return (*map(int, outer), slice(start, min(start + self.piece, self.shape[-1])))

    def points(self, number: int) -> Float[np.ndarray, "points axes"]:
        """The coordinates of a piece's points."""
        along = zip(self.axes.values(), self.index(number), strict=True)
        chosen = [np.atleast_1d(axis[index]) for axis, index in along]
        return np.array(list(product(*chosen)), dtype=float)


def make_axes(extent: Extent, resolution: Resolution, count: int) -> list[Float[np.ndarray, "_"]]:
    """Coordinates along each axis, each the number that a person would type for it.

    The 23rd of 41 points between -1 and 1 is 0.1, and not 0.10000000000000009, so that
    `plane.loss.sel(alpha=0.1)` finds it. An axis that is symmetric stays so, and its middle is 0.

    Args:
        extent: The first and last coordinate, one pair for all axes or one pair each.
        resolution: The number of points along an axis, one for all or one each.
        count: How many axes.

    Raises:
        ValueError: A pair that is not a finite low < high, a resolution that is not a whole number from 2
            up, more or fewer of them than axes, or an extent too short for that many different numbers.

    Example:
        >>> make_axes((-1, 1), 3, 1)
        [array([-1.,  0.,  1.])]
        >>> float(make_axes((-1, 1), 41, 1)[0][22])
        0.1
    """
    extents = _per_axis("extent", extent, count, is_single=lambda e: len(e) == 2 and not np.iterable(e[0]))
    resolutions = _per_axis("resolution", resolution, count, is_single=lambda r: not np.iterable(r))
    _check_points(resolutions)
    return [
        _spaced(*_pair(pair), check_whole("resolution", points, 2))
        for pair, points in zip(extents, resolutions, strict=True)
    ]


def _spaced(low: float, high: float, points: int) -> Float[np.ndarray, "points"]:
    """Evenly spaced numbers, each the float nearest to its exact value: the ends are read as decimals."""
    first, last = (_as_typed(end, max(abs(low), abs(high))) for end in (low, high))
    whole = first.denominator * last.denominator
    start, step = first * whole * (points - 1), (last - first) * whole
    # Integers, whose quotient Python rounds once: np.linspace rounds the step, the product and the sum.
    begin, by, scale = int(start), int(step), whole * (points - 1)
    inner = np.array([(begin + by * number) / scale for number in range(1, points - 1)])
    tiny = 1e-9 * (high / points - low / points)  # what is left of 0 between -1/3 and 1, which are not decimals
    axis = np.array([low, *np.where(np.abs(inner) < tiny, 0.0, inner), high])
    if not (np.diff(axis) > 0).all():
        raise ValueError(f"extent: got ({low!r}, {high!r}), too short for {points} different numbers")
    return axis


def _as_typed(end: float, size: float) -> Fraction:
    """The decimal that was meant: a short one if it is a few roundings away (3 * 0.1), else the shortest that fits."""
    scale = Fraction(10) ** (9 - int(np.floor(np.log10(size))))
    short = round(Fraction(repr(end)) * scale) / scale
    return short if abs(short - Fraction(end)) <= 4 * Fraction(np.spacing(size)) else Fraction(repr(end))


def _per_axis(name: str, value: Any, count: int, is_single: Callable[..., bool]) -> list:
    try:
        values = [value] * count if is_single(value) else list(value)
    except TypeError:
        raise ValueError(f"{name}: got {value!r}, wants one for all axes or one an axis") from None
    if len(values) != count:
        raise ValueError(f"{name}: got {len(values)} of them for {count} axes")
    return values


def _check_points(resolutions: Sequence[object]) -> None:
    """Raise a `ValueError` where more points are asked for than any machine measures."""
    total = prod(check_whole("resolution", points, 2) for points in resolutions)
    if total > _MOST_POINTS:
        raise ValueError(f"resolution: got {total:.2g} points in all, wants at most {_MOST_POINTS:.2g}")


def _pair(extent: Any) -> tuple[float, float]:
    try:
        low, high = map(float, extent)
    except (TypeError, ValueError):
        raise ValueError(f"extent: got {extent!r}, wants two numbers (low, high)") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"extent: got ({low:g}, {high:g}), wants finite low < high")
    return low, high
