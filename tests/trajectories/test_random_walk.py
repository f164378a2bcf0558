"""Random walks in many dimensions follow their law."""

import math

import numpy as np
import pytest
import torch
from helpers import as_points
from sklearn.decomposition import PCA

from landscape_nb.trajectories import pca, random_walk


def test_a_random_walk_is_made_in_parts_that_fit(monkeypatch):
    whole = random_walk.random_walk(6, 100, seed=4)
    monkeypatch.setattr(random_walk, "_ENTRIES_AT_ONCE", 128)
    np.testing.assert_array_equal(random_walk.random_walk(6, 100, seed=4), whole)
    assert not whole[0].any()
    assert np.diff(whole, axis=0).std() == pytest.approx(1, abs=0.15)
    oracle = PCA(3).fit(whole).explained_variance_ratio_
    np.testing.assert_allclose(random_walk.random_walk_variance_ratio(6, 100, 3, seed=4), oracle, rtol=1e-10)


def test_a_random_walk_in_many_dimensions_follows_its_law():
    """6/π² ≈ 60.8 % in the first component, a k²-th of it in the k-th."""
    assert random_walk.random_walk_ratios(1)[0] == 6 / math.pi**2
    assert random_walk.random_walk_ratios(100_000).sum() == pytest.approx(1, abs=1e-4)
    found = random_walk.random_walk_variance_ratio(200, 20_000, 5, seed=1)
    np.testing.assert_allclose(found, random_walk.random_walk_ratios(5), rtol=0.1)
    np.testing.assert_allclose(random_walk.random_walk_ratios(5, 100_000), random_walk.random_walk_ratios(5), rtol=1e-6)


def test_a_short_walk_has_a_law_of_its_own():
    np.testing.assert_allclose(random_walk.random_walk_ratios(9, 10).sum(), 1)
    np.testing.assert_allclose(
        random_walk.random_walk_variance_ratio(10, 200_000, 9), random_walk.random_walk_ratios(9, 10), rtol=0.02
    )


def test_components_of_a_real_walk_through_weight_space_follow_the_law():
    matrix = random_walk.random_walk(40, 4000, 2)
    found = pca.pca_directions(as_points(matrix, like={"w": torch.zeros(40, 100)}), 2)
    assert found.explained_variance_ratio[0] == pytest.approx(6 / math.pi**2, abs=0.06)


@pytest.mark.parametrize("bad", [{"points": 1}, {"dimension": 0}, {"seed": -1}, {"dimension": 2.5}])
def test_what_cannot_be_walked_is_said(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}: got"):
        random_walk.random_walk(**{"points": 3, "dimension": 2} | bad)
    with pytest.raises(ValueError, match="count: got 5, which takes 6 points or more; there are 4"):
        random_walk.random_walk_variance_ratio(4, 10)
