"""Which results a figure shows, and what its caption says of them."""

import pytest
from tiny_jobs import declare

from landscape_nb.gallery.results import SHIPPED
from landscape_nb.gallery.shown import MAPS, PAPER, QUICK, Shown, scales_of


def test_the_largest_scale_that_has_a_result_is_shown():
    results = Shown(PAPER, SHIPPED)
    assert results("resnet56-plain", "plane").attrs["command"].endswith("authors-resnet56-plain")
    assert results("resnet110-plain", "plane") is None
    assert results.absent == [("resnet110-plain", "plane")]
    assert Shown(QUICK, SHIPPED)("resnet56-plain", "plane").sizes["alpha"] == 25


def test_of_several_products_the_first_that_is_there_counts():
    results = Shown(PAPER, SHIPPED)
    assert results("resnet56-plain", *MAPS).sizes["alpha"] == 5
    assert results.absent == []


def test_a_network_stands_in_for_one_that_is_not_there():
    results = Shown(PAPER, SHIPPED)
    assert results.stand_in("resnet110-plain", "resnet56-plain", "plane") == "resnet56-plain"
    assert results.caption() == "Not computed yet: ResNet-110, no shortcuts (plane)."
    assert results.stand_in("resnet20-plain", "resnet56-plain", "plane") == "resnet20-plain"
    assert results.stand_in("resnet110-plain", "resnet56-large-batch", "plane") == "resnet110-plain"


def test_one_of_the_widths_of_a_scale_is_one_of_its_depths():
    jobs = {k: [job.name for job in Shown(PAPER).jobs(f"resnet-k{k}-plain")] for k in (1, 4)}
    assert jobs[1] == ["gpu-resnet56-plain", "cpu-resnet-k1-plain"]
    assert jobs[4] == ["gpu-resnet-k4-plain", "cpu-resnet20-plain"]
    assert [job.name for job in Shown(QUICK).jobs("resnet-k1-plain")] == ["quick-resnet-k1-plain"]
    results = Shown(PAPER, SHIPPED)
    results("resnet-k4-plain", "plane")
    assert results.title("resnet-k4-plain").startswith("ResNet-20, k = 4, no shortcuts")
    results("resnet20-plain", "plane")
    assert results.title("resnet20-plain").startswith("ResNet-20, no shortcuts")


def test_only_what_is_measured_on_images_has_their_number_in_the_caption():
    results = Shown(PAPER, SHIPPED)
    results("vgg9-sgd-small-decay", "random-paths")
    assert results.caption().endswith("CIFAR-10 (JPEG q75).")
    results("vgg9-sgd-small-decay", "plane")
    assert results.caption().endswith("CIFAR-10 (JPEG q75), surfaces on 1,000 images.")
    for product in ("plane", "map-5-100"):
        results("resnet56-plain", product)
    assert all(f"the first {count} CIFAR-10 training images" in results.caption() for count in ("1,000", "100"))
    results = Shown(QUICK, SHIPPED)
    results("resnet56-plain", "map-5-100")
    assert results.caption().endswith("surfaces on 100 images.")
    results("resnet56-plain", "plane")
    assert results.caption().endswith("surfaces on 100 and 200 images.")


def test_a_network_that_is_not_there_is_named_as_those_beside_it():
    results = Shown(PAPER, SHIPPED)
    assert results("resnet-k8-plain", "plane") is None
    assert results.title("resnet-k8-plain") == "ResNet-20, k = 8, no shortcuts"
    assert Shown(QUICK, SHIPPED).title("resnet-k1-plain").startswith("ResNet-20, k = 1, no shortcuts\ntest error")


def test_titles_have_the_test_error_of_the_network_that_is_shown(built):
    results = Shown(QUICK, built[0])
    trained = results("vgg9-sgd-small-decay", "training")
    error = 100 * (1 - trained.attrs["final_test_accuracy"])
    assert results.test_error("vgg9-sgd-small-decay") == pytest.approx(error)
    assert results.title("vgg9-sgd-small-decay") == f"small batches\ntest error {error:.1f} %"
    assert results.title("vgg9-between-decay") == "between"
    assert Shown(PAPER, SHIPPED).test_error("resnet56-plain") is None


def test_the_caption_says_each_thing_once(built):
    results = Shown(QUICK, built[0])
    for role in ("vgg9-sgd-small-decay", "vgg9-sgd-large-decay", "vgg9-between-decay"):
        results(role, "plane")
    assert results.caption() == (
        "VGG-9 of an eighth of the width: 3 epochs, seed 0, digits of scikit-learn, surfaces on 40 images. "
        "VGG-9 of an eighth of the width: 2 epochs, seed 0, digits of scikit-learn, surfaces on 40 images. "
        "Not computed yet: between (plane)."
    )


def test_presets_have_scales(tiny_jobs):
    assert scales_of("quick") == QUICK
    assert scales_of("gallery") == scales_of("full") == PAPER
    assert declare() == tiny_jobs
