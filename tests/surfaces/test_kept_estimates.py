"""Estimates are the same when they come back from a store."""

import numpy as np
import pytest

from landscape_nb.surfaces.kept_estimates import KeptEstimates
from landscape_nb.surfaces.subsample import Estimate

AXES = {"alpha": np.arange(3.0), "beta": np.arange(4.0)}


@pytest.mark.parametrize("loss", [0.1, np.nan, np.inf, -np.inf])
def test_what_a_store_keeps_comes_back(tmp_path, loss):
    estimate = Estimate({"loss": loss, "accuracy": 0.5}, {"loss": 0.25, "accuracy": np.nan}, 0.01, 320)
    kept = KeptEstimates(tmp_path / "kept.zarr", AXES, ["loss", "accuracy"], {"seed": 0})
    assert 7 not in kept
    kept[7] = estimate
    again = KeptEstimates(tmp_path / "kept.zarr", AXES, ["loss", "accuracy"], {"seed": 0})
    assert 7 in again
    assert repr(again[7]) == repr(estimate)
    assert list(again.found) == [7]
