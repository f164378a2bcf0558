"""Building jobs: all products, again after kills, within a time, and as the library's functions give them."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT
from tiny_jobs import same

from landscape_nb.gallery.build import build, missing
from landscape_nb.gallery.jobs import find_job


def test_all_products_are_written_and_none_twice(built, tiny_jobs):
    folder, files, said = built
    assert [missing(find_job(name), folder) for name in tiny_jobs] == [[], [], []]
    assert len(files) == len(set(files)) == len(said) == 10
    assert said[0].startswith("quick-vgg9-sgd-small-decay: training, about ")
    assert build(tiny_jobs, folder, echo=said.append) == []
    assert len(said) == 10


def test_a_network_that_is_not_trained_yet_is_named(tiny_jobs, tmp_path):
    message = "job: quick-vgg9-between-decay needs the network of quick-vgg9-sgd-small-decay, which is not trained yet"
    with pytest.raises(ValueError, match=message):
        build(["quick-vgg9-between-decay"], tmp_path / "out", echo=lambda text: None)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"names": ["resnet"]}, "job: got 'resnet'"),
        ({"seconds": -1}, "seconds: got -1"),
        ({"n_jobs": 0}, "n_jobs: got 0"),
        ({"device": "gpu"}, "device: got 'gpu'"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, how, message):
    with pytest.raises(ValueError, match=message):
        build(out=tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()


def test_time_that_is_up_ends_a_build_and_the_next_goes_on(built, tiny_jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "another cache"))
    for _ in range(100):
        if not any(missing(find_job(name), tmp_path / "parts") for name in tiny_jobs):
            break
        build(tiny_jobs, tmp_path / "parts", seconds=2, echo=lambda text: None)
    same(built[0], tmp_path / "parts")


def test_an_interrupt_before_the_time_is_up_is_raised(tiny_jobs, tmp_path):
    def interrupt(text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tiny_jobs, tmp_path / "out", seconds=1000, echo=interrupt)


_BUILD = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from tiny_jobs import declare
from landscape_nb.gallery.build import build

build(declare(), Path(sys.argv[1]), echo=lambda text: print(text, flush=True))
"""


def test_a_build_killed_five_times_gives_what_an_uninterrupted_one_gives(built, tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "another cache"))
    rng = np.random.default_rng(int(time.time()))
    folder = tmp_path / "killed"
    for attempt in range(6):
        command = [sys.executable, "-c", _BUILD, str(folder), str(ROOT / "tests")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()  # it has begun a product
            if attempt < 5:
                time.sleep(rng.uniform(0, 1.5))
                process.kill()
            process.stdout.read()
            process.wait()
            assert process.returncode == (0 if attempt == 5 else -signal.SIGKILL)
    same(built[0], folder)
