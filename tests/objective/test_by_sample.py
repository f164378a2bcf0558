"""Which metrics are means over samples."""

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, clipped
from torch import nn

import landscape_nb as lnb
from landscape_nb.objective.by_sample import find_form


def test_a_root_of_a_mean_that_is_zero_at_the_origin_is_not_a_mean():
    torch.manual_seed(0)
    model, x = nn.Linear(3, 1), torch.randn(50, 3)
    target = model(x).detach()
    objective = lnb.Objective(model, (x, target), lambda a, b: F.mse_loss(a, b).sqrt())
    point = {name: p + 0.3 for name, p in objective.origin.items()}
    wanted = F.mse_loss(torch.func.functional_call(model, point, (x,)), target).sqrt().item()
    assert objective(point)["loss"] == pytest.approx(wanted, rel=1e-5)


def test_probabilities_stay_means_over_samples():
    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid(), nn.Flatten(0))
    objective = lnb.Objective(model, (torch.randn(40, 4), (LABELS > 1).float()), nn.BCELoss())
    assert objective.evaluator.by_sample["loss"] is not None


@pytest.mark.parametrize("made", [lambda metric: metric, torch.jit.script], ids=["plain", "scripted"])
def test_a_metric_that_clips_is_not_a_mean_though_none_of_the_samples_shows_it(made):
    scores, targets = torch.arange(4.0), torch.zeros(4)
    assert find_form(made(clipped), scores, targets, 4, (scores, targets), False) is None
    assert find_form(F.mse_loss, scores, targets, 4, (scores, targets), False) is not None
