"""Tables and labelled arrays of any library (pandas, xarray, images) as arrays and plain values."""

from typing import Any

import numpy as np

_NAMES = ("name", "names", "dims", "attrs")
_AXES = ("index", "columns")
_NAMED = ("coords", "variables", "children")


def table(part: Any) -> list[Any]:
    """The values of an object that `numpy.asarray` can read, with its names and axes where it has some.

    Only attributes that the class defines are read: another attribute of a `DataFrame` may be a column.

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
    """An axis; some libraries have a list of names there, some a method."""
    return table(axis) if hasattr(type(axis), "__array__") else type(axis).__name__ if callable(axis) else axis


def _tables(named: Any) -> list[Any]:
    """Labelled arrays by name. (A coordinate as it is would be among its own coordinates; its `variable` is not.)"""
    return [(name, table(getattr(each, "variable", each))) for name, each in named.items()]


def _values(part: Any) -> list[Any]:
    """An array with its dtype (or pandas's); a table column by column, as one array of all would round integers."""
    kind = type(part)
    if hasattr(kind, "columns") and hasattr(kind, "items"):
        return [_values(column) for _, column in part.items()]
    if hasattr(kind, "variables"):
        return []
    dtype: Any = getattr(part, "dtype", None)
    categories = getattr(dtype, "categories", None)
    levels = [] if categories is None else [np.asarray(categories), dtype.ordered]
    return [str(dtype), levels, np.asarray(part)]
