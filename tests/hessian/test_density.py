"""Spectral densities against the moments of the dense Hessian."""

import numpy as np
import pytest
import torch
from helpers import SPECTRUM, dense_hessian, quadratic, small_net, small_objective

from landscape_nb.hessian.density import spectral_density


def test_quadrature_has_the_moments_of_the_hessian():
    """The weights are the squared first entries of T's eigenvectors: only they give vᵀHᵏv."""
    objective, _ = quadratic()
    density = spectral_density(objective, steps=40, probes=1, seed=7)
    matrix = objective.model.matrix.numpy()
    v = np.random.default_rng(7).standard_normal(40)
    v /= np.linalg.norm(v)
    np.testing.assert_allclose(np.sort(density.nodes.values[0]), np.sort(SPECTRUM), atol=1e-8)
    for power in (0, 1, 2, 3):
        moment = float((density.weights * density.nodes**power).sum())
        assert moment == pytest.approx(v @ np.linalg.matrix_power(matrix, power) @ v, rel=1e-9)


def test_few_steps_are_exact_for_the_first_moments():
    objective, _ = quadratic()
    density = spectral_density(objective, steps=3, probes=2, seed=7)
    v = np.random.default_rng(7).standard_normal((2, 40))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    for power in range(1, 6):
        matrix = np.linalg.matrix_power(objective.model.matrix.numpy(), power)
        moments = (density.weights * density.nodes**power).sum("node")
        np.testing.assert_allclose(moments, np.einsum("pi,ij,pj->p", v, matrix, v), rtol=1e-9)


def test_the_density_integrates_to_one_and_its_mean_is_that_of_the_eigenvalues():
    dense = dense_hessian(small_net())
    density = spectral_density(small_objective(torch.float32), steps=25, probes=30)
    assert density.nodes.shape == density.weights.shape == (30, 25)
    np.testing.assert_allclose(density.weights.sum("node"), 1, rtol=1e-6)
    assert density.weights.min() >= 0
    assert np.trapezoid(density.density, density.eigenvalue) == pytest.approx(1, abs=1e-6)
    means = (density.weights * density.nodes).sum("node").values
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - np.trace(dense) / len(dense)) < 3 * error
    by_density = np.trapezoid(density.density * density.eigenvalue, density.eigenvalue)
    assert by_density == pytest.approx(means.mean(), rel=1e-3)
    assert density.attrs["objective"] == small_objective(torch.float32).fingerprint
    assert {"versions", "seed", "steps", "probes", "width", "products"} <= density.attrs.keys()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_lanczos_that_ends_early_keeps_the_measure(dtype):
    """Three distinct eigenvalues: three nodes, weighted by how much of the probe lies in each space."""
    spectrum = np.array([-1.0] * 10 + [0.0] * 20 + [3.0] * 10)
    objective, vectors = quadratic(spectrum, dtype)
    density = spectral_density(objective, steps=30, probes=2, seed=1)
    v = np.random.default_rng(1).standard_normal((2, 40))
    shares = (v / np.linalg.norm(v, axis=1, keepdims=True) @ vectors) ** 2
    for probe in range(2):
        nodes, weights = density.nodes.values[probe], density.weights.values[probe]
        for value in (-1, 0, 3):
            near = np.abs(nodes - value) < 1e-3
            assert weights[near].sum() == pytest.approx(shares[probe][spectrum == value].sum(), abs=1e-5)
    assert float(density.weights.sum()) == pytest.approx(2)


def test_a_density_narrower_than_its_grid_still_integrates_to_one():
    for spectrum in (SPECTRUM, np.full(30, 2.0), np.zeros(30)):
        density = spectral_density(quadratic(spectrum)[0], steps=10, grid=50, width=1e-3)
        step = float(density.eigenvalue[1] - density.eigenvalue[0])
        assert float(density.density.sum()) * step == pytest.approx(1)
