"""What a run is asked to keep is there, and is what its networks say."""

import pytest
import torch
from helpers import TRAINING

import landscape_nb as lnb


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
