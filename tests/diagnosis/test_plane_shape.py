"""Curvatures of a drawn plane against quadratics, whose curvatures are known."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import landscape_nb as lnb

number = st.floats(-5, 5)


def quadratic(matrix, points=(5, 7)):
    a, b = np.linspace(-1, 2, points[0]), np.linspace(0, 1, points[1])
    x = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1)
    values = 0.5 * np.einsum("abi,ij,abj->ab", x, matrix, x)
    return xr.Dataset({"loss": (("alpha", "beta"), values)}, {"alpha": a, "beta": b})


@given(number, number, number)
def test_curvatures_are_the_eigenvalues_of_a_quadratic(p, q, r):
    matrix = np.array([[p, q], [q, r]])
    found = lnb.plane_curvatures(quadratic(matrix))
    assert found.shape == (3, 5, 2)
    np.testing.assert_allclose(found, np.broadcast_to(np.linalg.eigvalsh(matrix), found.shape), atol=1e-6)


@pytest.mark.parametrize(("smaller", "fraction"), [(1.0, 0), (0.0, 0), (-0.04, 0), (-0.06, 1), (-3, 1)])
def test_a_saddle_counts_and_a_bowl_does_not(smaller, fraction):
    assert lnb.nonconvex_fraction(quadratic(np.diag([1.0, smaller]))) == fraction


def test_points_beside_what_is_not_finite_do_not_count():
    plane = quadratic(np.diag([1.0, -1.0]), (7, 7))
    plane.loss[0, 0] = np.nan
    plane.loss[6, 6] = np.inf
    assert lnb.nonconvex_fraction(plane) == 1
    with pytest.raises(ValueError, match="plane: got 2×5 points, wants 3×3"):
        lnb.nonconvex_fraction(quadratic(np.eye(2), (2, 5)))
