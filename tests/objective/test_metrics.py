"""Metrics, and how their values over batches are combined."""

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS
from torch import nn

import landscape_nb as lnb


def test_accuracy_counts_pixels_and_letters_and_refuses_what_does_not_fit():
    scores, targets = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long)
    scores[:, 1, 0] = 1.0
    assert lnb.accuracy(scores, targets).item() == pytest.approx(3 / 4)
    assert lnb.accuracy(scores.movedim(1, -1), targets).item() == pytest.approx(3 / 4)
    with pytest.raises(ValueError, match="fits both ways"):
        lnb.accuracy(torch.zeros(2, 3, 3), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"outputs: got shape \(5,\)"):
        lnb.accuracy(torch.zeros(5), torch.zeros(5, dtype=torch.long))


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


def test_a_root_of_a_mean_that_is_zero_at_the_origin_is_no_mean():
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


@pytest.mark.parametrize("metric", [lambda o, t: (o.argmax(1) == t).sum(), lambda o, t, **_: float((o > 0).sum())])
def test_counts_are_metrics(metric):
    x, model = torch.randn(40, 4), nn.Linear(4, 4)
    assert lnb.Objective(model, (x, LABELS), metrics={"count": metric})()["count"] == metric(model(x), LABELS)
