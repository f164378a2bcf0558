"""The checks of exercises about angles, paths and planes know right answers and the usual wrong ones."""

import numpy as np
import pytest
import torch

import landscape_nb as lnb
from landscape_nb import exercises

SKEW = [{"w": torch.tensor([2.0, 0.0, 0.0])}, {"w": torch.tensor([1.0, 1.0, 0.0])}]
ORIGIN = {"w": torch.tensor([1.0, 0.0, 0.0])}
POINT = {"w": torch.tensor([6.0, 1.0, 7.0])}  # the offset is (5, 1, 7): α = 2, β = 1, off the plane by 7
LENGTH = np.sqrt(75.0)
WALK = np.array([[0.0, 0.0, 1.0], [1.0, 2.0, 0.0], [4.0, 2.0, 3.0], [5.0, 7.0, 3.0]])


def wandering(pull, count=60, size=1000):
    """Points that each take a random step, after going a part of the way back to zero."""
    steps = np.random.default_rng(0).standard_normal((count, size))
    points = [np.zeros(size)]
    for step in steps:
        points.append((1 - pull) * points[-1] + step)
    return np.array(points[1:])


def variances(points):
    return np.linalg.svd(points, compute_uv=False) ** 2


CENTRED, FROM_LAST = variances(WALK - WALK.mean(axis=0)), variances(WALK - WALK[-1])
SHARE = CENTRED[0] / CENTRED.sum()


@pytest.mark.parametrize(
    ("check", "answer", "rest"),
    [
        (exercises.check_expected_cosine, np.sqrt(2 / (np.pi * 5000)), (5000,)),
        (exercises.check_directions_needed, 250, (1000, 0.5)),
        (exercises.check_share, SHARE, (WALK,)),
        (exercises.check_share, CENTRED[:2].sum() / CENTRED.sum(), (WALK, 2)),
        (exercises.check_walk_share, 7.5 / np.pi**2, (2,)),
        (exercises.check_lingering_path, wandering(0.25), ()),
        (exercises.check_coordinates, (2.0, 1.0), (POINT, SKEW, ORIGIN)),
        (exercises.check_coordinates, torch.tensor([2.0, 1.0]), (POINT, SKEW, ORIGIN)),
        (exercises.check_part_outside, 7 / LENGTH, (POINT, SKEW, ORIGIN)),
    ],
)
def test_right_answers_are_right_and_open_ones_are_open(check, answer, rest):
    assert check(answer, *rest).right
    assert not check(..., *rest).right
    assert "Replace" in check(..., *rest).text


@pytest.mark.parametrize(
    ("check", "answer", "rest", "hint"),
    [
        (exercises.check_expected_cosine, 5000**-0.5, (5000,), "root of the mean square"),
        (exercises.check_expected_cosine, 2 / (np.pi * 5000), (5000,), "square: a root"),
        (exercises.check_expected_cosine, 89.353, (5000,), "degrees"),
        (exercises.check_expected_cosine, "small", (5000,), "The law"),
        (exercises.check_directions_needed, 500, (1000, 0.5), "squared"),
        (exercises.check_directions_needed, 0.5 / np.sqrt(2 / (np.pi * 1000)), (1000, 0.5), "do not add up"),
        (exercises.check_directions_needed, 2, (1000, 0.5), "k/n"),
        (exercises.check_share, 100 * SHARE, (WALK,), "percentage"),
        (exercises.check_share, FROM_LAST[0] / FROM_LAST.sum(), (WALK,), "not centred"),
        (exercises.check_share, CENTRED[0] ** 0.5 / (CENTRED**0.5).sum(), (WALK,), "square of a singular value"),
        (exercises.check_share, 0.1, (WALK,), "Centre"),
        (exercises.check_lingering_path, wandering(0.0), (), "goes away for good"),
        (exercises.check_lingering_path, wandering(1.0), (), "forgets"),
        (exercises.check_lingering_path, wandering(0.25, 49), (), "50 rows"),
        (exercises.check_lingering_path, 0.2, (), "50 rows"),
        (exercises.check_lingering_path, np.ones((60, 3)), (), "All points are equal"),
        (exercises.check_walk_share, 76.0, (2,), "percentage"),
        (exercises.check_walk_share, 0.152, (2,), "alone"),
        (exercises.check_walk_share, 1.216, (2,), "not equal"),
        (exercises.check_walk_share, 0.5, (2,), "add up k"),
        (exercises.check_coordinates, 3.0, (POINT, SKEW, ORIGIN), "pair"),
        (exercises.check_coordinates, "nowhere", (POINT, SKEW, ORIGIN), "pair"),
        (exercises.check_coordinates, (1.0, 2.0), (POINT, SKEW, ORIGIN), "swapped"),
        (exercises.check_coordinates, (5.0, 6 / np.sqrt(2)), (POINT, SKEW, ORIGIN), "is a length"),
        (exercises.check_coordinates, (2.5, 3.0), (POINT, SKEW, ORIGIN), "orthogonal directions"),
        (exercises.check_coordinates, (10.0, 6.0), (POINT, SKEW, ORIGIN), "inner products: divide"),
        (exercises.check_coordinates, (0.0, 0.0), (POINT, SKEW, ORIGIN), "lnb.project"),
        (exercises.check_part_outside, 7.0, (POINT, SKEW, ORIGIN), "divide"),
        (exercises.check_part_outside, np.sqrt(26.0) / LENGTH, (POINT, SKEW, ORIGIN), "*in* the plane"),
        (exercises.check_part_outside, 1 - np.sqrt(26.0) / LENGTH, (POINT, SKEW, ORIGIN), "right angle"),
        (exercises.check_part_outside, 49 / 75, (POINT, SKEW, ORIGIN), "squared length"),
        (exercises.check_part_outside, None, (POINT, SKEW, ORIGIN), "two legs"),
    ],
)
def test_usual_mistakes_have_hints_of_their_own(check, answer, rest, hint):
    feedback = check(answer, *rest)
    assert not feedback.right
    assert hint in feedback.text


FILTERS = [torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]])]
MEAN_SQUARE = 25**2 / 2 + 1 / 2 + 16 / 3


def test_the_effective_dimension_is_one_by_the_mean_squared_cosine_of_many():
    directions = lnb.random_directions(dict(zip("ab", FILTERS, strict=True)), 1000, normalize="filter", seed=0)
    flat = np.array([torch.cat([d[name].ravel() for name in "ab"]).numpy() for d in directions])
    cosines = (flat[:500] * flat[500:]).sum(axis=1) / np.sqrt((flat[:500] ** 2).sum(1) * (flat[500:] ** 2).sum(1))
    right = 30**2 / MEAN_SQUARE
    assert 1 / (cosines**2).mean() == pytest.approx(right, rel=0.1)
    assert exercises.check_effective_dimension(right, FILTERS).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (..., "Replace"),
        (MEAN_SQUARE / 900, "mean squared cosine"),
        (30 / MEAN_SQUARE**0.5, "goes with its square"),
        (7, "number of weights"),
        (MEAN_SQUARE, "divides by both lengths"),
        (100, "the filters add up"),
    ],
)
def test_the_usual_mistakes_about_the_effective_dimension(answer, hint):
    assert hint in exercises.check_effective_dimension(answer, FILTERS).text
    assert not exercises.check_effective_dimension(answer, FILTERS).right
