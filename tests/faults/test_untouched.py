"""Whatever happens, the caller's model and the random states stay bit for bit as they were."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import batch_norm_net, small_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import landscape_nb as lnb


class Net(nn.Module):
    """Batch norm, dropout, a frozen layer, a mixed mode and a buffer that counts calls."""

    def __init__(self):
        super().__init__()
        self.body = batch_norm_net()
        self.dropout = nn.Dropout()
        self.register_buffer("calls", torch.zeros(()))
        self.body.hidden[1].weight.requires_grad_(False)
        self.train()
        self.body.hidden[2].eval()

    def forward(self, images):
        self.calls += 1
        return self.dropout(self.body(images)) + torch.rand(())


def snapshot(model):
    return {
        "state": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "pointers": {name: tensor.data_ptr() for name, tensor in model.state_dict().items()},
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "gradients": {name: p.grad for name, p in model.named_parameters()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].tolist(),
        "python": random.getstate(),
        "grad_enabled": torch.is_grad_enabled(),
    }


def assert_same(before, after):
    for name, tensor in before.pop("state").items():
        assert torch.equal(tensor, after["state"][name]), name
    after.pop("state")
    assert torch.equal(before.pop("torch"), after.pop("torch"))
    assert before == after


def faulty(kind, left=0, in_training=False):
    """A criterion that raises, or interrupts, at the nth call after `left` is set to n; under autograd, if asked.

    It counts in an attribute of its own: of an object that counts, an objective would call copies.
    """

    def criterion(outputs, targets):
        criterion.left -= outputs.requires_grad or not in_training
        if criterion.left == 0:
            raise kind("planted")
        random.random(), np.random.rand(), torch.rand(1)
        return F.cross_entropy(outputs, targets)

    criterion.left = left
    return criterion


def loader():
    return DataLoader(TensorDataset(*small_data()), 16, shuffle=True)


ACTIONS = {
    "line": lambda o, m: lnb.evaluate_line(o, lnb.random_directions(m, 1)[0], resolution=5, progress=False),
    "plane": lambda o, m: lnb.evaluate_plane(o, lnb.random_directions(m, 2), resolution=3, progress=False),
    "interpolate": lambda o, m: lnb.interpolate(o, m, Net(), resolution=5, progress=False),
    "call": lambda o, m: [o() for _ in range(5)],
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("batch_norm", ["frozen", "recalibrate"])
@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_evaluating(action, batch_norm, fault):
    model = Net()
    before = snapshot(model)
    criterion = F.cross_entropy if fault is None else faulty(fault)
    objective = lnb.Objective(model, loader(), criterion, batch_norm=batch_norm)
    if fault is None:
        action(objective, model)
    else:
        criterion.left = 3
        with pytest.raises(fault, match="planted"):
            action(objective, model)
    assert_same(before, snapshot(model))


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_training(fault, tmp_path):
    model = Net()
    before = snapshot(model)
    criterion = F.cross_entropy if fault is None else faulty(fault, left=3, in_training=True)
    arguments = {"epochs": 3, "batch_size": 16, "criterion": criterion, "cache": tmp_path, "progress": False}
    if fault is None:
        lnb.train(model, small_data(), **arguments)
    else:
        with pytest.raises(fault, match="stopped in epoch 1 of 3" if fault is KeyboardInterrupt else "planted"):
            lnb.train(model, small_data(), **arguments)
    assert_same(before, snapshot(model))


def test_an_objective_does_not_follow_the_model_or_its_results():
    model = batch_norm_net()
    objective = lnb.Objective(model, small_data())
    value = objective()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    assert objective() == value


def test_every_point_sees_the_same_samples():
    """A loader that shuffles and drops is read once."""
    data = DataLoader(TensorDataset(*small_data()), 16, shuffle=True, drop_last=True)
    objective = lnb.Objective(batch_norm_net(), data)
    assert objective.samples == 48
    assert len({objective()["loss"] for _ in range(3)}) == 1
