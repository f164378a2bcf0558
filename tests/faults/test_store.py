"""A store survives kill -9 at any moment, refuses what it was not made from, and heals what is damaged."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from helpers import batch_norm_net, small_data

import landscape_nb as lnb
from landscape_nb.surfaces.lines_planes import _Around

_KILLED = """
import sys, time, torch
import landscape_nb as lnb
from landscape_nb.surfaces.store import Store

torch.set_num_threads(1)
write, left = Store.write, int(sys.argv[2])

def write_some(*args):
    global left
    if not left:
        time.sleep(1000)
    left -= 1
    write(*args)

Store.write = write_some
model = lnb.models.mlp((12,), channels=1, image_size=8)
images = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
objective = lnb.Objective(model, (images, torch.arange(50) % 10))
directions = lnb.random_directions(model, 2)

plane = lnb.evaluate_plane(objective, directions, resolution=(12, 5), store=sys.argv[1], progress=False)
print(plane.loss.values.tobytes().hex(), plane.loss_stderr.values.tobytes().hex())
"""


def run(store, pieces):
    """A process that writes so many pieces and then waits."""
    command = [sys.executable, "-c", _KILLED, str(store), str(pieces)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finished(store):
    return int((xr.open_zarr(store, consolidated=False).piece_checksum.values > 0).sum())


def wait_for(condition):
    deadline = time.monotonic() + 600
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_killed_twice_ends_as_if_never_killed(tmp_path):
    store = tmp_path / "killed.zarr"
    for pieces in (2, 5):
        process = run(store, 3)
        wait_for(lambda pieces=pieces: store.exists() and finished(store) >= pieces)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reader = xr.open_zarr(store, consolidated=False)
        assert 0 < int(reader.loss.notnull().sum()) < reader.loss.size
    outputs = [run(path, 100).communicate()[0] for path in (store, tmp_path / "whole.zarr")]
    assert outputs[0] == outputs[1] != ""


@pytest.fixture
def plane(objective, tmp_path):
    directions = lnb.random_directions(objective.origin, 2)

    def measure(resolution=(6, 4), **changes):
        arguments = {"directions": directions, "store": tmp_path / "a.zarr", "progress": False} | changes
        return lnb.evaluate_plane(arguments.pop("objective", objective), resolution=resolution, **arguments)

    return measure


def test_what_is_stored_is_not_measured_again(plane, monkeypatch):
    first = plane()
    monkeypatch.setattr(_Around, "__call__", lambda *_: pytest.fail("measured"))
    xr.testing.assert_identical(first.drop_attrs(), plane().drop_attrs())


def test_values_of_any_kind_are_kept(plane, monkeypatch):
    """Zero, negative, NaN and infinity are values, not gaps."""
    values = np.array([0.0, -1.0, np.nan, np.inf])
    with monkeypatch.context() as patch:
        patch.setattr(_Around, "__call__", lambda self, _: dict.fromkeys(self.names, values))
        first = plane()
    np.testing.assert_array_equal(first.loss[3], values)
    monkeypatch.setattr(_Around, "__call__", lambda *_: pytest.fail("measured"))
    xr.testing.assert_identical(first.drop_attrs(), plane().drop_attrs())


def damage(path, how):
    if how == "delete":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content if how == "flip" else content[: len(content) // 2])


@pytest.mark.parametrize("victim", ["loss/c/2/0", "accuracy_stderr/c/2/0", "piece_checksum/c/2"])
@pytest.mark.parametrize("how", ["flip", "truncate", "delete"])
def test_a_damaged_chunk_alone_is_measured_again(plane, tmp_path, monkeypatch, victim, how):
    first = plane()
    damage(tmp_path / "a.zarr" / victim, how)
    measure, calls = _Around.__call__, []
    monkeypatch.setattr(_Around, "__call__", lambda *args: calls.append(args) or measure(*args))
    again = plane()
    xr.testing.assert_identical(first.drop_attrs(), again.drop_attrs())
    assert [points[0, 0] for _, points in calls] == [again.alpha.values[2]]
    plane()
    assert len(calls) == 1


def test_a_store_of_something_else_is_refused_with_the_reason(plane, tmp_path):
    plane()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = lnb.Objective(batch_norm_net(1), small_data(), F.cross_entropy, {"accuracy": lnb.accuracy}, batch_size=16)
    changes = [
        ({"extent": (-2, 1)}, "extent: .* there"),
        ({"resolution": (6, 5)}, "resolution: "),
        ({"directions": lnb.random_directions(batch_norm_net(), 2, seed=1)}, "geometry: "),
        ({"objective": other}, "objective: "),
    ]
    for change, reason in changes:
        with pytest.raises(ValueError, match=f"store: .* was made from something else .*{reason}"):
            plane(**change)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_what_is_not_a_store_is_refused(plane, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("text")
    xr.Dataset({"loss": ("alpha", [1.0])}).to_zarr(tmp_path / "other.zarr")
    for name in ("folder", "file", "other.zarr"):
        with pytest.raises(ValueError, match="is not a store of landscape-nb"):
            plane(store=tmp_path / name)


def test_repeats_and_lines_and_interpolations_can_be_stored(objective, tmp_path):
    (direction,) = lnb.random_directions(objective.origin, 1)
    models = [batch_norm_net(seed) for seed in (0, 1)]
    calls = {
        "line": lambda **how: lnb.evaluate_line(objective, direction, resolution=19, **how),
        "repeats": lambda **how: lnb.evaluate_line(objective, direction, resolution=5, repeats=3, **how),
        "path": lambda **how: lnb.interpolate(objective, *models, resolution=9, **how),
    }
    for name, call in calls.items():
        plain = call(progress=False)
        for _ in range(2):
            stored = call(progress=False, store=tmp_path / f"{name}.zarr")
            xr.testing.assert_identical(plain.drop_attrs(), stored.drop_attrs())
        assert json.loads(plain.attrs.get("directions", "[]")) == json.loads(stored.attrs.get("directions", "[]"))


class Handmade(torch.nn.Module):
    """A class that workers cannot import."""

    def __init__(self):
        super().__init__()
        self.body = batch_norm_net()

    def forward(self, images):
        return 2 * self.body(images)


def test_processes_measure_what_one_does(tmp_path):
    threads = torch.get_num_threads()
    objective = lnb.Objective(Handmade(), small_data(), lambda outputs, targets: F.cross_entropy(outputs, targets))
    directions = lnb.random_directions(objective.origin, 2)
    one = lnb.evaluate_plane(objective, directions, resolution=(5, 3), progress=False)
    two = lnb.evaluate_plane(objective, directions, resolution=(5, 3), n_jobs=2, store=tmp_path / "a", progress=False)
    xr.testing.assert_allclose(one.drop_attrs(), two.drop_attrs(), rtol=1e-5)
    assert torch.get_num_threads() == threads
    assert finished(tmp_path / "a") == 5


def test_workers_use_one_thread_each():
    def threads(outputs, targets):
        return outputs.sum() * 0 + torch.get_num_threads()

    objective = lnb.Objective(batch_norm_net(), small_data(), threads)
    (direction,) = lnb.random_directions(objective.origin, 1)
    line = lnb.evaluate_line(objective, direction, resolution=16, n_jobs=2, progress=False)
    assert set(line.loss.values) == {1.0}


def test_a_dask_cluster_measures_what_one_process_does(objective):
    import joblib
    from dask.distributed import Client, LocalCluster

    directions = lnb.random_directions(objective.origin, 2)
    one = lnb.evaluate_plane(objective, directions, resolution=(5, 3), progress=False)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        two = lnb.evaluate_plane(objective, directions, resolution=(5, 3), n_jobs=-1, progress=False)
    xr.testing.assert_allclose(one.drop_attrs(), two.drop_attrs(), rtol=1e-5)


def test_an_error_in_a_worker_reaches_the_caller(tmp_path):
    def fails(outputs, targets):
        if outputs.abs().max() > 1e3:
            raise ZeroDivisionError("planted")
        return F.cross_entropy(outputs, targets)

    objective = lnb.Objective(batch_norm_net(), small_data(), fails)
    (direction,) = lnb.random_directions(objective.origin, 1)
    with pytest.raises(ZeroDivisionError, match="planted"):
        lnb.evaluate_line(objective, direction, (-1, 1e4), resolution=16, n_jobs=2, progress=False)
