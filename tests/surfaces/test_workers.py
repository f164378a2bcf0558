"""Workers end with the process that started them, however it ends; nothing else does."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from landscape_nb.surfaces.workers import end_with, parallel

_DRIVER = """
import signal, sys, time, torch
import torch.nn.functional as F
import landscape_nb as lnb

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in the background ignore it

def slow(outputs, targets):
    time.sleep(0.2)
    return F.cross_entropy(outputs, targets)

if __name__ == "__main__":
    model = lnb.models.mlp((12,), channels=1, image_size=8)
    objective = lnb.Objective(model, (torch.randn(50, 1, 8, 8), torch.arange(50) % 10), slow)
    directions = lnb.random_directions(model, 2)
    how = {"store": sys.argv[1], "n_jobs": 3, "progress": False}
    lnb.evaluate_plane(objective, directions, resolution=(2000, 5), **how)
"""


def wait_for(condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


@pytest.fixture
def driver(tmp_path):
    """A process that measures with three workers, which have begun, and all that it has started."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(tmp_path / "a.zarr")], start_new_session=True, stderr=subprocess.DEVNULL
    )
    family = psutil.Process(process.pid)
    wait_for(lambda: list((tmp_path / "a.zarr").glob("loss/c/*/0")) or process.poll() is not None)
    assert process.poll() is None
    wait_for(lambda: len(family.children(recursive=True)) >= 3)  # the first may have measured before others began
    children = family.children(recursive=True)
    yield process, children
    for left in [family, *children]:
        if left.is_running():
            left.kill()
    process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_driver(driver, how):
    """Idle workers of joblib would stay for 300 s."""
    process, children = driver
    process.send_signal(how)
    assert process.wait(600) != 0
    _, alive = psutil.wait_procs(children, timeout=600)
    assert not alive


def test_a_process_whose_driver_is_gone_already_ends():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    code = (
        "import sys, time; from landscape_nb.surfaces.workers import end_with; "
        "end_with(int(sys.argv[1])); time.sleep(300)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(gone.pid)], timeout=120).returncode == 1


def test_other_backends_are_left_alone():
    """Threads are this process, and a cluster's processes belong to others."""
    import joblib

    def starts(runner):
        return getattr(runner, "_backend_kwargs", {}).get("initializer")

    assert parallel(None, 10) is None
    assert parallel(1, 10) is None
    assert starts(parallel(2, 10)) is end_with
    assert parallel(4, 3).n_jobs == 3
    with joblib.parallel_config(backend="threading"):
        assert starts(parallel(2, 10)) is None
    with joblib.parallel_config(backend="loky", n_jobs=2, initializer=os.getpid):
        assert starts(parallel(None, 10)) is None
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert starts(parallel(None, 10)) is end_with
