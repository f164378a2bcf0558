"""Building jobs: all products, again after kills, within a time, and as the library's functions give them."""

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers import ROOT
from tiny_jobs import same

import landscape_nb as lnb
from landscape_nb.gallery.build import build, missing, run_until
from landscape_nb.gallery.jobs import JOBS, find_job
from landscape_nb.gallery.results import path_of


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
        ({"out": "https://x.org"}, "out: got 'https://x.org', wants a path on this machine"),
        ({"seconds": -1}, "seconds: got -1"),
        ({"n_jobs": 0}, "n_jobs: got 0"),
        ({"device": "gpu"}, "device: got 'gpu'"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, how, message):
    with pytest.raises(ValueError, match=message):
        build(**{"out": tmp_path / "out"} | how)
    assert not (tmp_path / "out").exists()


def test_time_that_is_up_ends_a_build_and_the_next_goes_on(built, tiny_jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "another cache"))
    seconds, builds = 0.5, 0
    while any(missing(find_job(name), tmp_path / "parts") for name in tiny_jobs):
        build(tiny_jobs, tmp_path / "parts", seconds=seconds, echo=lambda text: None)
        seconds *= 1.25  # however slow the machine, a product is done in the end
        builds += 1
    assert builds > 1
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


def changed(name, **training):
    job = find_job(name)
    return replace(job, training=replace(job.training, **training))


def test_what_a_changed_declaration_makes_stale_is_built_anew(tiny_jobs, built, tmp_path, monkeypatch):
    shutil.copytree(built[0], tmp_path / "out")
    monkeypatch.setitem(JOBS, "quick-vgg9-sgd-large-decay", changed("quick-vgg9-sgd-large-decay", weight_decay=0.01))
    absent = {name: missing(find_job(name), tmp_path / "out") for name in tiny_jobs}
    assert absent["quick-vgg9-sgd-small-decay"] == []
    assert absent["quick-vgg9-between-decay"] == ["between-interpolated", "between-frozen"]
    build(tiny_jobs, tmp_path / "out", echo=lambda text: None)
    assert not any(missing(find_job(name), tmp_path / "out") for name in tiny_jobs)


def test_a_network_that_is_lost_is_written_again(tiny_jobs, built, tmp_path):
    shutil.copytree(built[0], tmp_path / "out")
    job = find_job("quick-vgg9-sgd-large-decay")
    path_of(job, "network", tmp_path / "out").unlink()
    path_of(job, "plane", tmp_path / "out").unlink()
    build(tiny_jobs, tmp_path / "out", echo=lambda text: None)
    same(built[0], tmp_path / "out")


def test_a_network_is_not_measured_on_other_images_than_it_was_trained_on(tiny_jobs, built, tmp_path, monkeypatch):
    shutil.copytree(built[0], tmp_path / "out")
    path_of(find_job("quick-vgg9-sgd-large-decay"), "plane", tmp_path / "out").unlink()
    other = lnb.datasets.digits().subset(200)
    monkeypatch.setattr("landscape_nb.gallery.work._data", lambda name: other)
    with pytest.raises(ValueError, match="data: quick-vgg9-sgd-large-decay was trained on other images"):
        build(tiny_jobs, tmp_path / "out", echo=lambda text: None)


def test_a_job_that_fails_leaves_the_others_at_work(tiny_jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setitem(JOBS, "quick-vgg9-sgd-small-decay", changed("quick-vgg9-sgd-small-decay", lr=1e30))
    with pytest.raises(FloatingPointError, match="became") as caught:
        build(["quick-vgg9-sgd-small-decay", "quick-vgg9-sgd-large-decay"], tmp_path / "out", echo=lambda text: None)
    assert caught.value.__notes__ == ["in job quick-vgg9-sgd-small-decay"]
    assert missing(find_job("quick-vgg9-sgd-large-decay"), tmp_path / "out") == []
    assert (tmp_path / "out" / "manifest.json").exists()


def test_what_is_not_there_is_told_before_any_work(tiny_jobs, tmp_path, monkeypatch):
    released = replace(find_job("quick-vgg9-sgd-small-decay"), role="last", training=None, released="net.t7")
    monkeypatch.setitem(JOBS, released.name, released)
    monkeypatch.setenv("LANDSCAPE_NB_DATA", str(tmp_path))
    said = []
    with pytest.raises(FileNotFoundError, match=r"quick-last: there is no .*net\.t7; the paper's authors released it"):
        build(["quick-vgg9-sgd-large-decay", "quick-last"], tmp_path / "out", echo=said.append)
    assert not said


@pytest.mark.parametrize("delay", [-1.0, 0.0, 1e-4, 1e-3])
def test_no_interrupt_escapes_a_deadline(delay):
    before = signal.getsignal(signal.SIGINT)
    for _ in range(50):
        run_until(time.time() + delay, lambda: time.sleep(2e-4))
    assert signal.getsignal(signal.SIGINT) is before
