"""What a store holds, as a file for other programs: a page, ParaView, a spreadsheet, HDF5, netCDF or NumPy."""

import io
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape_nb._common.checks import check_choice
from landscape_nb._common.paths import local_path, write_whole
from landscape_nb.surfaces.store import JOB

_COORDS = ("alpha", "beta")
_ATTRS = "attrs"


def export(store: str | PathLike[str], to: str | None = None, out: str | PathLike[str] | None = None) -> Path:
    """Write the values of a store into a file of another format.

    Args:
        store: The directory that an evaluator was given as `store=`.
        to: `'html'` (a page to turn, or a curve, that needs no network), `'vtk'` (ParaView; the height is log₁₀ of
            the loss), `'csv'` (a row a point), `'npz'` (NumPy), `'nc'` (netCDF 3) or `'h5'` (HDF5, as the paper's
            authors name its arrays: `xcoordinates`, `ycoordinates`, `train_loss`; it needs h5py). Default what the
            ending of `out` says, or else `'html'`.
        out: The file; default the store's name with the format's ending, beside it.

    Returns:
        The file.

    Raises:
        TypeError: A path is neither a string nor a path.
        ValueError: There is not a store, it holds neither a line nor a plane that this format can hold, the
            format does not exist, or `out` is there and is not a file.
        ImportError: h5py is not installed.
        OSError: The file cannot be written; nothing is left of it.

    Example:
        >>> import tempfile, torch, landscape_nb as lnb
        >>> model = torch.nn.Linear(2, 2)
        >>> objective = lnb.Objective(model, (torch.ones(4, 2), torch.tensor([0, 1, 0, 1])))
        >>> store = tempfile.mkdtemp() + "/line.zarr"
        >>> _ = lnb.evaluate_line(objective, *lnb.random_directions(model, 1), store=store, progress=False)
        >>> export(store, "csv").name
        'line.csv'
    """
    path, file = local_path("store", store), None if out is None else local_path("out", out)
    if to is None:
        ending = file.suffix[1:].lower() if file else ""
        to = ending if ending in _WRITERS else "html"
    check_choice("to", to, tuple(_WRITERS))
    values = _read(path)
    if file is None:
        file = path.with_name(f"{path.name.removesuffix('.zarr')}.{to}")
    if file.exists() and not file.is_file():
        raise ValueError(f"out: {file} is there, and is not a file")
    return write_whole("out", file, _WRITERS[to](values))


def _read(path: Path) -> xr.Dataset:
    try:
        values = xr.open_zarr(path, consolidated=False).load()
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"store: got {path}, wants the directory of a store that an evaluator wrote") from error
    if not set(values.dims) & set(_COORDS):
        raise ValueError(f"store: got {path} with the dimensions {list(values.dims)}, wants a line or a plane")
    return values[[name for name in values.data_vars if "piece" not in values[name].dims]]


def _html(values: xr.Dataset) -> bytes:
    import plotly.graph_objects as go

    from landscape_nb.plotting import plotly_surface

    loss = _mean(_loss_of(values, "html"))
    if "beta" in loss.dims:
        figure = plotly_surface(loss)
    else:
        figure = go.Figure(go.Scatter(x=loss.alpha.values, y=loss.values))
        figure.update_layout(xaxis_title="α", yaxis_title="loss")
    return figure.to_html(include_plotlyjs=True).encode()


def _loss_of(values: xr.Dataset, to: str) -> xr.DataArray:
    if "loss" not in values:
        raise ValueError(f"to: {to!r} draws a loss, and the store holds {', '.join(map(str, values.data_vars))}")
    return values["loss"]


def _mean(values: xr.DataArray) -> xr.DataArray:
    """The mean over draws, if there are several."""
    return values.mean([dim for dim in values.dims if dim not in _COORDS])


_HIDDEN_POINT = 2
"""VTK's `HIDDENPOINT`: cells around such a point are not drawn."""


def _vtk(values: xr.Dataset) -> bytes:
    """A structured grid in VTK's legacy text format: x and y are the coordinates, z is log₁₀ of the loss.

    Points without a height are hidden.
    """
    if "beta" not in values.dims:
        raise ValueError("to: 'vtk' wants a plane, and the store holds a line")
    _loss_of(values, "vtk")
    names = [name for name in values.data_vars if set(values[name].dims) >= set(_COORDS)]
    means = {name: _mean(values[name]) for name in names}
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(means["loss"].transpose("beta", "alpha").values)
    hidden = ~np.isfinite(heights)
    if hidden.all():
        raise ValueError("store: no point of the plane has a loss above 0 that is finite, and 'vtk' draws log₁₀ of it")
    heights[hidden] = heights[~hidden].min()
    beta, alpha = np.meshgrid(values.beta, values.alpha, indexing="ij")
    points = np.stack([alpha, beta, heights], -1).reshape(-1, 3)
    lines = [
        "# vtk DataFile Version 3.0", "loss landscape", "ASCII", "DATASET STRUCTURED_GRID",
        f"DIMENSIONS {values.sizes['alpha']} {values.sizes['beta']} 1", f"POINTS {len(points)} double",
        *(f"{x:.9g} {y:.9g} {z:.9g}" for x, y, z in points), f"POINT_DATA {len(points)}",
    ]  # fmt: skip
    for name, mean in means.items():
        lines += [f"SCALARS {'_'.join(str(name).split())} double 1", "LOOKUP_TABLE default"]
        lines += [f"{value:.9g}" for value in mean.transpose("beta", "alpha").values.ravel()]
    if hidden.any():
        lines += ["SCALARS vtkGhostType unsigned_char 1", "LOOKUP_TABLE default"]
        lines += [str(_HIDDEN_POINT * int(point)) for point in hidden.ravel()]
    return ("\n".join(lines) + "\n").encode()


def _csv(values: xr.Dataset) -> bytes:
    return values.to_dataframe().to_csv().encode()


def _npz(values: xr.Dataset) -> bytes:
    arrays: dict[str, Any] = {str(name): values[name].values for name in values.variables}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays | {_ATTRS: np.array(_attrs(values))})
    return buffer.getvalue()


def _nc(values: xr.Dataset) -> bytes:
    if odd := [name for name in map(str, values.variables) if not name.isascii()]:
        raise ValueError(f"to: 'nc' holds names of ASCII letters, not {odd[0]!r}; wants another format, or name")
    return bytes(values.drop_attrs().assign_attrs({_ATTRS: _attrs(values)}).to_netcdf(engine="scipy"))


def _h5(values: xr.Dataset) -> bytes:
    try:
        import h5py
    except ImportError as error:
        raise ImportError("to: 'h5' needs h5py: python -m pip install 'landscape-nb[export]'") from error
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as found:
        names = {"alpha": "xcoordinates", "beta": "ycoordinates", "loss": "train_loss"}
        for name in values.variables:
            found[names.get(str(name), str(name))] = values[name].values
        found.attrs[_ATTRS] = _attrs(values)
    return buffer.getvalue()


def _attrs(values: xr.Dataset) -> str:
    """What the values were measured from, as the JSON that the store keeps: these formats hold no lists or dicts."""
    return values.attrs.get(JOB, "{}")


_WRITERS: dict[str, Callable[[xr.Dataset], bytes]] = {
    "html": _html,
    "vtk": _vtk,
    "csv": _csv,
    "npz": _npz,
    "nc": _nc,
    "h5": _h5,
}
