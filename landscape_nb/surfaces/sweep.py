"""Runs a measurement over a grid of points, in pieces: resumable, in several processes, with a progress bar."""

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Protocol

import cloudpickle
import joblib
import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from landscape_nb._common.allocator import give_back
from landscape_nb._common.checks import check_kind, check_pathlike
from landscape_nb._common.progress import progress_bar
from landscape_nb._common.provenance import ran_since
from landscape_nb._common.schema import ROUNDED, Values
from landscape_nb.surfaces.grid import Axes, Grid
from landscape_nb.surfaces.store import Store
from landscape_nb.surfaces.workers import parallel

_MOST_JOBS = 1024


class Measurement(Protocol):
    """What is measured at points: a function of their coordinates, and the names of its values."""

    @property
    def names(self) -> Sequence[str]:
        """The names of its values."""
        ...

    def __call__(self, points: Float[np.ndarray, "points axes"]) -> Values:
        """The values at points, each given by its coordinates."""
        ...


def sweep(
    measurement: Measurement,
    axes: Axes,
    attrs: Mapping[str, object],
    store: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Measure at every point of a grid.

    Args:
        measurement: What is measured.
        axes: Coordinates of each dimension, by name.
        attrs: What the result is made from; it goes into the result's `attrs`, and a store made from
            anything else is refused.
        store: A Zarr path that keeps finished pieces; pieces found there are not measured again.
        n_jobs: Processes, as joblib counts them; None measures in this one, unless
            `joblib.parallel_config` says otherwise. Each process uses one thread. Workers on other
            machines must see this machine's temporary directory.
        progress: Whether to show a progress bar.

    Returns:
        The values over the dimensions of `axes`.

    Raises:
        TypeError: `store` is not a path.
        ValueError: The store was made from something else, is damaged, or cannot have that path or those names;
            or `n_jobs` is not a number of processes.
        OSError: The store cannot be read or written.
    """
    check_jobs(n_jobs)
    check_kind("progress", progress, bool, "True or False")
    if store is not None:
        check_pathlike("store", store)
    began = time.perf_counter()
    names, grid = list(measurement.names), Grid(axes)
    made_from = {name: value for name, value in attrs.items() if name not in ROUNDED}
    job = {**made_from, "axes": {name: axis.tolist() for name, axis in axes.items()}, "names": names}
    kept = Store(store, grid, names, job) if store is not None else None
    done = kept.read() if kept else {}
    todo = [number for number in range(grid.pieces) if number not in done]
    values = {name: np.full(grid.shape, np.nan) for name in names}
    try:
        with progress_bar(grid.pieces, progress, len(done)) as bar:
            for number, piece in measured_pieces(measurement, grid, todo, n_jobs):
                if kept:
                    kept.write(number, piece)
                done[number] = piece
                bar.update()
    except KeyboardInterrupt:  # raised anew: where in torch it came is two hundred lines that help nobody
        where = f"; they are in {kept.path}, and the same call goes on from there" if kept else ""
        raise KeyboardInterrupt(f"stopped after {len(done)} of {grid.pieces} pieces{where}") from None
    give_back()
    for number, piece in done.items():
        for name in names:
            values[name][grid.index(number)] = piece[name]
    columns = {name: (tuple(axes), value) for name, value in values.items()}
    return xr.Dataset(columns, dict(axes), {**attrs, **ran_since(began)})


def check_jobs(n_jobs: object) -> None:
    """Raise a `ValueError` unless this is a number of processes, as joblib counts them.

    Example:
        >>> check_jobs(0)
        Traceback (most recent call last):
        ValueError: n_jobs: got 0, wants a number of processes from 1 up to 1024, -1 for one a core, or None
    """
    whole = isinstance(n_jobs, int | np.integer) and not isinstance(n_jobs, bool)
    if n_jobs is not None and not (whole and n_jobs and abs(n_jobs) <= _MOST_JOBS):
        raise ValueError(
            f"n_jobs: got {n_jobs!r}, wants a number of processes from 1 up to {_MOST_JOBS}, -1 for one a core, or None"
        )


def measured_pieces(
    measurement: Measurement, grid: Grid, todo: Sequence[int], n_jobs: int | None
) -> Iterator[tuple[int, Values]]:
    """Measure pieces, here or in other processes, which read the measurement from a file once.

    Args:
        measurement: What is measured.
        grid: The grid, which says what a piece is.
        todo: The numbers of the pieces.
        n_jobs: Processes, as in `sweep`.

    Yields:
        A piece's number and its values, in the order in which they are done.
    """
    runner = parallel(n_jobs, len(todo))
    if runner is None:
        yield from ((number, measurement(grid.points(number))) for number in todo)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measurement"
        path.write_bytes(_pickled(measurement))
        yield from runner(joblib.delayed(_piece)(str(path), number, grid.points(number)) for number in todo)


def _pickled(measurement: Measurement) -> bytes:
    try:
        return cloudpickle.dumps(measurement)
    except Exception as error:
        raise ValueError(f"n_jobs: the model, its data or a metric cannot be sent to processes ({error})") from error


def _piece(path: str, number: int, points: Float[np.ndarray, "points axes"]) -> tuple[int, Values]:
    """Measure a piece in a worker, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return number, _loaded(path)(points)
    finally:
        torch.set_num_threads(threads)


class _Loaded(threading.local):
    """The measurement that a thread read last: threads have one each, for a model's weights are swapped in place."""

    path: str = ""
    measurement: Measurement


_LOADED = _Loaded()


def _loaded(path: str) -> Measurement:
    if _LOADED.path != path:
        _LOADED.path, _LOADED.measurement = path, cloudpickle.loads(Path(path).read_bytes())
    return _LOADED.measurement
