"""Declared jobs: their names are roles at scales, and everything that they refer to exists."""

import pytest

from landscape_nb import models
from landscape_nb.gallery.jobs import JOBS, SCALES, find_job
from landscape_nb.gallery.products import PRODUCTS


def test_a_job_refers_only_to_what_exists():
    for name, job in JOBS.items():
        assert name == f"{job.scale}-{job.role}"
        assert job.scale in SCALES
        assert all(product in PRODUCTS or product.split("-")[0] in PRODUCTS for product in job.products)
        assert all(f"{job.scale}-{role}" in JOBS for role in job.ends)
        assert bool(job.ends) + bool(job.training) + bool(job.released) == 1
        assert bool(job.ends) != hasattr(models, job.family or "-")


def test_the_papers_networks_are_all_declared_for_a_gpu():
    titles = {job.title for job in JOBS.values() if job.scale == "gpu"}
    resnets = {f"ResNet-{depth}{tail}" for depth in (20, 56, 110) for tail in ("", ", no shortcuts")}
    wide = {f"ResNet-56, k = {k}{tail}" for k in (2, 4, 8) for tail in ("", ", no shortcuts")}
    vgg = {
        f"{optimizer}, batch {batch}, {decay}"
        for optimizer in ("SGD", "Adam")
        for batch in (128, 8192)
        for decay in ("weight decay 0.0005", "no weight decay")
    }
    assert resnets | wide | vgg | {"DenseNet-121", "ResNet-56, batch 4096"} <= titles


def test_large_batches_keep_everything_else():
    small, large = (find_job(f"gpu-vgg9-sgd-{side}-decay") for side in ("small", "large"))
    assert (small.training.batch_size, large.training.batch_size) == (128, 8192)
    assert small.training.epochs == large.training.epochs
    assert small.options == large.options


def test_an_unknown_job_is_named():
    with pytest.raises(ValueError, match="job: got 'resnet', wants one of 'cpu-vgg9-sgd-small-decay'"):
        find_job("resnet")
