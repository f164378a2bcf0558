"""A growing Zarr store of measured values: what is finished survives a kill, what is damaged is measured again."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from landscape_nb._common.hashing import hashed
from landscape_nb._common.paths import check_array_names, local_path, made_beside
from landscape_nb._common.schema import Values
from landscape_nb.surfaces.grid import Grid

_CHECKSUMS = "piece_checksum"
_PIECES = "piece"
JOB = "landscape_nb_job"
"""The attribute that says, as JSON, what the values were measured from."""


class RefusedStoreError(ValueError):
    """What lies at a store's path is damaged, or was made from something else."""


class Store:
    """Values over a grid, on disk, piece by piece: a piece is a run of points along the last axis.

    A piece counts once its checksum, written last, matches its values. Any Zarr reader can open the
    store while it grows; values that are not there yet are NaN.

    Args:
        path: The store's directory; it is made if it is not there. `~` is the home directory.
        grid: The grid, which says what a piece is.
        names: Names of the values.
        job: What determines the values; a store made from another job is refused.

    Raises:
        TypeError: `path` is neither a string nor a path.
        ValueError: `path` is a URL, is damaged, is not a store of this package, or was made from another
            job; or a name cannot be an array's.
        OSError: The store cannot be read or written.

    Example:
        >>> import tempfile
        >>> path, grid = tempfile.mkdtemp() + "/line.zarr", Grid({"alpha": np.arange(10.0)})
        >>> store = Store(path, grid, ["loss"], {"seed": 0})
        >>> store.write(1, {"loss": np.array([5.0, 6.0])})
        >>> Store(path, grid, ["loss"], {"seed": 0}).read()
        {1: {'loss': array([5., 6.])}}
    """

    def __init__(self, path: str | PathLike[str], grid: Grid, names: Sequence[str], job: Mapping[str, object]):
        self.path, self.grid, self.names = local_path("store", path), grid, list(names)
        check_array_names(self.names, {*grid.axes, _CHECKSUMS, _PIECES})
        with self._told("made"):
            if not self.path.exists():
                self._create(job)
        with self._told("read"):
            group = self._open()
            self._check_job(group, job)
            self._arrays = {name: self._checked(group, name, wanted) for name, wanted in self._metadata().items()}
        with self._told("written"):
            self._mend_coordinates()

    def read(self) -> dict[int, Values]:
        """The values of every finished and undamaged piece, by number."""
        return {number: values for number in self._begun() if (values := self._read_piece(number)) is not None}

    def _begun(self) -> list[int]:
        """Pieces whose checksum has a file: to ask Zarr for each of thousands that are not there takes seconds."""
        files = self.path / _CHECKSUMS / "c"
        names = [entry.name for entry in os.scandir(files)] if files.is_dir() else []
        return sorted(int(name) for name in names if name.isdecimal() and int(name) < self.grid.pieces)

    def write(self, number: int, values: Values) -> None:
        """Write a finished piece.

        Raises:
            OSError: It cannot be written.
        """
        index = self.grid.index(number)
        with self._told("written"):
            for name in self.names:
                self._arrays[name][index] = values[name]
            self._arrays[_CHECKSUMS][number] = self._checksum(values)

    def _create(self, job: Mapping[str, object]) -> None:
        """Make the store beside its path and move it there, so that there is never half of one."""
        import zarr

        with made_beside(self.path) as making:
            group = zarr.create_group(making, zarr_format=3, attributes={JOB: json.dumps(dict(job))})
            for name, wanted in self._metadata().items():
                array = group.create_array(
                    name,
                    shape=wanted["shape"],
                    chunks=wanted["chunks"],
                    dtype=wanted["type"],
                    fill_value=np.nan if np.dtype(wanted["type"]).kind == "f" else 0,
                    dimension_names=wanted["dimensions"],
                )
                if name in self.grid.axes:
                    array[:] = self.grid.axes[name]

    @property
    def _chunk(self) -> tuple[int, ...]:
        return (*(1 for _ in self.grid.shape[:-1]), self.grid.piece)

    def _metadata(self) -> dict[str, dict[str, Any]]:
        """What the metadata of each array say."""
        metadata: dict[str, dict[str, Any]] = {
            name: {
                "dimensions": tuple(self.grid.axes),
                "shape": self.grid.shape,
                "chunks": self._chunk,
                "type": np.dtype(np.float64),
                "filling": "nan",
            }
            for name in self.names
        }
        numbers: dict[str, Any] = {"dimensions": (_PIECES,), "shape": (self.grid.pieces,), "chunks": (1,)}
        metadata[_CHECKSUMS] = numbers | {"type": np.dtype(np.uint64), "filling": "0"}
        for name, axis in self.grid.axes.items():
            metadata[name] = {"dimensions": (name,), "shape": axis.shape, "chunks": axis.shape, "type": axis.dtype}
        return metadata

    def _open(self):
        """The Zarr group; zarr is imported when a store is first asked for, for it takes 30 MB."""
        import zarr

        # A group of Zarr's version 2 may name filters that unpickle, and so run code: it is never opened.
        with self._damage("zarr.json", " or is not a store of landscape-nb"):
            return zarr.open_group(self.path, mode="r+", zarr_format=3, use_consolidated=False)

    def _check_job(self, group, job: Mapping[str, object]) -> None:
        with self._damage("zarr.json", " or is not a store of landscape-nb"):
            text = group.attrs[JOB]
        with self._damage(f"zarr.json, {JOB}"):
            found = dict(json.loads(text).items())
        differs = [key for key in {**found, **job} if _canonical(found.get(key)) != _canonical(job.get(key))]
        if differs:
            changes = "; ".join(f"{key}: {found.get(key)!r} there, {job.get(key)!r} here" for key in differs)
            raise RefusedStoreError(f"store: {self.path} was made from something else ({changes}); name another path")

    def _checked(self, group, name: str, wanted: Mapping[str, object]):
        """An array of the group, if its metadata say what is wanted, and only chunks are where chunks belong."""
        with self._damage(f"{name}/zarr.json"):
            array = group[name]
            found = {
                "dimensions": array.metadata.dimension_names,
                "shape": array.shape,
                "chunks": array.chunks,
                "type": array.dtype,
                "filling": str(array.fill_value),
            }
            dict.items(array.metadata.attributes)  # nothing in them is used, but other readers fail over no dict
            for what, value in wanted.items():
                if found[what] != value:
                    raise ValueError(f"{what} {found[what]}, not {value}")
        with self._damage(name):
            _check_kinds(self.path / name / "c", array.ndim)
        return array

    def _mend_coordinates(self) -> None:
        """Write coordinates again where the store has others: they are known."""
        for name, axis in self.grid.axes.items():
            found = self._read(name, slice(None))
            if found is None or not np.array_equal(found, axis):
                self._arrays[name][:] = axis

    def _read_piece(self, number: int) -> Values | None:
        """The values of a piece, or None if it is not finished or does not match its checksum."""
        found = {name: self._read(name, self.grid.index(number)) for name in self.names}
        values = {name: value for name, value in found.items() if value is not None}
        written = self._read(_CHECKSUMS, number)
        if written is None or len(values) < len(found):
            return None
        return values if written and int(written) == self._checksum(values) else None

    def _read(self, name: str, index: object) -> Shaped[np.ndarray, "..."] | None:
        """Values of an array, or None where its file cannot be read."""
        try:
            return np.asarray(self._arrays[name][index])
        except (OSError, ValueError, RuntimeError):
            return None

    def _checksum(self, values: Values) -> int:
        content = (_one_nan(np.asarray(values[name], np.float64)).tobytes() for name in self.names)
        return int.from_bytes(hashed(content, 8), "little") | 1

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """An error of the file system names the store."""
        try:
            yield
        except OSError as error:
            raise OSError(f"store: {self.path} cannot be {done} ({error})") from error

    @contextmanager
    def _damage(self, where: str, otherwise: str = "") -> Iterator[None]:
        """What is raised inside is damage, unless the file system or memory fails.

        What Zarr raises over garbled metadata is not documented, and is nearly anything: all of it is
        caught here, around nothing but the reading of metadata.
        """
        try:
            yield
        except Exception as error:
            wrong_kind = FileNotFoundError | FileExistsError | IsADirectoryError | NotADirectoryError
            if isinstance(error, OSError | MemoryError) and not isinstance(error, wrong_kind):
                raise
            what = f"{where}: {type(error).__name__}: {error}"
            raise RefusedStoreError(
                f"store: {self.path} is damaged ({what}){otherwise}; delete it or name another path"
            ) from error


def _check_kinds(chunks: Path, depth: int) -> None:
    """Raise unless chunks are files, in directories: nothing else can be written over."""
    if depth == 0 or not os.path.lexists(chunks):
        return
    for entry in os.scandir(chunks):
        if entry.is_dir() != (depth > 1):
            raise ValueError(f"{entry.path} is {'a directory' if entry.is_dir() else 'a file'}")
        if depth > 1:
            _check_kinds(Path(entry.path), depth - 1)


def _canonical(value: object) -> str:
    """A value as text, so that NaN equals NaN and a tuple its list."""
    return json.dumps(value, sort_keys=True)


def _one_nan(values: Shaped[np.ndarray, "points"]) -> Shaped[np.ndarray, "points"]:
    """The values with NaNs of any sign made the same: Zarr does not keep their bits."""
    return np.where(np.isnan(values), np.nan, values)
