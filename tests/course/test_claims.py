"""Claims and exercises: what fails is red in tests and words in class."""

import json
import math

import numpy as np
import pytest
import torch
import xarray as xr
from conftest import batch_norm_net, small_data

import landscape_nb as lnb
from landscape_nb import exercises
from landscape_nb.course import claims


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


def test_shipped_seeds_belong_to_the_notebooks_claims():
    shipped = json.loads(claims.SEEDS_FILE.read_text())
    scripts = "".join(path.read_text() for path in lnb.course.notebooks.notebooks_directory().glob("scripts/*.py"))
    assert shipped
    for name, entries in shipped.items():
        assert f'"{name}"' in scripts
        assert [entry["seed"] for entry in entries] == [0, 1, 2]
        assert all(entry["holds"] and entry["numbers"] for entry in entries)


def test_the_ledger_collects_claims(tmp_path, monkeypatch):
    monkeypatch.setenv(claims.LEDGER_VARIABLE, str(tmp_path / "ledger"))
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


def test_exercise_loss_at(objective):
    d = lnb.random_directions(objective.origin, 2)
    at = (0.5, -0.25)

    def check(answer):
        return exercises.check_loss_at(answer, objective, d, at)

    right = objective(lnb.move(objective.origin, d, at))["loss"]
    assert check(right).right
    assert "centre" in check(objective()["loss"]).text
    assert "swapped" in check(objective(lnb.move(objective.origin, d, at[::-1]))["loss"]).text
    assert not check(right * 1.1).right
    assert not check("1").right
    assert not check(...).right


def test_exercise_area_below():
    plane = xr.Dataset({"loss": ("alpha", [0.1, 0.2, 0.3, 5.0])})

    def check(answer):
        return exercises.check_area_below(answer, plane, 1.0)

    assert check(0.75).right
    assert "percentage" in check(75).text
    assert "above" in check(0.25).text
    assert "number of points" in check(3).text
    assert not check(0.5).right


def test_exercise_filter_normalized():
    weights = lnb.parameters_of(batch_norm_net())
    (direction,) = lnb.random_directions(weights, 1, normalize="none", ignore=None)

    def check(method, ignore="one-dimensional"):
        return exercises.check_filter_normalized(
            lnb.normalize_direction(direction, weights, method, ignore), direction, weights
        )

    assert check("filter").right
    assert "one dimension" in check("filter", None).text
    assert "whole layers" in check("layer").text
    assert "Multiply" in check("unit-filter").text
    assert not check("weight").right
    assert "a dict" in exercises.check_filter_normalized([1], direction, weights).text


def test_exercise_same_function():
    images, _ = small_data()
    model = lnb.models.mlp((12, 9), channels=1, classes=4, image_size=8)
    torch.nn.init.normal_(model.linear.weight, generator=torch.Generator().manual_seed(0))
    right = lnb.rescale_relu(model, "hidden.1", "hidden.3", 5.0)
    assert exercises.check_same_function(right, model, images).right
    assert "old ones" in exercises.check_same_function(model, model, images).text
    with torch.no_grad():
        right.hidden[1].weight *= -1
    assert "multiplies" in exercises.check_same_function(right, model, images).text
    biased = lnb.rescale_relu(model, "hidden.1", "hidden.3", 5.0)
    with torch.no_grad():
        biased.linear.bias += 0.05
    assert "bias forgotten" in exercises.check_same_function(biased, model, images).text
    assert not exercises.check_same_function(3, model, images).right
