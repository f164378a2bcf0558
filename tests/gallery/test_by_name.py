"""Results by the names of their jobs."""

import pytest
import torch

import landscape_nb as lnb
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import SHIPPED, read, write

SHIPPED_VGG = "cpu-vgg9-sgd-small-decay"


def test_a_shipped_result_says_what_it_was_made_from():
    plane = lnb.gallery_result(SHIPPED_VGG, "plane")
    assert plane.loss.shape == (51, 51)
    assert plane.attrs["data"] == "CIFAR-10 (JPEG q75)"


def test_the_users_own_result_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_GALLERY", str(tmp_path))
    job = find_job(SHIPPED_VGG)
    write(job, "plane", read(job, "plane", SHIPPED).assign(loss=lambda p: 2 * p.loss), tmp_path)
    ours, theirs = lnb.gallery_result(SHIPPED_VGG, "plane"), read(job, "plane", SHIPPED)
    assert (ours.loss == 2 * theirs.loss).all()


def test_a_shipped_network_has_the_loss_of_its_training():
    network = lnb.gallery_network(SHIPPED_VGG)
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    norm = lnb.norm(lnb.parameters_of(network))
    assert norm == pytest.approx(float(lnb.gallery_result(SHIPPED_VGG, "training").weight_norm[-1]), rel=1e-3)


def test_what_is_not_computed_says_what_is():
    with pytest.raises(ValueError, match="^job: got 'vgg', wants one of 'cpu-vgg9-sgd-small-decay', "):
        lnb.gallery_result("vgg", "plane")
    for product in ("network", "map", "../plane", None):
        with pytest.raises(ValueError, match="^product: got .*, wants one of 'training', 'path', "):
            lnb.gallery_result(SHIPPED_VGG, product)
    with pytest.raises(ValueError, match="^product: 'plane' of .* yet: landscape-nb gallery build gpu-resnet110"):
        lnb.gallery_result("gpu-resnet110-plain", "plane")
    with pytest.raises(ValueError, match="^job: the network of gpu-.* is not here; those that are: cpu-vgg9"):
        lnb.gallery_network("gpu-resnet110-plain")
