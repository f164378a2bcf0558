"""The extent of a path shows all of it, and is one that planes and lines are measured on."""

import numpy as np
import pytest
import torch
import xarray as xr
from helpers import batch_norm_net, small_data

import landscape_nb as lnb


def path(**coords):
    return xr.Dataset({name: ("point", np.asarray(values, float)) for name, values in coords.items()})


def test_each_axis_has_its_own_margin():
    assert lnb.extent_of(path(alpha=[1, 3, 2], beta=[-10, 0, 30]), 0.25) == ((0.5, 3.5), (-20.0, 40.0))


def test_without_margin_the_ends_are_those_of_the_path():
    coords = np.random.default_rng(0).normal(size=(2, 9))
    found = lnb.extent_of(path(alpha=coords[0], beta=coords[1]), margin=0)
    assert found == tuple((values.min(), values.max()) for values in coords)


def test_several_paths_are_shown_together():
    paths = [path(alpha=[0, 1], beta=[0, 5]), path(alpha=[-3], beta=[2])]
    assert lnb.extent_of(paths, 0) == ((-3.0, 1.0), (0.0, 5.0))


@pytest.mark.parametrize("beta", [[5, 5], [5, 5 + 1e-9]])
def test_an_axis_without_width_gets_that_of_the_longest(beta):
    along, across = lnb.extent_of(path(alpha=[0, 4], beta=beta), margin=0.5)
    assert along == (-2.0, 6.0)
    assert across == pytest.approx((1.0, 9.0), abs=1e-8)


def test_a_single_point_is_in_the_middle():
    assert lnb.extent_of(path(alpha=[3], beta=[-2]), margin=0) == ((2.0, 4.0), (-3.0, -1.0))


def test_planes_and_lines_are_measured_on_it():
    net, data = batch_norm_net(), small_data()
    objective = lnb.Objective(net, data)
    directions = lnb.random_directions(net, 3)
    points = [lnb.move(objective.origin, directions[:2], at) for at in ([0, 0], [1, 0.5], [2, 1.5])]
    of_line = lnb.extent_of(lnb.project(points, directions[:1], objective.origin))
    line = lnb.evaluate_line(objective, directions[0], of_line, 3, progress=False)
    assert line.alpha.values[[0, -1]].tolist() == list(of_line[0])
    gap = lnb.plane_gap(objective, points, directions[:2], objective.origin)
    extent = lnb.extent_of(gap, margin=0.1)
    np.testing.assert_allclose(extent, [(-0.2, 2.2), (-0.15, 1.65)], atol=1e-5)
    plane = lnb.evaluate_plane(objective, directions[:2], extent, 3, progress=False)
    assert plane.beta.values[[0, -1]].tolist() == list(extent[1])
    three = lnb.extent_of(lnb.project(points, directions, objective.origin), margin=0)
    np.testing.assert_allclose(three[:2], [(0, 2), (0, 1.5)], atol=1e-5)
    assert len(three) == 3


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (3, TypeError, "path: got int, wants what project or plane_gap returned, or a list of such"),
        ([3], TypeError, r"path\[0\]: got int"),
        ([], ValueError, "path: got an empty list"),
        (xr.Dataset(), ValueError, "path: has no points"),
        (xr.Dataset(coords={"alpha": [0.0, 1.0]}), ValueError, "path: has no points"),
        (path(beta=[0, 1]), ValueError, "path: has no points"),
        (path(alpha=[0, np.nan]), ValueError, "path: has coordinates that are NaN or infinite"),
        (
            [path(alpha=[0, 1]), path(alpha=[0], beta=[1])],
            ValueError,
            r"path\[1\]: has 2 axes, and the first path has 1",
        ),
    ],
)
def test_what_is_not_a_path_is_named(wrong, error, message):
    with pytest.raises(error, match=message):
        lnb.extent_of(wrong)


@pytest.mark.parametrize("margin", [-0.1, np.inf, np.nan, "wide", None, torch.ones(1)])
def test_a_margin_is_a_number(margin):
    with pytest.raises(ValueError, match="margin: got .*, wants 0 or a positive number"):
        lnb.extent_of(path(alpha=[0, 1]), margin)
