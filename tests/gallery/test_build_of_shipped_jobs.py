"""The jobs that ship: what they cost, and that a build from scratch gives what is shipped."""

import numpy as np
import pytest
import torch
from tiny_jobs import same

from landscape_nb.gallery.build import build, passes
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import SHIPPED, read

SMALLEST = ("quick-densenet", "quick-resnet-k1-shortcuts")


def test_passes_count_what_training_and_surfaces_take():
    job = find_job("cpu-resnet20-shortcuts")
    assert passes(job, "training", 50_000, 10_000) == 20 * (3 * 50_000 + 10_000) + 60_000
    assert passes(job, "lines", 50_000, 10_000) == 10 * 51 * 2 * 1000


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The two smallest jobs, built from scratch, in one thread: with more, sums are rounded otherwise."""
    folder, threads = tmp_path_factory.mktemp("rebuilt"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDSCAPE_NB_CACHE", str(folder / "cache"))
        torch.set_num_threads(1)
        build(SMALLEST, folder / "out", echo=lambda text: None)
    torch.set_num_threads(threads)
    return folder / "out"


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_shipped_jobs_are_what_a_build_gives(rebuilt, name):
    """Other processors round otherwise: training drifts apart, and the picture stays the same."""
    job = find_job(name)
    ours, shipped = (read(job, "training", folder) for folder in (rebuilt, SHIPPED))
    assert ours.attrs["final_test_accuracy"] == pytest.approx(shipped.attrs["final_test_accuracy"], abs=0.05)
    assert float(ours.weight_norm[-1]) == pytest.approx(float(shipped.weight_norm[-1]), rel=0.02)
    planes = [read(job, "plane", folder) for folder in (rebuilt, SHIPPED)]
    apart = np.log10(planes[0].loss) - np.log10(planes[1].loss)
    assert float(np.sqrt((apart**2).mean())) < 0.2


def test_several_jobs_at_once_give_the_same(rebuilt, tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    build(SMALLEST, tmp_path / "out", n_jobs=2, echo=lambda text: None)
    same(rebuilt, tmp_path / "out")
