"""What a run is asked to keep is there, and is what its networks say."""

import pytest
import torch
from helpers import TRAINING
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories.trajectory import snapshot


def test_a_trajectory_holds_what_was_asked_for(model, data):
    run = lnb.train(model, data, record=[2], cache=False, **TRAINING)
    assert run.epochs == [0, 2, 4]
    assert list(run.points[0]) == [name for name, _ in model.named_parameters()]
    assert all(torch.equal(run.points[0][name], p) for name, p in model.named_parameters())
    assert all(torch.equal(run.points[-1][name], p) for name, p in run.model.named_parameters())
    assert {len(values) for values in run.history.values()} == {4}
    tests = lnb.Objective(run.model, data.test, metrics={"accuracy": lnb.accuracy})()
    assert run.history["test_loss"][-1] == pytest.approx(tests["loss"], rel=1e-6)
    assert run.history["test_accuracy"][-1] == pytest.approx(tests["accuracy"])
    assert run.history["weight_norm"][-1] == pytest.approx(lnb.norm(run.points[-1]))
    assert lnb.train(model, data, record=2, cache=False, **TRAINING).epochs == [0, 2, 4]
    assert lnb.Objective(run.model_at(2), data)()["loss"] > 0
    with pytest.raises(ValueError, match="epoch: got 3, recorded are 0, 2, 4"):
        run.model_at(3)


def test_a_snapshot_is_a_copy_in_the_default_layout_with_buffers():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    weights = net[0].weight.detach().clone()
    kept = snapshot(net)
    net[0].weight.data.zero_()
    net[1].running_mean.add_(1)
    assert torch.equal(kept["0.weight"], weights)
    assert kept["0.weight"].is_contiguous()
    assert not kept["0.weight"].requires_grad
    assert kept["1.running_mean"].tolist() == [0.0] * 4


def test_points_are_a_sequence_whose_slices_are_lists(model, data):
    run = lnb.train(model, data, record=1, cache=False, **TRAINING)
    walk = run.points[1:4:2]
    walk.append(run.points[-1])
    assert [lnb.norm(point) for point in walk] == [lnb.norm(run.points[i]) for i in (1, 3, 4)]
    assert len(list(run.points)) == len(run.points) == len(run.epochs)
    with pytest.raises(IndexError):
        run.points[5]
