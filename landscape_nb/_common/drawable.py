"""Checks of what is to be drawn or diagnosed: Datasets over a line or a plane, one or several, by name or not."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape_nb._common.checks import check_kind
from landscape_nb._common.schema import ALPHA, BETA, DIMS, EPOCH, POINT, REPEAT

Plot = xr.Dataset | xr.DataArray
Plots = Plot | Sequence[Plot] | Mapping[str, Plot]
_DIMS = {"line": ((ALPHA,), (BETA,)), "plane": (DIMS,)}
"""The dimensions that a kind of plot may have, in any order."""
_WANTS = "an xarray.Dataset, as {} returns, or one of its variables"
_MAKERS = {"line": "evaluate_line", "plane": "evaluate_plane"}


def by_name(
    argument: str, plots: Plots, kind: str, variables: Sequence[str]
) -> tuple[dict[str, xr.Dataset], tuple[str, ...]]:
    """Check what is to be drawn together, and give each a title.

    A single Dataset has an empty title, one of several its name or number; several draws have a title each.

    Args:
        argument: What the caller calls it.
        plots: A Dataset or one of its variables, a list of them, or a mapping from names to them.
        kind: `'line'` or `'plane'`.
        variables: Which variables are drawn. A variable that is given instead of a Dataset is drawn under its own name.

    Returns:
        Datasets by title, each without a dimension `repeat`, and the names of the variables.

    Raises:
        TypeError: One is neither a Dataset nor a variable.
        ValueError: There is nothing to draw, or a Dataset does not have these variables on a line or plane.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [1.0, 2.0])}, {"alpha": [0.0, 1.0]})
        >>> found, variables = by_name("lines", [line.loss, line.loss], "line", ("loss",))
        >>> list(found), variables
        (['0', '1'], ('loss',))
    """
    named = _named(argument, plots, kind)
    variables = _asked(named, variables)
    found: dict[str, xr.Dataset] = {}
    for title, (name, plot) in named.items():
        dataset = as_dataset(name, plot, variables[0], kind)
        for label, draw in _draws(title, dataset, variables):
            for variable in variables:
                check_variable(name, draw, kind, variable)
            found[label] = draw
    if not found:
        raise ValueError(f"{argument}: has no draw (its dimension 'repeat' is empty)")
    return found, variables


def single(argument: str, plot: Plot, kind: str, variable: str) -> xr.DataArray:
    """Check a Dataset that is drawn alone; returns its variable.

    Raises:
        TypeError: The argument is neither a Dataset nor a variable.
        ValueError: It has several draws, or does not have this variable on a line or plane.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [1.0, 2.0])}, {"alpha": [0.0, 1.0]})
        >>> single("line", line, "line", "loss").dims
        ('alpha',)
    """
    check_plot(argument, plot, kind)
    found, (variable,) = by_name(argument, plot, kind, (variable,))
    if len(found) > 1:
        raise ValueError(f"{argument}: has {len(found)} draws, wants one, such as {argument}.isel(repeat=0)")
    return next(iter(found.values()))[variable]


def check_plot(argument: str, plot: object, kind: str) -> None:
    """Raise a `TypeError` unless the argument is a Dataset or one of its variables.

    Example:
        >>> check_plot("plane", [1, 2], "plane")
        Traceback (most recent call last):
        TypeError: plane: got list, wants an xarray.Dataset, as evaluate_plane returns, or one of its variables
    """
    check_kind(argument, plot, (xr.Dataset, xr.DataArray), _WANTS.format(_MAKERS[kind]))


def as_dataset(argument: str, plot: Any, variable: str, kind: str = "plane") -> xr.Dataset:
    """A Dataset as it is; a variable as a Dataset of its own.

    Example:
        >>> as_dataset("plane", xr.DataArray([1.0, 2.0], dims="alpha"), "loss").loss.values
        array([1., 2.])
    """
    check_plot(argument, plot, kind)
    if isinstance(plot, xr.Dataset):
        return plot
    return plot.to_dataset(name=plot.name or variable).assign_attrs(plot.attrs)


def check_variable(argument: str, dataset: xr.Dataset, kind: str, variable: str) -> None:
    """Raise unless a Dataset has a variable of numbers over the axes of a line or a plane, two points or more on each.

    Example:
        >>> check_variable("plane", xr.Dataset({"loss": ("alpha", [1.0])}), "plane", "loss")
        Traceback (most recent call last):
        ValueError: plane: wants 'loss' over ('alpha', 'beta'), has {'loss': ('alpha',)}
    """
    has = {name: values.dims for name, values in dataset.items()}
    if variable not in dataset.data_vars and variable != "loss":
        raise ValueError(f"variable: got {variable!r}, {argument} has {has}")
    dims = () if variable not in dataset.data_vars else dataset[variable].dims
    if not any(set(dims) == set(wanted) for wanted in _DIMS[kind]):
        raise ValueError(f"{argument}: wants {variable!r} over {_DIMS[kind][0]}, has {has}")
    if dataset[variable].dtype.kind not in "fiub":
        raise ValueError(f"{argument}: {variable!r} has dtype {dataset[variable].dtype}, wants real numbers")
    for dim in dims:
        _check_axis(argument, dataset, dim, strictly=len(dims) > 1)


def check_path(argument: str, path: Any, dims: Sequence[str]) -> None:
    """Raise unless a Dataset has these coordinates for each point of a path, and numbers as epochs, if any.

    Example:
        >>> check_path("path", xr.Dataset({"alpha": ("point", [1.0])}), ("alpha", "beta"))
        Traceback (most recent call last):
        ValueError: path: has no 'beta', wants what project returned for this plane
    """
    check_kind(argument, path, xr.Dataset, "an xarray.Dataset, as project returns")
    if missing := [name for name in dims if name not in path]:
        raise ValueError(
            f"{argument}: has no {', '.join(map(repr, missing))}, wants what project returned for this plane"
        )
    for name in dims:
        if path[name].dims != (POINT,) or not path.sizes[POINT]:
            raise ValueError(f"{argument}: wants {name!r} for one 'point' or more, has it over {path[name].dims}")
    if EPOCH in path.coords and path[EPOCH].dtype.kind not in "fiu":
        raise ValueError(f"{argument}: has {path[EPOCH].values[:1]!r} as epochs, wants numbers")


def _check_axis(argument: str, dataset: xr.Dataset, dim: Hashable, strictly: bool) -> None:
    """Raise unless an axis has two or more coordinates in order.

    On a line one coordinate may be there twice, as in two lines put end to end; contours cannot be drawn so.
    """
    if dim not in dataset.coords or dataset[dim].dtype.kind not in "fiu":
        raise ValueError(f"{argument}: has no numbers as coordinates along {dim!r}")
    if dataset.sizes[dim] < 2:
        advice = "" if len(dataset.dims) < 2 else f"; plot_lines({argument}.isel({dim}=0)) draws it"
        raise ValueError(f"{argument}: has {dataset.sizes[dim]} point along {dim!r}, wants two or more{advice}")
    steps = np.diff(dataset[dim].values.astype(float))
    follows = np.greater if strictly else np.greater_equal
    if not (follows(steps, 0).all() or follows(-steps, 0).all()):
        raise ValueError(f"{argument}: the coordinates along {dim!r} are not in order; sort them: sortby({dim!r})")


def _named(argument: str, plots: Any, kind: str) -> dict[str, tuple[str, Plot]]:
    """By title: the name of each in messages, and what it is."""
    if isinstance(plots, Mapping) and not isinstance(plots, xr.Dataset):
        named = {str(key): (f"{argument}[{key!r}]", plot) for key, plot in plots.items()}
        if len(named) < len(plots):
            raise ValueError(f"{argument}: got the names {list(plots)}, of which two read the same")
    elif isinstance(plots, list | tuple):
        named = {str(number): (f"{argument}[{number}]", plot) for number, plot in enumerate(plots)}
    else:
        named = {"": (argument, plots)}
    for name, plot in named.values():
        check_plot(name, plot, kind)
    if not named:
        raise ValueError(f"{argument}: got no Dataset to draw")
    return named


def _asked(named: Mapping[str, tuple[str, Plot]], variables: object) -> tuple[str, ...]:
    """The names of the variables to draw; a variable that was given instead of a Dataset decides it."""
    variables = (variables,) if isinstance(variables, str) else variables
    if not isinstance(variables, list | tuple) or not all(isinstance(v, str) for v in variables) or not variables:
        raise TypeError(f"variable: got {variables!r}, wants a name such as 'loss'")
    own = {str(plot.name) for _, plot in named.values() if isinstance(plot, xr.DataArray) and plot.name is not None}
    if not own or own == set(variables):
        return tuple(variables)
    if tuple(variables) != ("loss",) or len(own) > 1:
        raise ValueError(f"variable: got {', '.join(variables)}, but variables that are {', '.join(sorted(own))}")
    return (own.pop(),)


def _draws(title: str, dataset: xr.Dataset, variables: Sequence[str]) -> Iterator[tuple[str, xr.Dataset]]:
    """Each draw of the directions (dimension `repeat`) on its own."""
    if not any(REPEAT in dataset[name].dims for name in variables if name in dataset):
        yield title, dataset
        return
    for number in range(dataset.sizes[REPEAT]):
        label = f"draw {number + 1}" if dataset.sizes[REPEAT] > 1 else ""
        yield ", ".join(filter(None, (title, label))), dataset.isel({REPEAT: number})
