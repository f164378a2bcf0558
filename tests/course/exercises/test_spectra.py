"""Checks about the Hessian: what is right, and a hint for each usual mistake."""

import numpy as np
import pytest
import torch

import landscape_nb as lnb
from landscape_nb.course.exercises.spectra import (
    check_filtered_mean,
    check_largest_eigenvalue,
    check_mixed_curvature,
    check_trace,
)
from landscape_nb.hessian.extremes import Extremes

EIGENVALUES = [-2.0, 0.0, 0.5, 10.0]
ENDS = Extremes(-2.0, 10.0, {}, {}, 30, (0.0, 0.0))


@pytest.mark.parametrize("check", [check_largest_eigenvalue, check_trace])
def test_an_open_answer_is_open(check):
    assert "Replace" in check(..., EIGENVALUES).text
    assert not check(..., EIGENVALUES).right
    assert not check_mixed_curvature(..., ENDS).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (-2.0, "other end"),
        (100.0, "its square"),
        (9.0, "10% too small"),
        (3.0, "divide by the norm"),
        ("ten", "divide by the norm"),
    ],
)
def test_the_largest_eigenvalue(answer, hint):
    assert hint in check_largest_eigenvalue(answer, EIGENVALUES).text
    assert not check_largest_eigenvalue(answer, EIGENVALUES).right


def test_the_largest_eigenvalue_may_be_a_little_off():
    assert check_largest_eigenvalue(9.9, EIGENVALUES).right
    assert check_largest_eigenvalue(np.float32(10.0), EIGENVALUES).right


@pytest.mark.parametrize(
    ("answer", "hint"), [(8.5 / 4, "n times as much"), (10.0, "largest eigenvalue alone"), (0.0, "trace / n")]
)
def test_the_trace(answer, hint):
    assert hint in check_trace(answer, EIGENVALUES, 0.05).text
    assert check_trace(8.4, EIGENVALUES, 0.05).right


@pytest.mark.parametrize(("answer", "hint"), [(8.0, "divide by"), (6.0, "takes away"), (10.0, "orthogonal")])
def test_the_curvature_between_two_eigenvectors(answer, hint):
    assert hint in check_mixed_curvature(answer, ENDS).text
    assert check_mixed_curvature(4.0, ENDS).right


WEIGHTS = [torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]])]
DIAGONAL = np.array([1.0, 3.0, -2.0, 0.0, 5.0, 0.0, 4.0])


def test_the_mean_along_filter_normalized_directions_is_that_of_many():
    params = dict(zip("ab", WEIGHTS, strict=True))
    directions = lnb.random_directions(params, 1000, normalize="filter", seed=0)
    flat = np.array([torch.cat([d[name].ravel() for name in "ab"]).numpy() for d in directions])
    measured = float(((flat**2) @ DIAGONAL / (flat**2).sum(axis=1)).mean())
    right = (25 * 2 + 1 * -1 + 4 * 3) / 30
    assert measured == pytest.approx(right, rel=0.05)
    assert check_filtered_mean(right, DIAGONAL, WEIGHTS).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (..., "Replace"),
        (11 / 7, "trace / n"),
        (61.0, "Divide by"),
        ((5 * 2 - 1 + 2 * 3) / 8, "filters' lengths"),
        (4 / 3, "Every filter counts the same"),
        (100.0, "diagonal"),
    ],
)
def test_the_usual_mistakes_about_that_mean(answer, hint):
    assert hint in check_filtered_mean(answer, DIAGONAL, WEIGHTS).text
    assert not check_filtered_mean(answer, DIAGONAL, WEIGHTS).right
