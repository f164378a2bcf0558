"""Where several scales have results, a role, and roles that are compared, keep to one of them."""

import xarray as xr

from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import write
from landscape_nb.gallery.shown import PAPER, Shown


def test_a_role_is_played_by_one_job_only(tmp_path):
    for product, scale in (("path", "gpu"), ("path", "cpu"), ("path-plane", "cpu"), ("plane", "cpu")):
        job = find_job(f"{scale}-vgg9-sgd-small-decay")
        write(job, product, xr.Dataset(attrs={"data": "d", "title": scale}), tmp_path)
    results = Shown(PAPER, tmp_path)
    assert results("vgg9-sgd-small-decay", "path").attrs["title"] == "gpu"
    assert results("vgg9-sgd-small-decay", "path-plane") is None
    compared = Shown(PAPER, tmp_path)
    compared.compare(["vgg9-sgd-small-decay"], "path", "path-plane")
    assert compared("vgg9-sgd-small-decay", "path").attrs["title"] == "cpu"
    assert compared.scales_in(["vgg9-sgd-small-decay", "densenet"]) == {"cpu"}
