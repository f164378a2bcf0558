"""Lanczos' ends of a known spectrum, and what it says where it does not converge."""

import numpy as np
import pytest
import torch
from helpers import SPECTRUM, alike, quadratic, quadratic_objective, small_net, three_batches

import landscape_nb as lnb
from landscape_nb.hessian.extremes import extreme_eigenvalues
from landscape_nb.weights.params import flatten


@pytest.mark.parametrize("size", [1, 2, 3, 19, 20, 21, 40])
def test_extremes_of_a_quadratic_of_any_size(size):
    spectrum = SPECTRUM[np.linspace(0, len(SPECTRUM) - 1, size).astype(int)]
    objective, vectors = quadratic(spectrum)
    ends = extreme_eigenvalues(objective, tolerance=1e-6)
    assert (ends.min, ends.max) == pytest.approx((spectrum[0], spectrum[-1]), rel=1e-8)
    assert alike(flatten(ends.max_vector).numpy(), vectors[:, -1]) > 1 - 1e-8
    assert alike(flatten(ends.min_vector).numpy(), vectors[:, 0]) > 1 - 1e-8


def test_a_negative_definite_and_a_constant_and_a_zero_hessian():
    ends = extreme_eigenvalues(quadratic(-np.linspace(1, 9, 40))[0])
    assert (ends.min, ends.max) == pytest.approx((-9, -1), rel=1e-4)
    ends = extreme_eigenvalues(quadratic(np.full(40, 2.5))[0])
    assert (ends.min, ends.max, ends.ratio) == pytest.approx((2.5, 2.5, 1))
    linear = lnb.Objective(small_net(), three_batches(), lambda outputs, _: outputs.mean())
    ends = extreme_eigenvalues(linear, ignore=lambda name: name != "3.weight")
    assert (ends.min, ends.max, ends.residuals) == (0, 0, (0, 0))
    assert np.isnan(ends.ratio)
    ends = extreme_eigenvalues(quadratic(np.zeros(40))[0])
    assert (ends.min, ends.max) == (0, 0)


def test_a_start_in_a_space_of_its_own_still_finds_both_ends():
    """Products of a diagonal matrix never leave the coordinates that a start has."""
    spectrum = torch.linspace(-1, 9, 60).double()
    objective = quadratic_objective(torch.diag(spectrum), torch.ones(60).double())
    ends = extreme_eigenvalues(objective, start=np.pad(np.ones(40), 10))
    assert (ends.min, ends.max) == pytest.approx((-1, 9), rel=1e-4)


def test_a_residual_above_the_tolerance_warns():
    with pytest.warns(UserWarning, match=r"a residual of .* exceeds twice the tolerance 1e-12"):
        extreme_eigenvalues(quadratic(SPECTRUM[:10], torch.float32)[0], tolerance=1e-12)


def test_no_convergence_says_so(monkeypatch):
    monkeypatch.setattr("landscape_nb.hessian.lanczos._RESTARTS", 1)
    with pytest.raises(RuntimeError, match=r"tolerance: the eigenvalues did not reach 1e-10 within \d+ Hessian"):
        extreme_eigenvalues(quadratic(np.linspace(-1, 1, 400))[0], tolerance=1e-10)
