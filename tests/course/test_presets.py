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


def test_the_gallery_says_what_is_not_shipped(capsys):
    assert choose_preset("gallery", quick={"n": 1}).n == 1
    assert "No paper-scale result is shipped for this notebook yet" in capsys.readouterr().out
    assert choose_preset("gallery", quick={"n": 1}, gallery={"n": 3}).n == 3
    assert "What is shipped at the paper's scale has a section of its own" in capsys.readouterr().out


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
