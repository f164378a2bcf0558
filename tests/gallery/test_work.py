"""A job while it is computed: what its data are called, and what is not there is named."""

import pytest
import torch

import landscape_nb as lnb
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import build_network
from landscape_nb.gallery.work import Work, describe, processor, released_file


def test_data_that_their_name_does_not_describe_are_described():
    digits = lnb.datasets.digits()
    assert describe(digits) == "digits of scikit-learn"
    image = torch.zeros(2, 3, 32, 32)
    pair = image, torch.zeros(2, dtype=torch.int64)
    other = lnb.datasets.ImageData("CIFAR-10", pair, pair, (0.0,), (1.0,), ("a",), source="/my/cifar10.npz")
    assert describe(other) == "CIFAR-10 (cifar10.npz)"


def test_a_released_file_that_is_not_there_is_named_with_where_it_is_from(monkeypatch, tmp_path):
    monkeypatch.setenv("LANDSCAPE_NB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"there is no .*resnet56\.t7; .*tomgoldstein/loss-landscape"):
        released_file(find_job("authors-resnet56-shortcuts"))


def test_a_run_that_is_another_than_the_saved_network_is_not_mixed_with_it(tiny_jobs, built, monkeypatch):
    job = find_job("quick-vgg9-sgd-small-decay")
    monkeypatch.setattr(
        "landscape_nb.gallery.work.train",
        lambda net, *_, **__: type("Run", (), {"model": build_network(job, lnb.datasets.digits().shape)})(),
    )
    with pytest.raises(ValueError, match="was trained anew, for its run is no longer in the cache"):
        _ = Work(job, built[0], progress=False).run


def test_a_processor_has_a_name_and_threads():
    assert processor("cpu").endswith(f"{torch.get_num_threads()} threads")
