"""How the tensors of a batch are found, copied and moved, however nested they are."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, packed
from torch import nn

import landscape_nb as lnb
from landscape_nb.objective.nested import copied, tensors_of, to_device


class Graph:
    def __init__(self, nodes):
        self.nodes = nodes

    def to(self, device):
        return Graph(self.nodes.to(device))


def test_copies_share_nothing():
    for batch in ((packed(2, 3), torch.ones(2)), {"graph": Graph(torch.ones(2)), "rest": [torch.ones(1), "text"]}):
        copy = copied(batch)
        assert [p.data_ptr() for p in tensors_of(copy)] != [p.data_ptr() for p in tensors_of(batch)]
        assert all(torch.equal(*pair) for pair in zip(tensors_of(copy), tensors_of(batch), strict=True))
        assert all(part.device.type == "meta" for part in tensors_of(to_device(tensors_of(batch), "meta")))
    assert to_device({"graph": Graph(torch.ones(2))}, "meta")["graph"].nodes.device.type == "meta"


class OfPairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 4)

    def forward(self, parts):
        return self.layer(torch.cat(parts, 1))


def test_inputs_of_several_tensors_are_measured():
    model, x = OfPairs(), torch.randn(40, 6)
    objective = lnb.Objective(model, [([x[:, :3], x[:, 3:]], LABELS)])
    line = lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=3, progress=False)
    assert float(line.loss[1]) == pytest.approx(F.cross_entropy(model.layer(x), LABELS).item(), rel=1e-5)


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    note: str = ""


def test_named_tuples_keep_their_names():
    model, batch = nn.Linear(4, 4), Batch(torch.randn(40, 4), LABELS)
    objective = lnb.Objective(
        model, [batch], lambda o, b: F.cross_entropy(o, b.y), forward=lambda model, batch: model(batch.x)
    )
    assert objective()["loss"] == pytest.approx(F.cross_entropy(model(batch.x), LABELS).item(), rel=1e-5)
