"""Each usual wrong answer about where training starts and what flatness predicts gets its own hint."""

import pytest
import torch
import xarray as xr
from scipy.stats import spearmanr

from landscape_nb import exercises

START, END = {"w": torch.tensor([3.0, 0.0])}, {"w": torch.tensor([0.0, 4.0])}


@pytest.mark.parametrize(
    ("answer", "right", "hint"),
    [
        (5 / 4, True, "1.25 times"),
        (5.0, False, "the distance itself"),
        (5 / 3, False, "units of the initial"),
        (4 / 3, False, "Lengths alone"),
        (1 / 4, False, "Lengths alone"),
        (0.7, False, "lnb.towards"),
        (..., False, "Replace `...`"),
    ],
)
def test_relative_distance(answer, right, hint):
    feedback = exercises.check_relative_distance(answer, START, END)
    assert hint in feedback.text
    assert feedback.right is right


LINE = xr.Dataset({"loss": ("alpha", [6.0, 7.0, 0.1, 9.0, 8.0])}, {"alpha": [-1.0, -0.5, 0.0, 0.5, 1.0]})


@pytest.mark.parametrize(
    ("answer", "right", "hint"),
    [
        (7.0, True, "rises to 7"),
        (9.0, False, "the higher side"),
        (0.1, False, "the bottom"),
        (6.0, False, "at an end"),
        (8.0, False, "at an end"),
        (1.0, False, "which of them is the lower"),
        (..., False, "Replace `...`"),
    ],
)
def test_rim(answer, right, hint):
    feedback = exercises.check_rim(answer, LINE)
    assert hint in feedback.text
    assert feedback.right is right


X, Y = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 5.0, 4.0, 20.0, 90.0]


@pytest.mark.parametrize(
    ("answer", "right", "hint"),
    [
        (0.9, True, "0.90"),
        (-0.9, False, "large belongs to large"),
        (spearmanr(X, Y), False, "`.statistic`"),
        (spearmanr(X, Y).pvalue, False, "the p-value"),
        (0.8110962, False, "Pearson's"),
        (0.1, False, "spearmanr(first, second)"),
        (..., False, "Replace `...`"),
    ],
)
def test_rank_correlation(answer, right, hint):
    feedback = exercises.check_rank_correlation(answer, X, Y)
    assert hint in feedback.text
    assert feedback.right is right


def test_a_falling_relation_has_its_own_words():
    assert "large belongs to small" in exercises.check_rank_correlation(0.9, X, [-y for y in Y]).text
