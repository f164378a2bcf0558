"""At which values contours are drawn."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from landscape_nb._common.schema import PAPER_LEVELS

Levels = int | Sequence[float] | None
_ROUNDING = 1e-6
_MOST = 10_000
_QUARTER = 0.25
_WIDEST = 1e300


def choose_levels(
    levels: Levels, values: Iterable[Shaped[np.ndarray, "..."]], log: bool = True
) -> Float[np.ndarray, "levels"]:
    """The contour levels that an argument asks for.

    Args:
        levels: The levels themselves; or how many, which are then spread between the lowest and the highest
            finite value; or None for the paper's (where values are below zero, as many spread between them).
        values: The values that are drawn.
        log: Whether levels are spread in the logarithm (where values are below zero, in asinh), or evenly.

    Raises:
        ValueError: There are fewer than two levels, or they are not finite or do not increase.
        TypeError: The argument is neither numbers nor a number of levels.

    Example:
        >>> bowl = np.array([1.0, 10.0, 1000.0])
        >>> choose_levels(2, [bowl]), choose_levels([1, 2], [bowl])
        (array([ 10., 100.]), array([1., 2.]))
    """
    values = list(values)
    if levels is None:
        return _spread(values, len(PAPER_LEVELS)) if is_below_zero(values) else np.array(PAPER_LEVELS)
    wants = f"wants two or more numbers, each above the one before, or how many (a whole number from 2 to {_MOST})"
    if isinstance(levels, int | np.integer) and not isinstance(levels, bool):
        if not 2 <= levels <= _MOST:
            raise ValueError(f"levels: got {levels}, {wants}")
        return _spread(values, int(levels), log)
    if isinstance(levels, str | bool | float) or not np.iterable(levels):
        raise TypeError(f"levels: got {levels!r}, {wants}")
    try:
        given = np.asarray(levels, float)
    except (TypeError, ValueError):
        raise TypeError(f"levels: got {levels!r}, {wants}") from None
    if given.ndim != 1 or len(given) < 2 or not np.isfinite(given).all() or not (given[1:] > given[:-1]).all():
        raise ValueError(f"levels: got {given.tolist()}, {wants}")
    check_span("levels", float(given[0]), float(given[-1]))
    return given


def is_below_zero(values: Iterable[Shaped[np.ndarray, "..."]]) -> bool:
    """Whether some value is below zero by more than rounding: then logarithms do not apply.

    Example:
        >>> is_below_zero([np.array([1.0, np.nan])]), is_below_zero([np.array([1.0, -0.5])])
        (False, True)
    """
    low, high = limits(values)
    return low < -_ROUNDING * max(abs(low), abs(high)) or low == high < 0


def limits(values: Iterable[Float[np.ndarray, "..."]]) -> tuple[float, float]:
    """The lowest and the highest finite value; 0 and 0 if all are NaN or infinite.

    Example:
        >>> limits([np.array([1.0, np.inf]), np.array([3.0])])
        (1.0, 3.0)
    """
    finite = _finite(values)
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def check_span(name: str, low: float, high: float) -> None:
    """Raise a `ValueError` if two numbers are so far apart that an axis between them overflows.

    Example:
        >>> check_span("loss", -1e308, 1e308)
        Traceback (most recent call last):
        ValueError: loss: goes from -1e+308 to 1e+308, too far apart to be drawn (at most 1e+300)
    """
    if high / 2 - low / 2 > _WIDEST / 2:
        raise ValueError(f"{name}: goes from {low:.6g} to {high:.6g}, too far apart to be drawn (at most {_WIDEST:g})")


def _finite(values: Iterable[Shaped[np.ndarray, "..."]]) -> Float[np.ndarray, "n"]:
    together = np.concatenate([np.ravel(part) for part in values]).astype(float)
    return together[np.isfinite(together)]


def _spread(values: Sequence[Float[np.ndarray, "..."]], count: int, log: bool = True) -> Float[np.ndarray, "count"]:
    """Levels between the limits, evenly spaced in the logarithm where all values are positive, in asinh otherwise.

    Without the logarithm they are evenly spaced in the values themselves.

    asinh is taken of the height above the lowest value, in units of the height that the lowest quarter of the values
    reaches. It is nearly linear within that quarter and logarithmic above it: a loss of −1000 that rises to 10⁸ at the
    rim keeps contours in its middle, where linear levels would all be at the rim.
    """
    low, high = limits(values)
    if not high > low:  # a constant has contours nowhere: any levels around it do
        low, high = (low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1))
    if low > 0 and log:
        return np.geomspace(low, high, count + 2)[1:-1]
    check_span("values", low, high)
    if not log:
        return np.linspace(low, high, count + 2)[1:-1]
    finite = _finite(values)
    unit = float(np.quantile(finite, _QUARTER)) - low if len(finite) else 0.0
    unit = unit if unit > 1e-12 * (high - low) else high - low
    return low + unit * np.sinh(np.linspace(0, np.arcsinh((high - low) / unit), count + 2)[1:-1])
