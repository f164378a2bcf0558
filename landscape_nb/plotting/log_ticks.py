"""Ticks of logarithmic axes that are quick to draw: figures under a slider are drawn again and again."""

from functools import partial

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, LogFormatterSciNotation, NullLocator

_SEVERAL_DECADES = 1000
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def simplify_ticks(figure: Figure) -> None:
    """On an axis of several decades leave out the ticks between powers of ten, and write those as plain text.

    Otherwise they take half of the time of a small figure: matplotlib typesets their labels with its parser for
    mathematical formulas.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> figure, panel = plt.subplots()
        >>> panel.set(xscale="log", xlim=(1e-4, 1))
        [None, (0.0001, 1)]
        >>> simplify_ticks(figure)
        >>> panel.xaxis.get_major_formatter()(0.001)
        '10⁻³'
    """
    for axis in (axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high > _SEVERAL_DECADES * low:
            axis.set_minor_locator(NullLocator())
        _write_powers_plainly(axis)


def _write_powers_plainly(axis: Axis) -> None:
    formatter = axis.get_major_formatter()
    if isinstance(formatter, LogFormatterSciNotation):
        axis.set_major_formatter(FuncFormatter(partial(_power, formatter)))


def _power(otherwise: Formatter, value: float, position: int | None = None) -> str:
    """A power of ten, its negative, or zero as plain text; any other value as the other formatter writes it."""
    if value == 0:
        return "0"
    exponent = np.log10(abs(value))
    if not np.isclose(exponent, round(exponent)):
        return otherwise(value, position)
    return f"{'−' if value < 0 else ''}10{str(round(exponent)).translate(_RAISED)}"
