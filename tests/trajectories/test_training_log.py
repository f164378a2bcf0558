"""What a run records: numbers after every epoch, states of some, and an error where a number is not finite."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import TRAINING
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories.training_log import TrainingLog, recorded_epochs


def training_log(net, has_tests=True, loss=0.5, epochs=3, record=(0, 2, 3)):
    """A log to which tests give the loss that they are told, and accuracy 0.25."""
    settings = {"epochs": epochs, "record": list(record), "lr": 0.1}
    return TrainingLog(net, lambda params, buffers: {"loss": loss, "accuracy": 0.25}, has_tests, settings)


def test_every_epoch_has_its_numbers_and_the_norm_of_the_weights():
    net = nn.Linear(2, 1)
    found = training_log(net)
    for epoch, weights in enumerate([(3.0, 4.0), (0.0, 2.0)], 1):
        net.weight.data, net.bias.data = torch.tensor([weights]), torch.zeros(1)
        found.record(epoch, {"train_loss": 10.0 * epoch})
    assert found.history == {
        "train_loss": [10.0, 20.0],
        "test_loss": [0.5, 0.5],
        "test_accuracy": [0.25, 0.25],
        "weight_norm": [5.0, 2.0],
    }


def test_states_are_those_of_the_recorded_epochs():
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0)
    found = training_log(net, record=(0, 2, 3))
    for epoch in (1, 2, 3):
        net.weight.data.fill_(epoch)
        found.record(epoch, {})
    assert {epoch: state["weight"].item() for epoch, state in found.states.items()} == {0: 0.0, 2: 2.0, 3: 3.0}


def test_without_test_data_only_the_last_epoch_is_evaluated_and_not_recorded():
    asked = []
    settings = {"epochs": 3, "record": [0, 3], "lr": 0.1}
    net = nn.Linear(2, 1)
    found = TrainingLog(net, lambda *_: asked.append(epoch) or {"loss": 1.0}, False, settings)
    for epoch in (1, 2, 3):
        found.record(epoch, {})
    assert asked == [3]
    assert set(found.history) == {"weight_norm"}


@pytest.mark.parametrize(("has_tests", "what"), [(True, "test loss"), (False, "loss")])
@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named_with_the_epoch_and_nothing_is_recorded(has_tests, what, loss):
    found = training_log(nn.Linear(2, 1), has_tests, loss, epochs=2)
    with pytest.raises(FloatingPointError, match=f"^the {what} became {loss} in epoch 2; a lower lr than 0.1 may help"):
        found.record(2, {"train_loss": 1.0})
    assert found.history == {}
    assert list(found.states) == [0]


def test_a_weight_that_is_not_finite_is_named():
    net = nn.Linear(2, 1)
    net.weight.data[0, 1] = torch.inf
    with pytest.raises(FloatingPointError, match="^the norm of the weights became inf in epoch 1"):
        training_log(net).record(1, {})


@pytest.mark.parametrize(
    ("epochs", "record", "wanted"),
    [
        (5, 1, [0, 1, 2, 3, 4, 5]),
        (5, 2, [0, 2, 4, 5]),
        (5, 9, [0, 5]),
        (5, [], [0, 5]),
        (5, [3, 1, 3], [0, 1, 3, 5]),
        (5, range(2, 4), [0, 2, 3, 5]),
        (5, np.array([4]), [0, 4, 5]),
        (5, {1}, [0, 1, 5]),
        (1, 1, [0, 1]),
    ],
)
def test_the_first_and_the_last_epoch_are_always_recorded(epochs, record, wanted):
    assert recorded_epochs(epochs, record) == wanted


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([2, 6, 7], r"record: got epochs \[6, 7\], wants 0 to 5"),
        ([-1], "record: got -1, wants a whole number from 0 up"),
        ([1.5], "record: got 1.5"),
        (0, "record: got 0, wants a whole number from 1 up"),
        (SimpleNamespace(), "record: got SimpleNamespace, wants every how many epochs, or a list of epochs"),
    ],
)
def test_epochs_that_the_run_does_not_have_are_named(record, message):
    with pytest.raises((ValueError, TypeError), match=message):
        recorded_epochs(5, record)


def test_divergence_is_an_error(data):
    net = lnb.models.mlp((8,), **data.shape)
    with pytest.raises(FloatingPointError, match="the loss became (nan|inf) in epoch .*a lower lr"):
        lnb.train(net, data, cache=False, **TRAINING | {"lr": 1e20})


@pytest.mark.parametrize("with_tests", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_in_the_last_step_is_an_error_and_not_kept(data, tmp_path, with_tests, optimizer):
    net = lnb.models.mlp((8,), **data.shape)
    images = data if with_tests else data.train
    only_step = {"epochs": 1, "batch_size": 200, "lr": 1e25, "optimizer": optimizer}
    with pytest.raises(FloatingPointError, match="became (nan|inf) in epoch 1; a lower lr"):
        lnb.train(net, images, cache=tmp_path, **TRAINING | only_step)
    assert not list(tmp_path.glob("*/run.json"))
