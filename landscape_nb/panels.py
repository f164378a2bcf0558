"""Empty figures, and what all figures share: colours, strokes, labels."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STROKES = ("-", "--", "-.", ":")
LABELS = {
    "alpha": "α (first direction)",
    "beta": "β (second direction)",
    "loss": "loss",
    "accuracy": "accuracy",
}
_STYLE = {"font.size": 13, "axes.titlesize": 14, "lines.linewidth": 2.5, "axes.grid": False}

Datasets = xr.Dataset | Mapping[str, xr.Dataset]


def panels(
    columns: int, rows: int = 1, size: tuple[float, float] = (6.4, 4.6), **axes: str
) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure with lettering that is legible at lecture distance.

    Args:
        columns: Panels in a row.
        rows: Rows of panels.
        size: Width and height of a panel in inches.
        **axes: What else `Figure.add_subplot` takes, such as `projection='3d'`.

    Returns:
        The figure and its panels, row by row.

    Example:
        >>> len(panels(2, 2)[1])
        4
    """
    shape = {"figsize": (size[0] * columns, size[1] * rows), "layout": "constrained", "squeeze": False}
    with plt.rc_context(_STYLE):
        figure, grid = plt.subplots(rows, columns, subplot_kw=axes, **shape)
    return figure, grid.ravel()


def by_name(datasets: Datasets, dims: Sequence[str], variables: Sequence[str]) -> dict[str, xr.Dataset]:
    """Check the Datasets and put a single one under an empty name."""
    named = {"": datasets} if isinstance(datasets, xr.Dataset) else dict(datasets)
    if not named:
        raise ValueError("got no Dataset to draw")
    for name, dataset in named.items():
        for variable in variables:
            if variable not in dataset or dataset[variable].dims != tuple(dims):
                has = {key: value.dims for key, value in dataset.items()}
                raise ValueError(f"Dataset {name!r}: wants {variable!r} over {tuple(dims)}, has {has}")
    return named
