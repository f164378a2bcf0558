"""Curvatures of a drawn plane against quadratics, whose curvatures are known."""

import numpy as np
import pytest
import scipy.optimize
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


def egg_box(count, waves=8.0):
    """log loss cos(w α) cos(w β)."""
    axis = np.linspace(-1, 1, count)
    loss = np.exp(np.outer(np.cos(waves * axis), np.cos(waves * axis)))
    return xr.Dataset({"loss": (("alpha", "beta"), loss)}, {"alpha": axis, "beta": axis})


def test_a_bowl_has_one_minimum_and_an_egg_box_one_in_each_hollow():
    axis = np.linspace(-1, 1, 21)
    bowl = xr.Dataset(
        {"loss": (("alpha", "beta"), (axis[:, None] - 0.3) ** 2 + axis**2)}, {"alpha": axis, "beta": axis}
    )
    assert lnb.local_minima(bowl) == 1
    assert lnb.local_minima(bowl.isel(alpha=slice(0, 10))) == 0  # the lowest point is on the rim
    # cos(8α) cos(8β) is −1 where one factor is 1, at 0 or ±π/4, and the other is −1, at ±π/8: 3 × 2, and the reverse.
    assert lnb.local_minima(egg_box(101)) == 12


def test_minima_are_strict_and_not_beside_what_is_missing():
    box = egg_box(101)
    assert lnb.local_minima(box * 0 + 1) == 0
    hollow = np.argwhere(box.loss.values[1:-1, 1:-1] == box.loss.values.min())[0] + 1
    box.loss[tuple(hollow + 1)] = np.nan
    assert lnb.local_minima(box) == 11
    box.loss[50, 50] = -np.inf
    assert lnb.local_minima(box) == 11


@pytest.mark.filterwarnings("error")
def test_infinite_neighbours_are_left_out_without_a_warning():
    plane = quadratic(np.diag([1.0, -1.0]), (7, 7))
    plane.loss[:2, :2] = np.inf
    plane.loss[3, 6] = -np.inf
    assert lnb.nonconvex_fraction(plane) == 1


@pytest.mark.parametrize(("count", "reach"), [(25, 3), (51, 6)])
def test_roughness_is_what_polynomials_fitted_one_by_one_leave_over(count, reach):
    plane, step = egg_box(count), 12 * 2 / (count - 1)
    x, y = (step * part.ravel() for part in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    height, left = np.log(plane.loss.values), []
    for i in range(reach, count - reach):
        for j in range(reach, count - reach):
            window = height[i - reach : i + reach + 1, j - reach : j + reach + 1].ravel()
            fit = scipy.optimize.lsq_linear(
                np.exp(-(x**2 + y**2) / 4)[:, None] * np.stack([x**0, x, y, x * x, x * y, y * y], 1),
                np.exp(-(x**2 + y**2) / 4) * window,
            )
            left.append(height[i, j] - fit.x[0])
    assert lnb.roughness(plane) == pytest.approx(np.sqrt(np.mean(np.square(left))))


@pytest.mark.parametrize("count", [25, 51, 101])
def test_a_bowl_is_smooth_and_an_egg_box_rough_at_any_spacing(count):
    axis = np.linspace(-1, 1, count)
    bowl = xr.Dataset({"loss": (("alpha", "beta"), 0.05 + axis[:, None] ** 2 + axis**2)}, {"alpha": axis, "beta": axis})
    assert lnb.roughness(bowl) < 0.004
    assert lnb.roughness(egg_box(count, 12.0)) == pytest.approx(0.12, rel=0.1)


def test_shipped_planes_are_rough_without_shortcuts_and_not_with_them():
    shortcuts, plain = lnb.shipped_planes("05").values()
    for step in (1, 2):
        each = [
            lnb.roughness(plane.isel(alpha=slice(None, None, step), beta=slice(None, None, step)))
            for plane in (shortcuts, plain)
        ]
        assert each == pytest.approx([0.046, 0.193], rel=0.05)
    assert lnb.local_minima(plain) > 5 * lnb.local_minima(shortcuts)
    # The fraction that bends down does not tell them apart: it counts where the loss levels off, far outside.
    assert lnb.nonconvex_fraction(plain) < 1.5 * lnb.nonconvex_fraction(shortcuts)


def test_points_near_missing_ones_do_not_count():
    plane = egg_box(25)
    whole = lnb.roughness(plane)
    plane.loss[12, 12] = np.nan
    assert np.isfinite(lnb.roughness(plane))
    assert lnb.roughness(plane) != whole
    assert np.isnan(lnb.roughness(plane * np.nan))


def test_what_has_no_roughness_is_refused():
    with pytest.raises(ValueError, match="^plane: got 16×25 points, wants 17×17 or more"):
        lnb.roughness(egg_box(25).isel(alpha=slice(0, 16)))
    with pytest.raises(ValueError, match="^plane: got a loss of -1, which has no logarithm"):
        lnb.roughness(egg_box(25) * 0 - 1)


@pytest.mark.parametrize("measure", [lnb.plane_curvatures, lnb.nonconvex_fraction, lnb.roughness])
def test_uneven_steps_are_refused(measure):
    plane = egg_box(25)
    single = plane.assign_coords(alpha=plane.alpha.astype("float32"), beta=plane.beta.astype("float32"))
    np.testing.assert_allclose(measure(single), measure(plane), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="^plane: got steps of .* to .* along 'beta', wants even ones$"):
        measure(plane.isel(beta=[*range(16), 18, 21]))
