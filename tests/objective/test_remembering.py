"""Criteria and metrics that remember begin anew at every call, and stay as they were."""

import functools

import pytest
import torch
import torch.nn.functional as F
from helpers import assert_line, samples, seeded
from torch import nn

import landscape_nb as lnb


class Annealing(nn.Module):
    """A loss that grows from call to call, in whatever way an object can remember."""

    def __init__(self, where):
        super().__init__()
        self.where, self.calls, self.seen, self.box = where, 0, [], {"calls": 0}
        self.register_buffer("total", torch.zeros(()))

    def forward(self, outputs, targets):
        value = F.cross_entropy(outputs, targets)
        before = {"number": self.calls, "list": len(self.seen), "dict": self.box["calls"], "buffer": self.total.clone()}
        if self.where == "number":
            self.calls += 1
        elif self.where == "list":
            self.seen.append(value)
        elif self.where == "dict":
            self.box["calls"] += 1
        else:
            self.total += value.detach()
        return value * (1 + before[self.where])


@pytest.mark.parametrize("where", ["number", "list", "dict", "buffer"])
@pytest.mark.parametrize("form", [lambda m: m, lambda m: m.forward, functools.partial])
def test_criteria_and_metrics_that_remember_begin_anew_and_stay_as_they_were(where, form):
    given, net, (x, y) = Annealing(where), seeded(nn.Linear, 4, 3), samples()
    with pytest.warns(UserWarning, match=r"criterion remembers earlier calls; .*|metrics\['again'\] remembers"):
        objective = lnb.Objective(net, (x, y), form(given), {"again": form(given)}, batch_size=10)
    expected = F.cross_entropy(net(x), y).item()
    for _ in range(2):
        assert objective() == pytest.approx({"loss": expected, "again": expected})
    assert_line(objective, lambda point: F.cross_entropy(F.linear(x, point["weight"], point["bias"]), y))
    assert (given.calls, given.seen, given.box, given.total.item()) == (0, [], {"calls": 0}, 0)
    same = lnb.Objective(net, (x, y), form(given), {"again": form(given)}, batch_size=10)
    assert same.fingerprint == objective.fingerprint


def test_a_metric_with_a_network_of_its_own_is_called_as_it_was_given():
    features, net, (x, y) = seeded(nn.Linear, 3, 2).requires_grad_(False), seeded(nn.Linear, 4, 3), samples()

    class Perceptual(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = features

        def forward(self, outputs, targets):
            return self.features(outputs).square().mean()

    criterion = Perceptual()
    objective = lnb.Objective(net, (x, y), criterion, batch_size=10)
    assert objective.evaluator.metrics["loss"] is criterion
    assert objective()["loss"] == pytest.approx(criterion(net(x), y).item())
