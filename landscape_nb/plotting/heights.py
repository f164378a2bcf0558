"""How high the surfaces of planes are drawn: all that are compared on one scale."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float

from landscape_nb._common.checks import check_kind, check_number
from landscape_nb._common.levels import check_span, is_below_zero, limits
from landscape_nb._common.schema import DIMS

_LEAST = 1e-12
"""A zero has no logarithm: it is drawn at this height."""
_FARTHEST = {"bottom": "smallest", "top": "largest"}


@dataclass(frozen=True)
class Heights:
    """Heights of surfaces, and the axis that they share.

    Attributes:
        of: By name, the heights at (α, β): logarithms to base 10 where the axis is logarithmic, NaN where the value is
            not finite.
        log: Whether the axis is logarithmic.
        low: The lower end of the axis.
        high: The upper end of the axis.
        ticks: Where the axis has ticks.
        labels: Their texts: the values themselves.
    """

    of: Mapping[str, Float[np.ndarray, "a b"]]
    log: bool
    low: float
    high: float
    ticks: list[float]
    labels: list[str]


def heights_of(values: Mapping[str, xr.DataArray], log: Any, bottom: Any = None, top: Any = None) -> Heights:
    """Heights of a variable of several planes.

    Args:
        values: The variable, by the name of the plane.
        log: Whether the axis is logarithmic; it is linear where a value is below zero.
        bottom: Values below are raised to it; default the smallest finite value.
        top: Values above are cut off there; default the largest finite value.

    Raises:
        TypeError: An end is not a number, or `log` is not True or False.
        ValueError: A top at or below the lowest value (or the bottom), a bottom at or above the highest value, or one
            of them not above zero where the axis is logarithmic.

    Example:
        >>> plane = xr.DataArray([[1.0, 10.0], [100.0, 1000.0]], dims=("alpha", "beta"))
        >>> heights_of({"": plane}, log=True, top=100.0).of[""]
        array([[0., 1.],
               [2., 2.]])
    """
    check_kind("log", log, (bool, np.bool_), "True or False")
    log = bool(log) and not is_below_zero(each.values for each in values.values())
    _check_ends(bottom, top, values.values(), log)
    found = {name: _height(each, log, bottom, top) for name, each in values.items()}
    low, high = _range(found.values(), *_ends(bottom, top, log))
    return Heights(found, log, low, high, *_height_ticks(low, high, log))


def _check_ends(bottom: Any, top: Any, values: Iterable[xr.DataArray], log: bool) -> None:
    for name, end in {"bottom": bottom, "top": top}.items():
        if end is not None and (isinstance(end, bool) or not isinstance(end, Real)):
            raise TypeError(f"{name}: got {end!r}, wants a number, or None for the {_FARTHEST[name]} value")
        if end is not None:
            check_number(name, end)
    low, high = limits(each.values for each in values)
    if bottom is not None and ((log and not float(bottom) > 0) or not np.isfinite(float(bottom))):
        raise ValueError(f"bottom: got {bottom:g}, wants a finite number{' above 0' * log}")
    low = low if bottom is None else float(bottom)
    least = max(low, 0) if log else low
    cuts = low < high or log or bottom is not None
    if top is not None and (np.isnan(float(top)) or (cuts and not float(top) > least)):
        raise ValueError(f"top: got {top:g}, wants more than {least:.3g}, or all heights are cut off")
    if top is None and bottom is not None and not high > low:
        raise ValueError(f"bottom: got {bottom:g}, wants less than {high:.3g}, or all heights are raised to it")


def _height(values: xr.DataArray, log: bool, bottom: float | None, top: float | None) -> Float[np.ndarray, "a b"]:
    height = values.transpose(*DIMS).astype(float)
    height = height.where(np.isfinite(height)).clip(bottom, top)
    return np.log10(height.clip(min=_LEAST).values) if log else height.values


def _ends(bottom: float | None, top: float | None, log: bool) -> tuple[float | None, float | None]:
    """The ends of the height, as they are drawn; None where the values decide."""
    low, high = (None if end is None else np.log10(max(end, _LEAST)) if log else float(end) for end in (bottom, top))
    return low, high if bottom is not None and top is not None and np.isfinite(top) else None


def _range(
    heights: Iterable[Float[np.ndarray, "..."]], bottom: float | None = None, top: float | None = None
) -> tuple[float, float]:
    """The lowest and the highest of all heights, or the ends that were asked for.

    If all are equal, there is some room above and below.
    """
    low, high = limits(heights)
    low, high = low if bottom is None else bottom, high if top is None else top
    check_span("values", low, high)
    margin = 0.0 if high - low > 1e-9 * max(abs(low), abs(high)) else max(0.5, 0.1 * abs(low))
    return low - margin, high + margin


def _height_ticks(low: float, high: float, log: bool) -> tuple[list[float], list[str]]:
    if not log:
        ticks = [tick for tick in plt.MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
        return ticks, [f"{tick:g}" for tick in ticks]
    step = max(1, round((high - low) / 5))
    powers = [float(power) for power in range(int(np.ceil(low)), int(np.floor(high)) + 1, step)]
    ticks = powers or [low, high]
    return ticks, [f"{10.0**tick:g}" for tick in ticks]
