"""Checks about misleading plots: what is right, and a hint for each usual mistake."""

import numpy as np
import pytest
import torch
import xarray as xr

from landscape_nb.course.exercises.honesty import check_foreign_direction, check_repaired, check_which_mislead


def line(reach=1.0, objective="a"):
    alpha = np.linspace(-reach, reach, 5)
    return xr.Dataset({"loss": ("alpha", 9 * alpha**2)}, {"alpha": alpha}, {"samples": 500, "objective": objective})


PLOTS = {"A": line(), "B": line(0.01), "C": line(100.0)}
WEIGHTS = {"weight": torch.tensor([[3.0, 4.0], [0.0, 2.0]]), "bias": torch.ones(2)}
STILL = torch.zeros(2)
DIRECTIONS = {
    "x": {"weight": torch.tensor([[5.0, 0.0], [2.0, 0.0]]), "bias": STILL},
    "y": {"weight": torch.tensor([[0.5, 0.0], [2.0, 0.0]]), "bias": STILL},
    "z": {"weight": torch.tensor([[0.0, 5.0], [0.0, 2.0]]), "bias": STILL},
}


def test_open_answers_are_open():
    for feedback in (
        check_which_mislead(..., PLOTS),
        check_repaired(..., line()),
        check_foreign_direction(..., DIRECTIONS, WEIGHTS),
    ):
        assert not feedback.right
        assert "Replace" in feedback.text


def test_the_misleading_plots_are_named():
    feedback = check_which_mislead({"B", "C"}, PLOTS)
    assert feedback.right
    assert feedback.text == "B: too-narrow; C: too-wide."
    assert check_which_mislead("B", {name: PLOTS[name] for name in "AB"}).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [("A", "honest ones"), ("D", "no plot 'D'"), (["A", "B"], "About A"), ("B", "there is more"), ((), "more than")],
)
def test_wrong_names_get_a_hint(answer, hint):
    feedback = check_which_mislead(answer, PLOTS)
    assert not feedback.right
    assert hint in feedback.text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((-1, 1), "evaluate_line"),
        (line(objective="b"), "another loss"),
        (line(0.02), "Still too-narrow"),
        (line(100.0), "Now it is too-wide"),
    ],
)
def test_a_plot_that_is_not_repaired(answer, hint):
    feedback = check_repaired(answer, line(0.01))
    assert not feedback.right
    assert hint in feedback.text


def test_a_repaired_plot():
    assert check_repaired(line(), line(0.01)).right


@pytest.mark.parametrize(("answer", "hint"), [("w", "a name"), ("x", "Each of its filters"), (3, "a name")])
def test_the_wrong_direction(answer, hint):
    feedback = check_foreign_direction(answer, DIRECTIONS | {"x": DIRECTIONS["z"]}, WEIGHTS)
    assert not feedback.right
    assert hint in feedback.text or "as a whole" in feedback.text


def test_the_foreign_direction():
    feedback = check_foreign_direction("y", DIRECTIONS, WEIGHTS)
    assert feedback.right
    assert "between 0.1 and 1 " in feedback.text
    assert "as a whole" in check_foreign_direction("x", DIRECTIONS, WEIGHTS).text
