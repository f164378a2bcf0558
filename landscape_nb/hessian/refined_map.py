"""A curvature map from coarse to fine: eigenvalues where the map is not yet known, and interpolation elsewhere."""

import time
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike

import numpy as np
import xarray as xr

from landscape_nb._common.checks import check_pathlike
from landscape_nb._common.progress import progress_bar
from landscape_nb._common.provenance import ran_since
from landscape_nb._common.schema import DIMS, MEASURED, PRODUCTS, RATIO, ROUNDED, STOPPED, Values
from landscape_nb.surfaces.grid import Axes, Grid
from landscape_nb.surfaces.refinement import Refinement
from landscape_nb.surfaces.store import Store
from landscape_nb.surfaces.subsample import Estimate
from landscape_nb.surfaces.sweep import Measurement, check_jobs, measured_pieces

_RATIO_ERROR = "ratio_error"
_CEILING = 1.0


def refined_map(
    measurement: Measurement,
    axes: Axes,
    attrs: Mapping[str, object],
    error: float,
    seed: int = 0,
    store: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Measure points of a grid until the ratio at the others is known to an error.

    For the error, and in between, a ratio above 1 counts as 1: maps are coloured from 0 to 0.5. No point starts from
    a neighbour's eigenvectors, as in a dense map: what is measured does not depend on the order, on processes, or on
    a kill.

    Args:
        measurement: What is measured at a point: `ratio` and others.
        axes: Coordinates of both dimensions, by name.
        attrs: What the result is made from, as in `sweep`.
        error: The root mean square, over the grid, of the error of the ratio at which to stop.
        seed: Seed of the points at random.
        store: A Zarr path that keeps measured points; the same call goes on from there.
        n_jobs: Processes of one thread each (joblib); None measures in this one.
        progress: Whether to show a progress bar.

    Returns:
        As `curvature_map` has it.
    """
    check_jobs(n_jobs)
    if store is not None:
        check_pathlike("store", store)
    began = time.perf_counter()
    names, grid = list(measurement.names), Grid(axes, 1)
    attrs = {**attrs, "error": error, "points_seed": seed}
    made_from = {name: value for name, value in attrs.items() if name not in ROUNDED}
    job = {**made_from, "axes": {name: axis.tolist() for name, axis in axes.items()}, "names": names}
    kept = Store(store, grid, names, job) if store is not None else None
    done = kept.read() if kept else {}
    plane, stopped = Refinement(axes, [RATIO], error, seed, unit=1.0), ""
    with progress_bar(plane.size, progress) as bar:
        while not stopped:
            for number, values in _measured(measurement, grid, plane.next_points(), done, n_jobs):
                if kept and number not in done:
                    kept.write(number, values)
                done[number] = values
                ratio = min(float(values[RATIO][0]), _CEILING)  # NaN stays NaN
                plane.add(number, Estimate({RATIO: ratio}, {RATIO: 0.0}, 0.0, 1))
                bar.update()
            plane.interpolate()
            stopped = plane.finished()
    account = {"estimated_error": plane.estimated_error, "points": len(plane.estimates), STOPPED: stopped}
    return _dataset(plane, names, done).assign_attrs({**attrs, **account, **ran_since(began)})


def _measured(
    measurement: Measurement, grid: Grid, wanted: Sequence[int], done: Mapping[int, Values], n_jobs: int | None
) -> Iterator[tuple[int, Values]]:
    """The values of points, those that a store has first."""
    yield from ((number, done[number]) for number in wanted if number in done)
    yield from measured_pieces(measurement, grid, [number for number in wanted if number not in done], n_jobs)


def _dataset(plane: Refinement, names: Sequence[str], done: Mapping[int, Values]) -> xr.Dataset:
    """Measured values, and between them the interpolated ratio alone: no eigenvalue is made up."""
    columns = {name: np.full(plane.size, np.nan) for name in names}
    columns[PRODUCTS] = np.zeros(plane.size)
    columns[RATIO] = np.clip(plane.value_at(plane.heights), 0, None)
    for number in plane.estimates:
        for name in names:
            columns[name][number] = done[number][name][0]
    columns |= {MEASURED: plane.measured, _RATIO_ERROR: plane.errors}
    grids = {name: (DIMS, column.reshape(plane.shape)) for name, column in columns.items()}
    return xr.Dataset(grids, dict(plane.axes))
