"""Metrics of a batch."""

import pytest
import torch
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


@pytest.mark.parametrize("metric", [lambda o, t: (o.argmax(1) == t).sum(), lambda o, t, **_: float((o > 0).sum())])
def test_counts_are_metrics(metric):
    x, model = torch.randn(40, 4), nn.Linear(4, 4)
    assert lnb.Objective(model, (x, LABELS), metrics={"count": metric})()["count"] == metric(model(x), LABELS)
