"""Gradients over all data are those of a plain loop."""

import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import small_net, small_objective
from torch import nn

import landscape_nb as lnb
from landscape_nb.objective.gradient import gradient_at


@pytest.mark.parametrize("sizes", [(7, 30, 13), (50,)])
def test_the_gradient_is_autograds_of_all_samples_at_once(sizes):
    objective = small_objective(sizes=sizes)
    net = copy.deepcopy(small_net())
    images, labels = (torch.cat(parts) for parts in zip(*objective.evaluator.batches, strict=True))
    F.cross_entropy(net(images), labels).backward()
    wanted = torch.cat([p.grad.flatten() for p in net.parameters()])
    torch.testing.assert_close(gradient_at(objective.evaluator), wanted, rtol=1e-9, atol=1e-12)


def test_at_other_buffers_it_is_that_of_a_network_that_has_them():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    data = torch.randn(9, 3, dtype=torch.float64), torch.arange(9) % 2
    objective = lnb.Objective(net, data, batch_size=4)
    other = copy.deepcopy(net)
    other(data[0])  # in training mode: its running statistics change
    other.eval()
    buffers = dict(other.named_buffers())
    wanted = torch.autograd.grad(F.cross_entropy(other(data[0]), data[1]), list(other.parameters()))
    found = gradient_at(objective.evaluator, None, buffers)
    torch.testing.assert_close(found, torch.cat([g.flatten() for g in wanted]), rtol=1e-9, atol=1e-12)
    assert not torch.allclose(found, gradient_at(objective.evaluator))
