"""The attributes of a result say how it was made."""

import json

import pytest
import torch
from torch import nn

import landscape_nb as lnb

pytestmark = pytest.mark.filterwarnings("error")


def test_results_say_how_they_were_made(objective):
    directions = lnb.random_directions(objective.origin, 2, seed=4)
    plane = lnb.evaluate_plane(objective, directions, [(-1, 1), (0, 2)], (3, 2), progress=False)
    assert plane.attrs["seed"] == 4
    assert plane.attrs["normalization"] == "filter"
    assert plane.attrs["extent"] == [-1, 1, 0, 2]
    assert plane.attrs["objective"] == objective.fingerprint
    assert "torch" in plane.attrs["versions"]
    assert plane.attrs["wall_time"] > 0
    assert plane.attrs["samples"] == 50


def test_attributes_say_lengths_and_angle_of_the_directions():
    """Against vectors by hand: (3, 4) and (0, 2) have a cosine of 0.8."""
    model = nn.Linear(2, 1, bias=False)
    objective = lnb.Objective(model, (torch.eye(2), torch.zeros(2, 1)), nn.functional.mse_loss)
    directions = [{"weight": torch.tensor([w])} for w in ([3.0, 4.0], [0.0, 2.0])]
    for found in (
        lnb.evaluate_plane(objective, directions, resolution=2, progress=False),
        lnb.curvature_map(objective, directions, resolution=2, progress=False),
    ):
        assert found.attrs["direction_norms"] == [5, 2]
        assert found.attrs["direction_cosine"] == pytest.approx([0.8])
    assert json.dumps(found.attrs["direction_norms"])
