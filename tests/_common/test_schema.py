"""The words of results are those that are written and read."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import landscape_nb as lnb
from landscape_nb import plotting
from landscape_nb._common import schema
from landscape_nb.diagnosis import view

QUIET = {"progress": False}


@pytest.fixture(scope="module")
def objective() -> lnb.Objective:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    return lnb.Objective(model, (torch.randn(20, 3), torch.arange(20) % 2))


@pytest.fixture(scope="module")
def results(objective):
    directions = lnb.random_directions(objective.origin, 2, seed=1)
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    *_, progressive = lnb.progressive_plane(objective, directions, resolution=3, **QUIET)
    return {
        "line": lnb.evaluate_line(objective, directions[0], resolution=3, repeats=2, **QUIET),
        "plane": lnb.evaluate_plane(objective, directions, resolution=2, **QUIET),
        "path": lnb.interpolate(objective, objective.model, other, resolution=3, **QUIET),
        "progressive": progressive,
    }


def test_names_that_no_metric_may_have_are_those_of_results(objective, results):
    written = {str(name) for result in results.values() for name in result.variables}
    assert written - set(objective.names) == set(schema.TAKEN)


@pytest.mark.parametrize("name", schema.TAKEN)
def test_no_metric_may_have_the_name_of_something_else(name):
    data = torch.ones(3, 2), torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match=f"metrics, extra_data: the name '{name}' is taken"):
        lnb.Objective(nn.Linear(2, 2), data, F.cross_entropy, {name: lnb.accuracy})


def test_errors_are_named_after_their_values():
    drawn = lnb.Objective(nn.Linear(3, 2), (torch.randn(4, 3), torch.arange(4) % 2), seed=0, draws=2)
    assert drawn.names == ["loss", "loss" + schema.STDERR, "loss" + schema.DRAWS_STDERR] == [*drawn.measure()]


def test_dimensions_are_those_of_results(results):
    dims = {name: set(result.dims) for name, result in results.items()}
    assert dims["line"] == {schema.REPEAT, schema.ALPHA}
    assert results["plane"].loss.dims == results["progressive"].loss.dims == schema.DIMS
    assert dims["path"] == {schema.ALPHA}


def test_what_a_diagnosis_reads_somebody_writes(results):
    written = {name for result in results.values() for name in result.attrs}
    assert set(view._KINDS) <= written
    assert set(schema.ROUNDED) <= written
    assert results["path"].attrs[schema.KIND] == schema.INTERPOLATION


def test_levels_are_the_papers():
    assert plotting.PAPER_LEVELS is schema.PAPER_LEVELS
    assert pytest.approx([0.1 + 0.5 * n for n in range(20)]) == schema.PAPER_LEVELS
