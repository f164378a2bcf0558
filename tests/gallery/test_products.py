"""Products of jobs, against the library's functions called by hand, and what they say about themselves."""

import numpy as np
import pytest
import torch
import xarray as xr

import landscape_nb as lnb
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.products import PRODUCTS, compute
from landscape_nb.gallery.results import read, read_network
from landscape_nb.gallery.work import Work
from landscape_nb.surfaces.store import RefusedStoreError


def test_products_are_what_the_library_gives(built):
    folder, *_ = built
    job = find_job("quick-vgg9-sgd-small-decay")
    network = read_network(job, folder)
    sample = tuple(part[:40] for part in lnb.datasets.digits().train)
    objective = lnb.Objective(network, sample)
    plane = read(job, "plane", folder)
    directions = lnb.random_directions(network, 2, seed=0)
    dense = lnb.evaluate_plane(objective, directions, (-1, 1), 9, progress=False, engine="plain")
    error = np.log10(plane.loss.values) - np.log10(dense.loss.values)
    assert np.sqrt((error**2).mean()) < 0.05
    assert plane.attrs["origin_loss"] == pytest.approx(objective()["loss"], rel=1e-5)
    lines = read(job, "lines", folder)
    assert dict(lines.sizes) == {"repeat": 2, "alpha": 5}
    assert float(lines.loss[0, 2]) == pytest.approx(objective()["loss"], rel=1e-4)
    trained = read(job, "training", folder)
    test = lnb.Objective(network, lnb.datasets.digits().test, metrics={"accuracy": lnb.accuracy})()
    assert trained.attrs["final_test_accuracy"] == pytest.approx(test["accuracy"], abs=1e-6)
    weights = torch.cat([p.detach().flatten() for p in network.parameters()])
    assert int(trained.weights.sum()) == len(weights)
    assert float(trained.weight_norm[-1]) == pytest.approx(float(weights.norm()), rel=1e-3)


def test_a_line_between_two_networks_ends_at_them(built):
    folder, *_ = built
    line = read(find_job("quick-vgg9-between-decay"), "between-interpolated", folder)
    sample = tuple(part[:40] for part in lnb.datasets.digits().train)
    for alpha, role in ((0, "small"), (1, "large")):
        network = read_network(find_job(f"quick-vgg9-sgd-{role}-decay"), folder)
        at = float(line.loss.sel(alpha=alpha))
        assert at == pytest.approx(lnb.Objective(network, sample)()["loss"], rel=1e-4)


def test_paths_end_where_the_run_does(built):
    job = find_job("quick-vgg9-sgd-small-decay")
    path, random = (read(job, product, built[0]) for product in ("path", "random-paths"))
    assert path.epoch.values.tolist() == [0, 1, 2, 3]
    assert (float(path.alpha[-1]), float(path.beta[-1])) == pytest.approx((0, 0), abs=1e-4)
    assert 0 < sum(path.attrs["shares"]) <= 1 + 1e-6
    trained = read(job, "training", built[0])
    assert float(path.loss[0]) == pytest.approx(np.log(10), abs=0.1)
    assert random.mixed_alpha.values[[0, -1]] == pytest.approx([-1, 0], abs=1e-4)
    assert random.attrs["drops"] == [2]
    assert trained.attrs["initial_norm"] > 0


def test_another_sample_is_of_the_images_that_follow(built):
    job = find_job("quick-vgg9-sgd-small-decay")
    following = tuple(part[40:80] for part in lnb.datasets.digits().train)
    by_hand = lnb.Objective(read_network(job, built[0]), following)()["loss"]
    assert Work(job, built[0], progress=False).objective(40, sample=1)()["loss"] == pytest.approx(by_hand, rel=1e-5)


def test_a_product_says_what_it_was_made_from(built):
    for job, product in (("quick-vgg9-sgd-small-decay", "plane"), ("quick-vgg9-between-decay", "between-frozen")):
        attrs = read(find_job(job), product, built[0]).attrs
        assert attrs["command"] == f"landscape-nb gallery build {job}"
        assert attrs["data"] == "digits of scikit-learn"
        assert "torch" in attrs["versions"]
        assert attrs["device"]
        assert attrs["network"].startswith("VGG-9")


def test_an_interrupted_plane_is_not_a_result(tiny_jobs, built, monkeypatch):
    part = xr.Dataset(attrs={"stopped": "interrupted"})
    monkeypatch.setattr("landscape_nb.gallery.products.progressive_plane", lambda *_, **__: iter([part]))
    with pytest.raises(KeyboardInterrupt):
        compute(Work(find_job("quick-vgg9-sgd-small-decay"), built[0], progress=False), "plane")


def test_a_store_that_another_engine_made_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "cache"))
    work = Work(find_job("quick-vgg9-sgd-small-decay"), tmp_path, progress=False)
    refused = []

    def refuses_once(work):
        refused.append(work.product)
        if len(refused) == 1:
            raise RefusedStoreError("store: planted")
        return xr.Dataset()

    monkeypatch.setitem(PRODUCTS, "plane", refuses_once)
    (work.stores / f"{work.job.name}.plane.0123.zarr").mkdir()
    (work.stores / f"{work.job.name}.plane-1.0123.zarr").mkdir()
    monkeypatch.setattr(Work, "attrs", lambda self: {})
    compute(work, "plane")
    assert refused == ["plane", "plane"]
    assert [path.name for path in work.stores.iterdir()] == [f"{work.job.name}.plane-1.0123.zarr"]
