"""Presets and seeds of the notebooks."""

import pytest

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
