"""What a diagnosis looks at: the values of a line or plane, and what is known of how they were measured."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from landscape_nb._common.drawable import Plot, as_dataset, check_variable
from landscape_nb._common.levels import Levels, choose_levels, is_below_zero

SIGNS = {"alpha": "α", "beta": "β"}


@dataclass(frozen=True)
class Measured:
    """What the checks look at.

    Attributes:
        dims: The names of the axes; `axes` has their coordinates.
        loss: The values; `stderr` has their standard errors, if they are known.
        levels: The contour levels.
        centre: The loss at coordinates 0; None if there is no such point, or if it means nothing.
        between: Whether this is an interpolation, whose coordinates are fixed by its ends.
        attrs: The Dataset's.
        negative: Where a running variance was negative, if known.
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
    negative: Bool[np.ndarray, "..."] | None
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
            made = json.loads(self.attrs.get("directions", "[]"))
        except (ValueError, TypeError, RecursionError):  # another program's attribute of this name
            return []
        made = [each for each in made if isinstance(each, dict)] if isinstance(made, list) else []
        return [each for each in made if isinstance(each.get("dead_filters", 0), int)]

    @property
    def lengths(self) -> Float[np.ndarray, "directions"]:
        """The norms of the directions, if known; read from a file, one of them is not a list."""
        return np.ravel(self.attrs.get("direction_norms", []))

    @property
    def noun(self) -> str:
        """What it is called."""
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

    def place(self, index: tuple[int | np.integer, ...]) -> str:
        """The coordinates of a grid point, in words."""
        pairs = zip(self.dims, self.axes, index, strict=True)
        return ", ".join(f"{SIGNS[dim]} = {axis[i]:.3g}" for dim, axis, i in pairs)

    def rays(self) -> Iterator[list[tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]]]:
        """For each axis, distances from the centre and losses, downwards and upwards."""
        for number, (axis, begin) in enumerate(zip(self.axes, self.start, strict=True)):
            values = self.loss[(*self.start[:number], slice(None), *self.start[number + 1 :])]
            distances = np.abs(axis - axis[begin])
            yield [(distances[begin::-1], values[begin::-1]), (distances[begin:], values[begin:])]


def read(dataset: Plot, levels: Levels = None) -> Measured:
    """Take from a Dataset what a diagnosis looks at; of several draws the first.

    Args:
        dataset: What `evaluate_line`, `evaluate_plane` or `interpolate` returned, or its variable `loss`.
        levels: The contour levels that are drawn, as in `plot_contours`.

    Raises:
        TypeError: No Dataset.
        ValueError: No loss on a line or plane, or bad levels.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [2.0, 1.0, 2.0])}, {"alpha": [-1, 0, 1]})
        >>> read(line, [0, 5]).centre
        1.0
    """
    dataset = as_dataset("dataset", dataset, "loss")
    dataset = dataset.assign_attrs()
    dataset.attrs = _understood(dataset.attrs)
    repeats = dataset.sizes.get("repeat", 1)
    dataset = dataset.isel({"repeat": 0} if repeats and "repeat" in dataset.dims else {})
    dims = _dims(dataset)
    axes = [dataset[dim].values.astype(float) for dim in dims]
    between = dataset.attrs.get("kind") == "interpolation"

    def values(name: str) -> np.ndarray:
        return dataset[name].transpose(*dims).values

    loss, at_zero = values("loss"), [np.flatnonzero(axis == 0) for axis in axes]
    chosen = choose_levels(levels, [loss])
    centre = dataset.attrs.get("origin_loss")
    if centre is None and all(map(len, at_zero)):
        centre = loss[tuple(int(index[0]) for index in at_zero)]
    centre = None if between or centre is None else float(centre)
    stderr, negative = (values(name) if name in dataset else None for name in ("loss_stderr", "negative_variance"))
    return Measured(dims, axes, loss.astype(float), stderr, chosen, centre, between, dataset.attrs, negative, repeats)


def _understood(attrs: Mapping) -> dict:
    """The attributes without those that are of another kind than ours: anyone may write some of these names."""
    return {name: value for name, value in attrs.items() if _KINDS.get(name, lambda _: True)(value)}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _is_count(value: object) -> bool:
    return _is_number(value) and 0 < value < np.inf


def _are_numbers(value: object) -> bool:
    """Whether it is a number or a list of them: read from a file, a list of one is a number."""
    return _is_number(value) or (isinstance(value, list | tuple | np.ndarray) and all(map(_is_number, value)))


def _are_two(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and _are_numbers(value) and len(value) == 2


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_KINDS = {
    "samples": _is_count, "origin_loss": _is_number, "batch_norm_layers": _is_number, "direction_cosine": _are_numbers,
    "direction_norms": _are_numbers, "relative_steps": _are_two, "end_losses": _are_two, "kind": _is_text,
    "batch_norm": _is_text, "normalization": _is_text, "directions": _is_text,
}  # fmt: skip


def _dims(dataset: xr.Dataset) -> tuple[str, ...]:
    """The axes of the loss, α first."""
    dims = tuple(dim for dim in SIGNS if "loss" in dataset and dim in dataset.loss.dims)
    if not dims or set(dims) != set(dataset.loss.dims):
        has = {name: value.dims for name, value in dataset.items()}
        raise ValueError(f"dataset: wants 'loss' over ('alpha',) or ('alpha', 'beta'), has {has}")
    check_variable("dataset", dataset, "line" if len(dims) == 1 else "plane", "loss")
    return dims
