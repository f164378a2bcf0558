"""Threads and processes measure what one thread measures."""

import threading
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from helpers import LABELS
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import landscape_nb as lnb
from landscape_nb.surfaces import sweep
from landscape_nb.surfaces.sweep import _loaded, measured_pieces


def test_threads_of_one_process_do_not_share_a_model(tmp_path):
    path = tmp_path / "measurement"
    path.write_bytes(cloudpickle.dumps(lnb.Objective(nn.Linear(4, 4), (torch.randn(40, 4), LABELS))))
    both = threading.Barrier(2)

    def load(_):
        first = _loaded(str(path))
        both.wait()
        return first, _loaded(str(path))

    with ThreadPoolExecutor(2) as pool:
        (one, again), (other, _) = pool.map(load, range(2))
    assert one is again
    assert one.model is not other.model


def test_threads_measure_what_one_thread_measures():
    torch.manual_seed(0)
    objective = lnb.Objective(
        nn.Sequential(nn.Linear(8, 64), nn.Softmax(1), nn.Linear(64, 4)), (torch.randn(40, 8), LABELS)
    )
    end = {name: p + 0.5 for name, p in objective.origin.items()}
    wanted = lnb.interpolate(objective, objective.origin, end, progress=False)
    with joblib.parallel_config("threading", n_jobs=4):
        found = lnb.interpolate(objective, objective.origin, end, progress=False)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-6)


def test_what_cannot_be_sent_to_processes_is_said():
    model = weight_norm(nn.Linear(4, 4))
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS))
    with pytest.raises(ValueError, match="n_jobs: .* cannot be sent"):
        lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=9, n_jobs=2, progress=False)


@pytest.mark.parametrize("stored", [True, False])
def test_an_interrupt_is_short_and_says_what_is_kept(tmp_path, monkeypatch, stored):
    def interrupted(*arguments):
        pieces = measured_pieces(*arguments)
        yield next(pieces)
        raise KeyboardInterrupt

    objective = lnb.Objective(nn.Linear(4, 4), (torch.randn(40, 4), LABELS))
    directions = lnb.random_directions(objective.model, 2)
    monkeypatch.setattr(sweep, "measured_pieces", interrupted)
    store = tmp_path / "plane.zarr" if stored else None
    with pytest.raises(KeyboardInterrupt) as stopped:
        lnb.evaluate_plane(objective, directions, resolution=5, store=store, progress=False)
    assert str(stopped.value).startswith("stopped after 1 of 5 pieces")
    assert (f"they are in {store}" in str(stopped.value)) == stored
    assert stopped.value.__suppress_context__
    ours = [entry for entry in stopped.traceback if "landscape_nb" in str(entry.path)]
    assert ours[-1].path.name == "sweep.py"
