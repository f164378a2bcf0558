"""Claims: what fails is red in tests and words in class."""

import json
import math

import numpy as np
import pytest
import torch

import landscape_nb as lnb
from landscape_nb._common.settings import LEDGER_VARIABLE
from landscape_nb.course import claims
from landscape_nb.course.notebooks import notebooks_directory


def test_a_false_claim_is_an_error_in_strict_mode():
    with pytest.raises(claims.ClaimFailedError, match="claim 99-false does not hold: Two is one"):
        lnb.claim("99-false", 2 == 1, "Two is one.", two=2)


@pytest.mark.usefixtures("lenient")
def test_a_class_sees_that_a_claim_does_not_hold():
    shown = lnb.claim("99-false", False, "Two is one.", two_of_them=[2, 1.5])._repr_markdown_()
    assert shown.startswith("❌ **Claim 99-false** **does not hold here**: Two is one.")
    assert "two of them: 2, 1.5" in shown


def test_other_seeds_are_shown_and_count(tmp_path, monkeypatch):
    entry = {"id": "99-x", "holds": True, "text": "X.", "numbers": {"x": 3.0}, "seed": 1}
    path = tmp_path / "seeds.json"
    monkeypatch.setattr(claims, "SEEDS_FILE", path)
    path.write_text(json.dumps({"99-x": [entry]}))
    assert "run before with seed 1, holds: x: 3" in lnb.claim("99-x", True, "X.", x=2)._repr_markdown_()
    path.write_text(json.dumps({"99-x": [entry | {"holds": False}]}))
    with pytest.raises(claims.ClaimFailedError):
        lnb.claim("99-x", True, "X.", x=2)


def test_a_claim_about_a_shipped_result_is_one_draw(tmp_path, monkeypatch):
    path = tmp_path / "seeds.json"
    monkeypatch.setattr(claims, "SEEDS_FILE", path)
    path.write_text(
        json.dumps({"99-x": [{"id": "99-x", "holds": True, "text": "X.", "numbers": {"x": 3.0}, "seed": 1}]})
    )
    shown = lnb.claim("99-x", True, "X.", shipped=True, x=2)._repr_markdown_()
    assert "x: 2 (shipped with the course: the same with every seed)" in shown
    assert "run before" not in shown


def test_shipped_seeds_belong_to_the_notebooks_claims():
    shipped = json.loads(claims.SEEDS_FILE.read_text())
    scripts = "".join(path.read_text() for path in notebooks_directory().glob("scripts/*.py"))
    assert shipped
    for name, entries in shipped.items():
        assert f'"{name}"' in scripts
        assert [entry["seed"] for entry in entries] == ([0] if entries[0].get("shipped") else [0, 1, 2])
        assert all(entry["holds"] and entry["numbers"] for entry in entries)


def test_the_ledger_collects_claims(tmp_path, monkeypatch):
    monkeypatch.setenv(LEDGER_VARIABLE, str(tmp_path / "ledger"))
    lnb.claim("99-a", True, "A.", x=np.float32(1))
    lnb.claim("99-b", np.bool_(True), "B.")
    read = list(claims.read_ledger(tmp_path / "ledger"))
    assert read == [claims.Claim("99-a", True, "A.", {"x": 1}), claims.Claim("99-b", True, "B.")]


@pytest.mark.parametrize("condition", [1, math.nan, np.array([True, True]), torch.tensor(True), None])
def test_a_condition_is_true_or_false(condition):
    with pytest.raises(TypeError, match="condition: got"):
        lnb.claim("99-x", condition, "X.")


def test_numbers_are_numbers():
    with pytest.raises(TypeError, match="x: got 'many', wants a number"):
        lnb.claim("99-x", True, "X.", x="many")
    for wrong in (None, [1.0, None], "3", 1j, [[1.0], [1.0, 2.0]]):
        with pytest.raises(TypeError, match="x: got .*, wants a number or a list of numbers"):
            lnb.claim("99-x", True, "X.", x=wrong)
