"""Every format holds the values of the store, read back by a program that is not ours."""

import io
import json
import os
import shutil

import numpy as np
import pytest
import torch.nn.functional as F
import xarray as xr
from click.testing import CliRunner
from helpers import batch_norm_net, small_data

import landscape_nb as lnb
from landscape_nb.__main__ import FORMATS, main
from landscape_nb.course.export import _WRITERS, export


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A line of two draws and a plane of different axes, in stores."""
    folder = tmp_path_factory.mktemp("stores")
    objective = lnb.Objective(batch_norm_net(), small_data(), F.cross_entropy, {"accuracy": lnb.accuracy}, 16)
    directions = lnb.random_directions(objective.model, 2)
    lnb.evaluate_line(objective, directions[0], resolution=5, store=folder / "line.zarr", progress=False)
    extent, size = [(-1, 1), (-0.5, 0.5)], (5, 3)
    plane = lnb.evaluate_plane(objective, directions, extent, size, store=folder / "plane.zarr", progress=False)
    return folder, plane


def test_formats_are_those_of_the_command():
    assert tuple(_WRITERS) == FORMATS


def test_numpy_reads_the_values_and_where_they_come_from(stores, tmp_path):
    folder, plane = stores
    with np.load(export(folder / "plane.zarr", "npz", tmp_path / "p.npz")) as found:
        for name in ("alpha", "beta", "loss", "accuracy"):
            np.testing.assert_array_equal(found[name], plane[name].values)
        assert json.loads(str(found["attrs"]))["axes"]["beta"] == [-0.5, 0, 0.5]


def test_a_spreadsheet_has_a_row_a_point(stores, tmp_path):
    import pandas as pd

    folder, plane = stores
    rows = pd.read_csv(export(folder / "plane.zarr", "csv", tmp_path / "p.csv"))
    assert len(rows) == 15
    for row in rows.itertuples():
        assert row.loss == pytest.approx(float(plane.loss.sel(alpha=row.alpha, beta=row.beta)), rel=1e-12)


def test_netcdf_is_read_by_scipy(stores, tmp_path):
    folder, plane = stores
    found = xr.open_dataset(export(folder / "plane.zarr", "nc", tmp_path / "p.nc"), engine="scipy")
    np.testing.assert_array_equal(found.loss.values, plane.loss.values)
    assert json.loads(found.attrs["attrs"])["axes"]["beta"] == [-0.5, 0, 0.5]


def test_hdf5_has_the_arrays_of_the_papers_authors(stores, tmp_path):
    import h5py

    folder, plane = stores
    with h5py.File(export(folder / "plane.zarr", "h5", tmp_path / "p.h5")) as found:
        np.testing.assert_array_equal(found["xcoordinates"], plane.alpha.values)
        np.testing.assert_array_equal(found["ycoordinates"], plane.beta.values)
        np.testing.assert_array_equal(found["train_loss"], plane.loss.values)


def test_paraview_gets_a_grid_whose_height_is_the_log_of_the_loss(stores, tmp_path):
    folder, plane = stores
    lines = export(folder / "plane.zarr", "vtk", tmp_path / "p.vtk").read_text().splitlines()
    assert lines[:5] == [
        "# vtk DataFile Version 3.0", "loss landscape", "ASCII", "DATASET STRUCTURED_GRID", "DIMENSIONS 5 3 1",
    ]  # fmt: skip
    points = np.loadtxt(io.StringIO("\n".join(lines[6:21])))
    at = lines.index("SCALARS loss double 1")
    losses = np.array(lines[at + 2 : at + 17], dtype=float)
    for (alpha, beta, height), loss in zip(points, losses, strict=True):
        wanted = float(plane.loss.sel(alpha=alpha, beta=beta, method="nearest"))
        assert (height, loss) == (pytest.approx(np.log10(wanted), rel=1e-6), pytest.approx(wanted, rel=1e-6))


def test_vtk_hides_points_without_a_height(tmp_path):
    loss = np.full((3, 3), 100.0)
    loss[1, 1] = np.nan
    plane = xr.Dataset({"loss": (("alpha", "beta"), loss)}, {"alpha": [-1.0, 0, 1], "beta": [-1.0, 0, 1]})
    lines = _WRITERS["vtk"](plane).decode().splitlines()
    heights = np.loadtxt(io.StringIO("\n".join(lines[6:15])))[:, 2]
    assert heights == pytest.approx([2.0] * 9)
    at = lines.index("SCALARS vtkGhostType unsigned_char 1")
    assert [int(value) for value in lines[at + 2 : at + 11]] == [0, 0, 0, 0, 2, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="no point of the plane has a loss above 0"):
        _WRITERS["vtk"](plane * np.nan)


@pytest.mark.parametrize("store", ["line", "plane"])
def test_a_page_stands_alone(stores, tmp_path, page, store):
    path = export(stores[0] / f"{store}.zarr", "html", tmp_path / "p.html")
    page.goto(path.as_uri())
    assert page.locator(".js-plotly-plot .main-svg").count() > 0


def test_the_command_writes_beside_the_store(stores):
    folder, _ = stores
    done = CliRunner().invoke(main, ["export", str(folder / "line.zarr"), "--to", "csv"])
    assert done.output.strip() == str(folder / "line.csv")
    assert (folder / "line.csv").exists()


@pytest.mark.parametrize(
    ("store", "to", "message"),
    [
        ("line.zarr", "vtk", "to: 'vtk' wants a plane"),
        ("line.zarr", "png", "to: got 'png'"),
        ("nowhere.zarr", "csv", "store: got .*nowhere.zarr, wants the directory of a store"),
        ("s3://bucket/x.zarr", "csv", "store: got 's3://bucket/x.zarr'"),
    ],
)
def test_what_cannot_be_exported_is_said_and_nothing_is_written(stores, tmp_path, store, to, message):
    path = store if "://" in store else stores[0] / store
    with pytest.raises(ValueError, match=message):
        export(path, to, tmp_path / "out" / "file")
    assert not (tmp_path / "out").exists()


def test_the_name_of_a_file_says_its_format(stores, tmp_path):
    store = stores[0] / "line.zarr"
    assert export(store, out=tmp_path / "a.CSV").read_text().startswith("alpha,")
    assert export(store, out=tmp_path / "a.txt").read_text().startswith("<!doctype html>")
    assert export(store, "csv", tmp_path / "a.html").read_text().startswith("alpha,")


def test_a_stores_name_may_have_points(stores, tmp_path):
    for name in ("run_lr0.1", "run_lr0.05", "run.zarr"):
        shutil.copytree(stores[0] / "line.zarr", tmp_path / name)
    names = [export(tmp_path / name, "csv").name for name in ("run_lr0.1", "run_lr0.05", "run.zarr")]
    assert names == ["run_lr0.1.csv", "run_lr0.05.csv", "run.csv"]


def test_what_is_not_a_file_is_not_replaced(stores, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path):
        with pytest.raises(ValueError, match="out: .* is there, and is not a file"):
            export(stores[0] / "line.zarr", "csv", path)
    assert (tmp_path / "pipe.csv").is_fifo()


def test_names_and_values_that_a_format_cannot_hold_are_told():
    plane = xr.Dataset({"top 1": (("alpha", "beta"), np.ones((2, 2)))}, {"alpha": [0.0, 1], "beta": [0.0, 1]})
    for to in ("html", "vtk"):
        with pytest.raises(ValueError, match=f"to: '{to}' draws a loss, and the store holds top 1"):
            _WRITERS[to](plane)
    assert b"SCALARS top_1 double 1" in _WRITERS["vtk"](plane.assign(loss=plane["top 1"]))
    with pytest.raises(ValueError, match="to: 'nc' holds names of ASCII letters, not 'λ'"):
        _WRITERS["nc"](plane.rename({"top 1": "λ"}))
