"""A growing Zarr store of measured values: what is finished survives a kill, what is damaged is measured again."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Shaped

from landscape_nb.grid import Grid

_CHECKSUMS = "piece_checksum"
Values = Mapping[str, Shaped[np.ndarray, "points"]]


class Store:
    """Values over a grid, on disk, piece by piece: a piece is a run of points along the last axis.

    A piece counts once its checksum, written last, matches its values. Any Zarr reader can open the
    store while it grows; values that are not there yet are NaN.

    Args:
        path: The store's directory; it is made if it is not there.
        grid: The grid, which says what a piece is.
        names: Names of the values.
        job: What determines the values; a store made from another job is refused.

    Raises:
        ValueError: `path` is no store of this package, or was made from another job.

    Example:
        >>> import tempfile
        >>> path, grid = tempfile.mkdtemp() + "/line.zarr", Grid({"alpha": np.arange(10.0)})
        >>> store = Store(path, grid, ["loss"], {"seed": 0})
        >>> store.write(1, {"loss": np.array([5.0, 6.0])})
        >>> Store(path, grid, ["loss"], {"seed": 0}).read()
        {1: {'loss': array([5., 6.])}}
    """

    def __init__(self, path: str | PathLike[str], grid: Grid, names: Sequence[str], job: Mapping[str, object]):
        self.path, self.grid, self.names = Path(path), grid, list(names)
        if not self.path.exists():
            self._create(job)
        self._check(job)
        self.group = _open(self.path, "r+")

    def read(self) -> dict[int, dict[str, Shaped[np.ndarray, "points"]]]:
        """The values of every finished and undamaged piece, by number."""
        return {
            number: values for number in range(self.grid.pieces) if (values := self._read_piece(number)) is not None
        }

    def write(self, number: int, values: Values) -> None:
        """Write a finished piece."""
        place = self.grid.place(number)
        for name in self.names:
            self.group[name][place] = values[name]
        self.group[_CHECKSUMS][number] = self._checksum(values)

    def _create(self, job: Mapping[str, object]) -> None:
        """Make the store beside its place and move it there, so that there is never half of one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        making = self.path.with_name(f"{self.path.name}.making-{uuid.uuid4().hex}")
        empty = {name: (tuple(self.grid.axes), np.full(self.grid.shape, np.nan)) for name in self.names}
        checksums = {_CHECKSUMS: ("piece", np.zeros(self.grid.pieces, np.uint64))}
        attrs = {"landscape_nb_job": json.dumps(dict(job))}
        chunk = (*(1 for _ in self.grid.shape[:-1]), self.grid.piece)
        chunks = {name: {"chunks": chunk} for name in self.names}
        chunks[_CHECKSUMS] = {"chunks": (1,)}
        dataset = xr.Dataset(empty | checksums, dict(self.grid.axes), attrs)
        dataset.to_zarr(making, encoding=chunks, consolidated=False, zarr_format=3)
        try:
            making.rename(self.path)
        except OSError:  # another process was faster: its store is checked like any other
            shutil.rmtree(making)
            if not self.path.exists():
                raise

    def _check(self, job: Mapping[str, object]) -> None:
        try:
            found = json.loads(_open(self.path, "r").attrs["landscape_nb_job"])
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(f"store: {self.path} is not a store of landscape-nb ({error!r})") from error
        differs = [key for key in {**found, **job} if _canonical(found.get(key)) != _canonical(job.get(key))]
        if differs:
            changes = "; ".join(f"{key}: {found.get(key)!r} there, {job.get(key)!r} here" for key in differs)
            raise ValueError(f"store: {self.path} was made from something else ({changes}); name another path")

    def _read_piece(self, number: int) -> dict[str, Shaped[np.ndarray, "points"]] | None:
        """The values of a piece, or None if it is not finished or does not match its checksum."""
        try:
            values = {name: np.asarray(self.group[name][self.grid.place(number)]) for name in self.names}
            written = int(self.group[_CHECKSUMS][number])
        except (OSError, ValueError, RuntimeError):
            return None
        return values if written and written == self._checksum(values) else None

    def _checksum(self, values: Values) -> int:
        content = b"".join(_one_nan(np.asarray(values[name], np.float64)).tobytes() for name in self.names)
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") | 1


def _canonical(value: object) -> str:
    """A value as text, so that NaN equals NaN and a tuple its list."""
    return json.dumps(value, sort_keys=True)


def _one_nan(values: Shaped[np.ndarray, "points"]) -> Shaped[np.ndarray, "points"]:
    """The values with NaNs of any sign made the same: Zarr does not keep their bits."""
    return np.where(np.isnan(values), np.nan, values)


def _open(path: Path, mode: str):
    """The Zarr group at a path; zarr is imported when a store is first asked for, for it takes 30 MB."""
    import zarr

    return zarr.open_group(path, mode=mode)
