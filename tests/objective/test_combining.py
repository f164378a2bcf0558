"""How the values of a metric on batches become its value on all data."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import landscape_nb as lnb


def test_targets_that_are_ignored_in_a_later_batch_do_not_count():
    labels = torch.arange(512) % 3
    labels[300:350] = -100
    x, model = torch.randn(512, 4), nn.Linear(4, 3)
    found = lnb.Objective(model, (x, labels), nn.CrossEntropyLoss(ignore_index=-100))()["loss"]
    assert found == pytest.approx(F.cross_entropy(model(x), labels).item(), rel=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_class_weights_hold_where_one_batch_does_not_show_them(scale):
    labels, x, model = (torch.arange(64) >= 32).long(), torch.randn(64, 4), nn.Linear(4, 2)
    nn.init.constant_(model.bias, 0)
    model.weight.data *= scale
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.0]))
    objective = lnb.Objective(model, (x, labels), criterion, batch_size=64)
    point = {name: p + 0.3 for name, p in objective.origin.items()} | {"bias": torch.tensor([0.5, -0.5])}
    wanted = criterion(torch.func.functional_call(model, point, (x,)), labels).item()
    assert objective(point)["loss"] == pytest.approx(wanted, rel=1e-5)
