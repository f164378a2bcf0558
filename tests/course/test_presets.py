"""Presets and seeds of the notebooks."""

import numpy as np
import pytest

import landscape_nb as lnb
from landscape_nb.course.presets import choose_preset


def test_presets():
    assert choose_preset("full", quick={"n": 1}, full={"n": 2}).n == 2
    with pytest.raises(ValueError, match="PRESET: got 'tiny', wants one of 'quick', 'gallery', 'full'"):
        choose_preset("tiny", quick={})
    with pytest.raises(ValueError, match="PRESET: got 'full', this notebook has 'quick'"):
        choose_preset("full", quick={})


def test_only_full_keeps_what_it_measures_and_looks_for_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    quick, full = (choose_preset(name, quick={}, full={}) for name in ("quick", "full"))
    assert (quick.device, full.device) == ("cpu", "cuda")
    assert quick.store("05 ResNet-20") is None
    assert not list(tmp_path.iterdir())
    assert choose_preset("full", full={"epochs": 3}).store("05 ResNet-20") != full.store("05 ResNet-20")
    with pytest.raises(ValueError, match="^name: got '../x', wants words without slashes"):
        full.store("../x")
    with pytest.raises(ValueError, match="^full: got a setting named 'device', which every preset has already"):
        choose_preset("full", full={"device": "cuda:1"})
    monkeypatch.setenv("LANDSCAPE_NB_SEED", "2")
    stores = {
        choose_preset("full", full={}).store("05 ResNet-20"),
        full.store("05 ResNet-20"),
        full.store("05 ResNet-56"),
    }
    assert len(stores) == 3
    assert {store.parent for store in stores} == {tmp_path / "planes"}
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert full.device == "cpu"


def test_the_gallery_says_what_is_not_shipped(capsys):
    assert choose_preset("gallery", quick={"n": 1}).n == 1
    assert "No paper-scale result is shipped for this notebook yet" in capsys.readouterr().out
    assert choose_preset("gallery", quick={"n": 1}, gallery={"n": 3}).n == 3
    assert "What is shipped for the paper's data has a section of its own" in capsys.readouterr().out


def test_shipped_planes_are_those_of_the_seed_that_is_asked_for():
    for seed in range(2):
        planes = lnb.shipped_planes("05", seed)
        assert [plane.attrs["seed"] for plane in planes.values()] == [seed, seed]
    assert not np.array_equal(planes["ResNet-56"].loss, lnb.shipped_planes("05")["ResNet-56"].loss)
    with pytest.raises(ValueError, match="^seed: got 7, wants one that is shipped: 0, 1, 2, 3$"):
        lnb.shipped_planes("05", 7)
    with pytest.raises(ValueError, match="^seed: got 1, wants one that is shipped: 0$"):
        lnb.shipped_planes("08", 1)
    with pytest.raises(ValueError, match="^seed: got 0.5, wants a whole number from 0 up"):
        lnb.shipped_planes("05", 0.5)
