"""Losses in bfloat16 are compared with float32, and refused where they draw something else."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import NETS, images, stirred
from torch import nn

import landscape_nb as lnb


def test_bfloat16_is_compared_and_says_its_error():
    model = stirred(NETS["VGG"]())
    objective = lnb.Objective(model, images(40))
    directions = lnb.random_directions(model, 2)
    exact = lnb.evaluate_plane(objective, directions, (-0.3, 0.3), 5, progress=False)
    half = lnb.evaluate_plane(objective, directions, (-0.3, 0.3), 5, precision="bfloat16", progress=False)
    errors = np.abs(half.loss / exact.loss - 1).values
    assert 0 < errors.max() < 0.02
    assert half.attrs["precision_error"] == pytest.approx(errors[::2, ::2].max(), rel=0.1)
    assert "in bfloat16" in half.attrs["engine"]
    assert not any(how in half.attrs["engine"] for how in ("in blocks", "in tiles"))
    assert exact.attrs["precision"] == "full"


def test_bfloat16_takes_outputs_of_any_structure():
    class Twice(nn.Linear):
        def forward(self, x):
            return {"scores": super().forward(x), "kind": 7}

    def criterion(outputs, targets):
        assert outputs["scores"].dtype is torch.float32
        return torch.nn.functional.cross_entropy(outputs["scores"], targets)

    objective = lnb.Objective(Twice(4, 4), (torch.randn(40, 4), torch.randint(4, (40,))), criterion)
    (direction,) = lnb.random_directions(objective.origin, 1)
    half, full = (
        lnb.evaluate_line(objective, direction, resolution=5, precision=precision, progress=False)
        for precision in ("bfloat16", "full")
    )
    np.testing.assert_allclose(half.loss, full.loss, rtol=0.02)
    assert not np.array_equal(half.loss, full.loss)


def test_bfloat16_is_refused_where_it_draws_something_else(tmp_path):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    x = torch.linspace(256, 257, 50)[:, None]
    objective = lnb.Objective(model, (x, x + 0.1), F.mse_loss)
    direction = {"weight": torch.tensor([[0.001]])}
    with pytest.raises(ValueError, match="precision: bfloat16 gives a loss of .* use 'full'"):
        lnb.evaluate_line(objective, direction, precision="bfloat16", store=tmp_path / "s.zarr", progress=False)
    assert not (tmp_path / "s.zarr").exists()
    with pytest.raises(ValueError, match="precision: got 'float8'"):
        lnb.evaluate_line(objective, direction, precision="float8", progress=False)
