"""What tables and labelled arrays of any library (pandas, xarray, images) hold, as arrays and plain values."""

from typing import Any

import numpy as np

_NAMES = ("name", "names", "dims", "attrs")
_AXES = ("index", "columns")
_NAMED = ("coords", "variables", "children")


def table(part: Any) -> list[Any]:
    """The values of an object that `numpy.asarray` can read, with its names and axes where it has some.

    Only what the class defines is asked for: an attribute of a `DataFrame` may be a column.

    Args:
        part: A table, a labelled array, or a collection of such.

    Raises:
        Exception: Whatever the object raises when it is read.

    Example:
        >>> import xarray
        >>> table(xarray.DataArray([1.0], dims="x", name="loss"))
        [[('name', 'loss'), ('dims', ('x',)), ('attrs', {})], [], [('coords', [])], ['float64', [], array([1.])]]
    """
    kind = type(part)
    asked = ("attrs",) if hasattr(kind, "variables") else _NAMES  # the variables of a `Dataset` know their dims
    names = [(name, getattr(part, name)) for name in asked if hasattr(kind, name)]
    axes = [(name, _axis(getattr(part, name))) for name in _AXES if hasattr(kind, name)]
    named = [(name, _tables(getattr(part, name))) for name in _NAMED if hasattr(kind, name)]
    return [names, axes, named, _values(part)]


def _axis(axis: Any) -> Any:
    """An axis; some are lists of names, some methods."""
    return table(axis) if hasattr(type(axis), "__array__") else type(axis).__name__ if callable(axis) else axis


def _tables(named: Any) -> list[Any]:
    """Labelled arrays by name; a coordinate would otherwise name itself among its coordinates."""
    return [(name, table(getattr(each, "variable", each))) for name, each in named.items()]


def _values(part: Any) -> list[Any]:
    """The array with its dtype, that of pandas too; a table's column by column, as one array would round integers."""
    kind = type(part)
    if hasattr(kind, "columns") and hasattr(kind, "items"):
        return [_values(column) for _, column in part.items()]
    if hasattr(kind, "variables"):
        return []
    dtype: Any = getattr(part, "dtype", None)
    categories = getattr(dtype, "categories", None)
    levels = [] if categories is None else [np.asarray(categories), dtype.ordered]
    return [str(dtype), levels, np.asarray(part)]
