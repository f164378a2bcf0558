"""Training against a plain loop; its cache against kills, bit flips and changed settings."""

import gc
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, TRAINING, Lambda, interrupted_before_epoch, same_runs, samples, seeded, two_layers
from torch import nn

import landscape_nb as lnb
from landscape_nb import models, train
from landscape_nb.trajectories import training


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_is_a_plain_loop(data, optimizer):
    model = lnb.models.mlp((8,), **data.shape)
    (images, labels), lr = (part[:60] for part in data.train), 0.01
    run = lnb.train(model, (images, labels), 10, 60, optimizer, lr, weight_decay=0.02, cache=False, progress=False)
    weights = [p.detach().clone().requires_grad_() for p in model.parameters()]
    first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    for epoch in range(10):
        rate = lr * 0.1 ** sum(epoch >= drop for drop in (5, 8, 9))
        hidden = F.relu(images.flatten(1) @ weights[0].T + weights[1])
        loss = F.cross_entropy(hidden @ weights[2].T + weights[3], labels)
        gradients = torch.autograd.grad(loss, weights)
        for w, g, m, v in zip(weights, gradients, first, second, strict=True):
            g = g + 0.02 * w.detach()
            with torch.no_grad():
                if optimizer == "sgd":
                    m.mul_(0.9).add_(g)
                    w -= rate * (g + 0.9 * m)
                else:
                    m.mul_(0.9).add_(0.1 * g)
                    v.mul_(0.999).add_(0.001 * g**2)
                    unbiased = [x / (1 - beta ** (epoch + 1)) for x, beta in ((m, 0.9), (v, 0.999))]
                    w -= rate * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        assert run.history["train_loss"][epoch] == pytest.approx(loss.item(), rel=1e-4)
        assert run.history["lr"][epoch] == pytest.approx(rate)
    for trained, expected in zip(run.model.parameters(), weights, strict=True):
        torch.testing.assert_close(trained, expected, rtol=1e-3, atol=1e-5, check_layout=False)
    assert run.lr_drops == [5, 8, 9]


def test_bfloat16_trains_nearly_the_same_network(data):
    model = models.resnet(20, width=0.25, **data.shape)
    full, halved = (
        lnb.train(model, data, 2, 50, lr=0.02, precision=precision, cache=False, progress=False)
        for precision in ("full", "bfloat16")
    )
    moved = difference_norm(full, model.state_dict())
    assert 1e-4 * moved < difference_norm(full, halved.states[-1]) < 0.3 * moved
    assert all(p.dtype == torch.float32 for p in halved.model.parameters())
    assert halved.history["train_loss"] == pytest.approx(full.history["train_loss"], rel=0.02)
    assert lnb.Objective(halved.model, data.test)()["loss"] == pytest.approx(halved.history["test_loss"][-1], rel=1e-5)


def difference_norm(run, state):
    """How far the last weights of a run are from a state."""
    return sum(float((p - state[name]).detach().square().sum()) for name, p in run.model.named_parameters()) ** 0.5


def test_the_callers_model_stays_untrained(model, data):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    lnb.train(model, data, cache=False, **TRAINING)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_second_call_reads_the_cache(model, data, tmp_path, monkeypatch):
    first = lnb.train(model, data, record=1, cache=tmp_path, **TRAINING)
    monkeypatch.setattr("landscape_nb.trajectories.training._Run._train_epoch", lambda *_: pytest.fail("trained again"))
    second = lnb.train(model, data, record=1, cache=tmp_path, **TRAINING)
    assert same_runs(first, second)
    assert [list(state) for state in second.states] == [list(model.state_dict())] * 5
    assert not list(tmp_path.glob("*/resume*"))


class Squashed(nn.Sequential):
    """The same weights as a Sequential, another function."""

    def forward(self, x):
        return torch.tanh(super().forward(x))


def test_whatever_determines_the_run_is_in_the_key(data, tmp_path):
    layers = nn.Flatten(), nn.Linear(64, 10)
    nets = [nn.Sequential(*layers), Squashed(*layers)]
    variants = [(net, data, {}) for net in nets]
    variants += [
        (nets[0], data, {name: value})
        for name, value in [("seed", 1), ("lr", 0.01), ("weight_decay", 0), ("precision", "bfloat16")]
    ]
    variants += [(nets[0], data, {"augment": lnb.datasets.Augmentation(1)}), (nets[0], data.subset(150, 40), {})]
    variants += [(nets[0], data, {"criterion": F.multi_margin_loss}), (nets[0], data, {"optimizer": "adam"})]
    for net, images, more in variants:
        lnb.train(net, images, cache=tmp_path, **TRAINING | more)
    assert len(list(tmp_path.iterdir())) == len(variants)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(model, data, tmp_path, monkeypatch, optimizer):
    settings = TRAINING | {"optimizer": optimizer, "record": 1, "augment": lnb.datasets.Augmentation(1)}
    whole = lnb.train(model, data, cache=False, **settings)
    with interrupted_before_epoch(2):
        lnb.train(model, data, cache=tmp_path, **settings)
    trained, epoch = [], lnb.trajectories.training._Run._train_epoch
    monkeypatch.setattr(
        "landscape_nb.trajectories.training._Run._train_epoch",
        lambda self, *how: trained.append(self.epoch) or epoch(self, *how),
    )
    resumed = lnb.train(model, data, cache=tmp_path, **settings)
    assert trained == [2, 3]
    assert same_runs(whole, resumed)


_KILLED = """
import sys, landscape_nb as lnb
data = lnb.datasets.digits().subset(151, 40)
model = lnb.models.mlp((8,), batch_norm=True, **data.shape)
run = lnb.train(model, data, 150, 50, lr=0.05, record=50, cache=sys.argv[1], progress=False)
print(repr(lnb.norm(run.points[-1])))
"""


def test_a_killed_run_goes_on(tmp_path):
    def start(folder):
        return subprocess.Popen([sys.executable, "-c", _KILLED, str(folder)], stdout=subprocess.PIPE, text=True)

    killed = start(tmp_path / "killed")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed").glob("*/resume-000[1-9]*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (index,) = (tmp_path / "killed").glob("*/run.json")
    assert 0 < json.loads(index.read_text())["content"]["epoch"] < 150
    outputs = [start(tmp_path / name).communicate()[0] for name in ("killed", "whole")]
    assert outputs[0] == outputs[1] != ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs: got 0"),
        ({"batch_size": 2.5}, "batch_size: got 2.5"),
        ({"batch_size": True}, "batch_size: got True"),
        ({"optimizer": "lion"}, "optimizer: got 'lion', wants one of 'sgd', 'adam'"),
        ({"lr": -1}, "lr: got -1"),
        ({"lr": float("nan")}, "lr: got nan"),
        ({"weight_decay": -1}, "weight_decay: got -1, wants 0 or a positive number"),
        ({"weight_decay": None}, "weight_decay: got None"),
        ({"weight_decay": float("inf")}, "weight_decay: got inf"),
        ({"momentum": 1}, "momentum: got 1, wants 0 or a number between 0 and 1"),
        ({"momentum": -0.1}, "momentum: got -0.1"),
        ({"momentum": "0.9"}, "momentum: got '0.9'"),
        ({"seed": -1}, "seed: got -1, wants a whole number from 0 up"),
        ({"seed": 0.5}, "seed: got 0.5"),
        ({"seed": None}, "seed: got None"),
        ({"precision": "half"}, "precision: got 'half', wants one of 'full', 'bfloat16'"),
        ({"drops": [0.5, 2]}, r"drops\[1\]: got 2, wants a number between 0 and 1"),
        ({"drops": [0]}, r"drops\[0\]: got 0"),
        ({"drops": 0.5}, "drops: got float, wants a list of fractions of the training"),
        ({"drops": "0.5"}, "drops: got str"),
        ({"record": [9]}, "record: got epochs \\[9\\], wants 0 to 4"),
        ({"record": [1.5]}, "record: got 1.5"),
        ({"record": 0}, "record: got 0"),
        ({"record": True}, "record: got True"),
        ({"record": 2.0}, "record: got 2.0"),
        ({"record": "all"}, "record: got str, wants every how many epochs, or a list of epochs"),
        ({"augment": "flip"}, "augment: got str, wants an Augmentation, True or False"),
        ({"augment": 1}, "augment: got int"),
        ({"cache": 1}, "cache: got int, wants a directory, True or False"),
        ({"cache": None}, "cache: got NoneType"),
        ({"cache": ""}, "cache: got ''"),
    ],
)
def test_bad_settings_are_named_and_nothing_is_written(model, data, tmp_path, settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        lnb.train(model, data, **{"cache": tmp_path / "nets"} | TRAINING | settings)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_trained_is_named(data):
    with pytest.raises(TypeError, match="model: got type, wants a torch.nn.Module"):
        lnb.train(nn.Linear, data, cache=False, **TRAINING)
    still = lnb.models.mlp((8,), **data.shape).requires_grad_(False)
    with pytest.raises(ValueError, match="model: none of its parameters is to be trained"):
        lnb.train(still, data, cache=False, **TRAINING)


def test_numbers_may_be_numpys(model, data, tmp_path):
    numbers = {"seed": np.int64(3), "momentum": np.float32(0.5), "drops": np.array([0.5]), "record": np.array([1])}
    run = lnb.train(model, data, cache=tmp_path, **TRAINING | numbers)
    assert (run.epochs, run.lr_drops) == ([0, 1, 4], [2])


def test_images_that_do_not_fit_are_named(model, digits):
    images, labels = digits.train
    with pytest.raises(ValueError, match=r"data: the first batch.*this network takes"):
        lnb.train(model, (images[:, :, :7], labels), cache=False, **TRAINING)
    with pytest.raises(ValueError, match="data: got 3 inputs and 2 targets"):
        lnb.train(model, (images[:3], labels[:2]), cache=False, **TRAINING)
    with pytest.raises(ValueError, match="data: got no samples"):
        lnb.train(model, (images[:0], labels[:0]), cache=False, **TRAINING)


def failing(images, generator):
    raise KeyError("brightness")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": lambda outputs, _: float(outputs.mean())}, "criterion: got float, wants one that returns a ten"),
        ({"criterion": lambda outputs, _: outputs.detach().mean()}, "criterion: what it returned has no gradient"),
        ({"augment": lambda images, generator: None}, "augment: got NoneType, wants one that returns a tensor"),
        ({"augment": lambda images, generator: images[1:]}, r"augment: it returned shape \(49, 1, 8, 8\) for 50 inp"),
        ({"augment": failing}, r"augment: it failed on inputs of shape \(50, 1, 8, 8\) .KeyError: 'brightness'"),
        ({"batch_size": 1}, "batch_size: got 1 sample a step"),
    ],
)
def test_what_cannot_make_a_step_is_named_and_leaves_no_files(model, data, tmp_path, settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        lnb.train(model, data, cache=tmp_path, **TRAINING | settings)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_one_sample_and_huge_batches(model, data):
    one = tuple(part[:1] for part in data.train)
    with pytest.raises(
        ValueError, match="data: got 1 sample a step, too few to train this network .Expected more than 1"
    ):
        lnb.train(model, one, cache=False, **TRAINING)
    plain = lnb.models.mlp((8,), **data.shape)
    assert lnb.train(plain, one, cache=False, **TRAINING).epochs == [0, 4]
    assert lnb.train(plain, data, cache=False, **TRAINING | {"batch_size": 2**31 - 1}).epochs == [0, 4]


def test_a_trained_network_holds_no_gradients():
    data = torch.randn(32, 1, 8, 8), torch.randint(10, (32,))
    run = train(models.mlp(channels=1, image_size=8), data, 1, cache=False, progress=False)
    assert all(parameter.grad is None for parameter in run.model.parameters())


def test_a_model_of_closures_is_trained_and_the_callers_stays():
    model, data = seeded(Lambda, "lambda"), samples()
    before = {name: p.clone() for name, p in model.named_parameters()}
    run = lnb.train(model, data, epochs=3, batch_size=16, cache=False, progress=False)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert lnb.norm(lnb.add(run.points[-1], lnb.scale(run.points[0], -1))) > 0.1
    assert torch.allclose(run.model_at(3)(data[0]), two_layers(run.points[-1], data[0]))
    assert run.history["train_loss"][-1] < run.history["train_loss"][0]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def test_tied_weights_and_plain_numbers_are_trained_with(tmp_path):
    errors = {"error": lambda o, t: float((o.argmax(1) != t).float().mean())}
    data = torch.randn(40, 4), LABELS
    run = lnb.train(Tied(), data, epochs=2, metrics=errors, cache=tmp_path, progress=False)
    again = lnb.train(Tied(), data, epochs=2, metrics=errors, cache=False, progress=False)
    assert len(run.history["train_error"]) == len(again.history["train_error"]) == 2


def test_a_run_leaves_no_cycle_that_would_keep_its_memory(data):
    gc.collect()
    gc.disable()
    try:
        train(models.mlp((8,), **data.shape), data, 1, 60, lr=0.01, cache=False, progress=False)
        assert not [each for each in gc.get_objects() if isinstance(each, training._Run)]
    finally:
        gc.enable()
