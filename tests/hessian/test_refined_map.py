"""A map from coarse to fine, against the dense one and a map that is known, with an error that it keeps."""

import numpy as np
import pytest
from helpers import small_objective

import landscape_nb as lnb
from landscape_nb.hessian.curvature_map import _Curvature
from landscape_nb.hessian.refined_map import refined_map

AXES = {name: np.linspace(-1, 1, 31) for name in ("alpha", "beta")}


class Known:
    """A smooth ratio with a ridge; counts what it is asked for."""

    names = ("lambda_min", "lambda_max", "ratio", "residual", "products")

    def __init__(self, finite=True):
        self.asked, self.finite = [], finite

    def truth(self, alpha, beta):
        return 0.25 + 0.2 * np.tanh(3 * (alpha - 0.3 * beta)) + 0.05 * np.cos(3 * beta)

    def __call__(self, points):
        self.asked += [tuple(point) for point in points.tolist()]
        ratio = self.truth(*points.T)
        if not self.finite:
            ratio = np.where(points[:, 0] > 0.5, np.nan, ratio)
        return {"lambda_min": -ratio, "lambda_max": 1 + 0 * ratio, "ratio": ratio, "residual": ratio, "products": ratio}


def found_by(measurement, **how):
    return refined_map(measurement, AXES, {"made": "up"}, how.pop("error", 0.02), progress=False, **how)


def test_the_error_of_a_known_map_is_kept_with_fewer_points():
    measurement = Known()
    found = found_by(measurement)
    truth = measurement.truth(found.alpha, found.beta)
    assert float(((found.ratio - truth) ** 2).mean() ** 0.5) < 0.02
    assert found.attrs["estimated_error"] < 0.02
    assert found.attrs["stopped"] == "error"
    assert found.attrs["points"] == len(measurement.asked) == len(set(measurement.asked)) < 0.4 * 31**2
    assert int(found.measured.sum()) == found.attrs["points"]


def test_where_nothing_is_measured_no_eigenvalue_is_made_up():
    found = found_by(Known())
    for name in ("lambda_min", "lambda_max", "residual"):
        np.testing.assert_array_equal(np.isnan(found[name]), ~found.measured)
    assert np.isfinite(found.ratio).all()
    assert (found.ratio_error.where(found.measured, 0) == 0).all()
    np.testing.assert_array_equal(found.ratio.where(found.measured, 0), -found.lambda_min.where(found.measured, 0))


def test_a_smaller_error_takes_more_points_and_the_smallest_takes_all():
    rough, fine = found_by(Known(), error=0.03), found_by(Known(), error=3e-5)
    assert rough.attrs["points"] < fine.attrs["points"]
    whole = found_by(Known(), error=1e-12)
    assert whole.attrs["stopped"] == "complete"
    assert whole.measured.all()


def test_points_that_are_not_finite_stay_so():
    found = found_by(Known(finite=False))
    missing = np.isnan(found.ratio)
    assert (missing.where(found.alpha > 0.56, 1) == 1).all()
    assert not missing.where(found.alpha < 0.44, False).any()


def test_a_stopped_map_goes_on_and_gives_the_same(tmp_path):
    whole, stopping = found_by(Known()), Known()

    def stops(points, measure=stopping.__call__):
        if len(stopping.asked) == 60:
            raise KeyboardInterrupt
        return measure(points)

    stops.names = Known.names
    with pytest.raises(KeyboardInterrupt):
        found_by(stops, store=tmp_path / "map.zarr")
    again = Known()
    resumed = found_by(again, store=tmp_path / "map.zarr")
    assert len(again.asked) == whole.attrs["points"] - 60
    for name in whole:
        np.testing.assert_array_equal(resumed[name], whole[name])
    with pytest.raises(ValueError, match="was made from something else"):
        found_by(Known(), error=0.5, store=tmp_path / "map.zarr")


def test_it_is_a_way_to_make_a_curvature_map(tmp_path, monkeypatch):
    objective = small_objective()
    directions = lnb.random_directions(objective.origin, 2, seed=1)
    where = (objective, directions, (-0.6, 0.6), (5, 4))
    dense = lnb.curvature_map(*where, progress=False)
    refined = lnb.curvature_map(*where, progress=False, error=1e-9, store=tmp_path / "map.zarr")
    assert refined.attrs["stopped"] == "complete"
    for name in ("lambda_max", "ratio"):
        np.testing.assert_allclose(refined[name], dense[name], rtol=0.05)
    assert refined.attrs["objective"] == objective.fingerprint
    monkeypatch.setattr(_Curvature, "__call__", lambda *_: pytest.fail("measured again"))
    lnb.curvature_map(*where, progress=False, error=1e-9, store=tmp_path / "map.zarr")


def test_a_bad_error_is_named():
    objective = small_objective()
    directions = lnb.random_directions(objective.origin, 2)
    with pytest.raises(ValueError, match="error: got 0"):
        lnb.curvature_map(objective, directions, error=0)
