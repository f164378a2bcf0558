"""What a diagnosis looks at: the values of a line or plane, and what is known about how they were measured."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Shaped

from landscape_nb._common import schema
from landscape_nb._common.drawable import Plot, as_dataset, check_variable
from landscape_nb._common.levels import Levels, choose_levels, is_below_zero

SIGNS = {schema.ALPHA: "α", schema.BETA: "β"}


@dataclass(frozen=True)
class View:
    """A line or plane as the checks of `diagnose` see it.

    Attributes:
        dims: The names of the axes.
        axes: The coordinates along each axis.
        loss: The loss at each point.
        stderr: Its standard errors, if they are known.
        levels: The contour levels.
        centre: The loss at coordinates 0; None if it is not known, or for an interpolation, where 0 is just one end.
        between: Whether this is an interpolation, whose coordinates are fixed by its ends.
        attrs: The Dataset's attributes.
        negative: Where a running variance of batch norm was negative, if that is known.
        repeats: How many draws of the directions were measured.
    """

    dims: tuple[str, ...]
    axes: list[Float[np.ndarray, "_"]]
    loss: Float[np.ndarray, "..."]
    stderr: Float[np.ndarray, "..."] | None
    levels: Float[np.ndarray, "levels"]
    centre: float | None
    between: bool
    attrs: dict
    negative: Shaped[np.ndarray, "..."] | None
    repeats: int

    @property
    def finite(self) -> Bool[np.ndarray, "..."]:
        """Where the loss is finite."""
        return np.isfinite(self.loss)

    @property
    def below_zero(self) -> bool:
        """Whether the loss is below zero somewhere, by more than rounding."""
        return is_below_zero([self.loss])

    @property
    def lowest(self) -> float:
        """The lowest loss, the centre's included; infinite if none is finite."""
        centre = self.centre if self.centre is not None and np.isfinite(self.centre) else np.inf
        return float(self.loss[self.finite].min(initial=centre))

    @property
    def made(self) -> list[dict]:
        """How the directions were made."""
        try:
            made = json.loads(self.attrs.get(schema.DIRECTIONS, "[]"))
        except (ValueError, TypeError, RecursionError):  # another program's attribute of this name
            return []
        made = [each for each in made if isinstance(each, dict)] if isinstance(made, list) else []
        return [each for each in made if isinstance(each.get("dead_filters", 0), int)]

    @property
    def lengths(self) -> Float[np.ndarray, "directions"]:
        """The norms of the directions, if they are known. (Read from a file, a list of one is a number.)"""
        return np.ravel(self.attrs.get(schema.DIRECTION_NORMS, []))

    @property
    def noun(self) -> str:
        """What to call it in a sentence."""
        return "line" if len(self.dims) == 1 else "plane"

    @property
    def extent(self) -> list[tuple[float, float]]:
        """The first and the last coordinate of each axis."""
        return [(float(axis[0]), float(axis[-1])) for axis in self.axes]

    @property
    def rim(self) -> Bool[np.ndarray, "..."]:
        """Which points are at an end of an axis."""
        inner = np.zeros(self.loss.shape, bool)
        inner[(slice(1, -1),) * inner.ndim] = True
        return ~inner

    @property
    def start(self) -> tuple[int, ...]:
        """The index of the grid point closest to the centre."""
        return tuple(int(np.abs(axis).argmin()) for axis in self.axes)

    def where(self, index: tuple[int | np.integer, ...]) -> str:
        """The coordinates of a grid point, in words."""
        pairs = zip(self.dims, self.axes, index, strict=True)
        return ", ".join(f"{SIGNS[dim]} = {axis[i]:.3g}" for dim, axis, i in pairs)

    def rays(self) -> Iterator[list[tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]]]:
        """For each axis two rays from the centre, downwards and upwards: distances from it, and losses."""
        for number, (axis, begin) in enumerate(zip(self.axes, self.start, strict=True)):
            values = self.loss[(*self.start[:number], slice(None), *self.start[number + 1 :])]
            distances = np.abs(axis - axis[begin])
            yield [(distances[begin::-1], values[begin::-1]), (distances[begin:], values[begin:])]


def read(dataset: Plot, levels: Levels = None) -> View:
    """View a Dataset as a diagnosis does; of several draws the first.

    Args:
        dataset: What `evaluate_line`, `evaluate_plane` or `interpolate` returned, or its variable `loss`.
        levels: The contour levels that are drawn, as in `plot_contours`.

    Raises:
        TypeError: The argument is neither a Dataset nor a variable.
        ValueError: There is not a loss on a line or plane, or the levels are bad.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [2.0, 1.0, 2.0])}, {"alpha": [-1, 0, 1]})
        >>> read(line, [0, 5]).centre
        1.0
    """
    dataset = as_dataset("dataset", dataset, "loss")
    dataset = dataset.assign_attrs()
    dataset.attrs = _understood(dataset.attrs)
    repeats = dataset.sizes.get(schema.REPEAT, 1)
    dataset = dataset.isel({schema.REPEAT: 0} if repeats and schema.REPEAT in dataset.dims else {})
    dims = _dims(dataset)
    axes = [dataset[dim].values.astype(float) for dim in dims]
    between = dataset.attrs.get(schema.KIND) == schema.INTERPOLATION

    def values(name: str) -> np.ndarray:
        return dataset[name].transpose(*dims).values

    loss, at_zero = values("loss"), [np.flatnonzero(axis == 0) for axis in axes]
    chosen = choose_levels(levels, [loss])
    centre = dataset.attrs.get(schema.ORIGIN_LOSS)
    if centre is None and all(map(len, at_zero)):
        centre = loss[tuple(int(index[0]) for index in at_zero)]
    centre = None if between or centre is None else float(centre)
    beside = "loss" + schema.STDERR, schema.NEGATIVE_VARIANCE
    stderr, negative = (values(name) if name in dataset else None for name in beside)
    return View(dims, axes, loss.astype(float), stderr, chosen, centre, between, dataset.attrs, negative, repeats)


def _understood(attrs: Mapping) -> dict:
    """The attributes that have the type we write; other programs may use the same names for something else."""
    return {name: value for name, value in attrs.items() if _KINDS.get(name, lambda _: True)(value)}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _is_count(value: object) -> bool:
    return _is_number(value) and 0 < value < np.inf


def _are_numbers(value: object) -> bool:
    """Whether it is a number or a list of numbers. (Read from a file, a list of one is a number.)"""
    return _is_number(value) or (isinstance(value, list | tuple | np.ndarray) and all(map(_is_number, value)))


def _are_two(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and _are_numbers(value) and len(value) == 2


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_KINDS = {
    schema.SAMPLES: _is_count,
    schema.ORIGIN_LOSS: _is_number,
    schema.BATCH_NORM_LAYERS: _is_number,
    schema.DIRECTION_COSINE: _are_numbers,
    schema.DIRECTION_NORMS: _are_numbers,
    schema.RELATIVE_STEPS: _are_two,
    schema.END_LOSSES: _are_two,
    schema.KIND: _is_text,
    schema.BATCH_NORM: _is_text,
    schema.NORMALIZATION: _is_text,
    schema.DIRECTIONS: _is_text,
}


def _dims(dataset: xr.Dataset) -> tuple[str, ...]:
    """The axes of the loss, α first."""
    dims = tuple(dim for dim in SIGNS if "loss" in dataset and dim in dataset.loss.dims)
    if not dims or set(dims) != set(dataset.loss.dims):
        has = {name: value.dims for name, value in dataset.items()}
        raise ValueError(f"dataset: wants 'loss' over ('alpha',) or ('alpha', 'beta'), has {has}")
    check_variable("dataset", dataset, "line" if len(dims) == 1 else "plane", "loss")
    return dims
