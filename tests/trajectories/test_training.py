"""Training against a plain loop; its cache against kills, bit flips and changed settings."""

import hashlib
import json
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

import landscape_nb as lnb

SETTINGS = {"epochs": 4, "batch_size": 50, "lr": 0.05, "progress": False}


@pytest.fixture
def data(digits):
    return digits.subset(151, 40)


@pytest.fixture
def model(digits):
    return lnb.models.mlp((8,), batch_norm=True, **digits.shape)


def same(first, second):
    states = zip(first.states, second.states, strict=True)
    return first.history == second.history and all(torch.equal(a[name], b[name]) for a, b in states for name in a)


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


def test_a_trajectory_holds_what_was_asked_for(model, data):
    run = lnb.train(model, data, record=[2], cache=False, **SETTINGS)
    assert run.epochs == [0, 2, 4]
    assert list(run.points[0]) == [name for name, _ in model.named_parameters()]
    assert all(torch.equal(run.points[0][name], p) for name, p in model.named_parameters())
    assert all(torch.equal(run.points[-1][name], p) for name, p in run.model.named_parameters())
    assert {len(values) for values in run.history.values()} == {4}
    tests = lnb.Objective(run.model, data.test, metrics={"accuracy": lnb.accuracy})()
    assert run.history["test_loss"][-1] == pytest.approx(tests["loss"], rel=1e-6)
    assert run.history["test_accuracy"][-1] == pytest.approx(tests["accuracy"])
    assert run.history["weight_norm"][-1] == pytest.approx(lnb.norm(run.points[-1]))
    assert lnb.train(model, data, record=2, cache=False, **SETTINGS).epochs == [0, 2, 4]
    assert lnb.Objective(run.model_at(2), data)()["loss"] > 0
    with pytest.raises(ValueError, match="epoch: got 3, recorded are 0, 2, 4"):
        run.model_at(3)


def test_the_callers_model_stays_untrained(model, data):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    lnb.train(model, data, cache=False, **SETTINGS)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_second_call_reads_the_cache(model, data, tmp_path, monkeypatch):
    first = lnb.train(model, data, record=1, cache=tmp_path, **SETTINGS)
    monkeypatch.setattr("landscape_nb.trajectories.training._Run._train_epoch", lambda *_: pytest.fail("trained again"))
    second = lnb.train(model, data, record=1, cache=tmp_path, **SETTINGS)
    assert same(first, second)
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
    variants += [(nets[0], data, {name: value}) for name, value in [("seed", 1), ("lr", 0.01), ("weight_decay", 0)]]
    variants += [(nets[0], data, {"augment": lnb.datasets.Augmentation(1)}), (nets[0], data.subset(150, 40), {})]
    variants += [(nets[0], data, {"criterion": F.multi_margin_loss}), (nets[0], data, {"optimizer": "adam"})]
    for net, images, more in variants:
        lnb.train(net, images, cache=tmp_path, **SETTINGS | more)
    assert len(list(tmp_path.iterdir())) == len(variants)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(model, data, tmp_path, monkeypatch, optimizer):
    settings = SETTINGS | {"optimizer": optimizer, "record": 1, "augment": lnb.datasets.Augmentation(1)}
    whole = lnb.train(model, data, cache=False, **settings)
    epoch = lnb.trajectories.training._Run._train_epoch

    def interrupted(self, bar):
        if self.epoch == 2:
            raise KeyboardInterrupt
        epoch(self, bar)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("landscape_nb.trajectories.training._Run._train_epoch", interrupted)
        lnb.train(model, data, cache=tmp_path, **settings)
    trained = []
    monkeypatch.setattr(
        "landscape_nb.trajectories.training._Run._train_epoch",
        lambda self, bar: trained.append(self.epoch) or epoch(self, bar),
    )
    resumed = lnb.train(model, data, cache=tmp_path, **settings)
    assert trained == [2, 3]
    assert same(whole, resumed)


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


@pytest.mark.parametrize("victim", ["run.json", "epoch-00004.safetensors", "epoch-00000.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_a_damaged_entry_is_reported_and_trained_anew(model, data, tmp_path, victim, damage):
    first = lnb.train(model, data, cache=tmp_path, **SETTINGS)
    (path,) = tmp_path.glob(f"*/{victim}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flip" else content[:-20])
    if (victim, damage) == ("run.json", "delete"):
        again = lnb.train(model, data, cache=tmp_path, **SETTINGS)
    else:
        with pytest.warns(UserWarning, match="is damaged .* training anew"):
            again = lnb.train(model, data, cache=tmp_path, **SETTINGS)
    assert same(first, again)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(first, lnb.train(model, data, cache=tmp_path, **SETTINGS))


def outside(names):
    """Contents that name files outside of the entry, and no kind of file that a run has."""
    return {f"files {name}": lambda c, name=name: {**c, "files": {**c["files"], name: "0"}} for name in names}


def replaced(place, *values):
    return {f"{place} {value!r:.20}": lambda c, value=value: {**c, place: value} for value in values}


NONSENSE = {
    **outside(["../../outside.txt", "/etc/hostname", "run.json", "epoch-00009.safetensors", "x", "", "/dev/zero"]),
    **replaced("files", [], None, "x", {}, {"../../outside.txt": "0"}),
    **replaced("epoch", None, "2", 2.0, True, -1, 0, 5, 10**400, [], {}),
    **replaced("recorded", [0.0, 4], [False, 4], [0, 4.0]),
    **{
        f"{value} in history": lambda c, value=value: {**c, "history": {name: [value] * 4 for name in c["history"]}}
        for value in (float("nan"), float("inf"))
    },
    **replaced("recorded", None, [], [0], "x", [[]], [0, "../../outside.txt"], [-1, 0], {}, 3),
    **replaced("history", None, [], {}, "x", {"lr": []}, {"lr": ["a"] * 4}),
    "short history": lambda c: {**c, "history": {name: values[1:] for name, values in c["history"].items()}},
    "words in history": lambda c: {**c, "history": {name: ["x"] * 4 for name in c["history"]}},
    "huge history": lambda c: {**c, "history": {name: [10**400] * 4 for name in c["history"]}},
    **{f"content {value!r}": lambda c, value=value: value for value in (None, [], "x", 3, {}, [[]])},
}


def rewrite(index, content):
    """An index with a right checksum, whatever it says."""
    checksum = hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
    index.write_text(json.dumps({"content": content, "checksum": checksum}))


def check_trained_anew(model, data, cache, first):
    with pytest.warns(UserWarning, match="is damaged .* training anew"):
        assert same(first, lnb.train(model, data, cache=cache, **SETTINGS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(first, lnb.train(model, data, cache=cache, **SETTINGS))


@pytest.mark.parametrize("how", NONSENSE)
def test_nonsense_in_the_index_deletes_nothing_and_is_trained_anew(model, data, tmp_path, how):
    cache = tmp_path / "nets"
    first = lnb.train(model, data, cache=cache, **SETTINGS)
    (tmp_path / "outside.txt").write_text("kept")
    (index,) = cache.glob("*/run.json")
    rewrite(index, NONSENSE[how](json.loads(index.read_text())["content"]))
    check_trained_anew(model, data, cache, first)
    assert (tmp_path / "outside.txt").read_text() == "kept"


def test_a_run_that_goes_on_deletes_nothing_outside(model, data, tmp_path, monkeypatch):
    """Files that an index names and the next one does not are deleted: only those of the run."""
    epoch, outside = lnb.trajectories.training._Run._train_epoch, tmp_path / "outside.txt"

    def interrupted(self, bar):
        if self.epoch == 2:
            raise KeyboardInterrupt
        epoch(self, bar)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("landscape_nb.trajectories.training._Run._train_epoch", interrupted)
        lnb.train(model, data, cache=tmp_path / "nets", **SETTINGS)
    outside.write_text("kept")
    (index,) = tmp_path.glob("nets/*/run.json")
    content = json.loads(index.read_text())["content"]
    content["files"]["../../outside.txt"] = hashlib.blake2b(b"kept", digest_size=16).hexdigest()
    rewrite(index, content)
    with pytest.warns(UserWarning, match="is damaged .it names other files.; training anew"):
        lnb.train(model, data, cache=tmp_path / "nets", **SETTINGS)
    assert outside.read_text() == "kept"


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"3", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, None])
@pytest.mark.parametrize("victim", ["run.json", "epoch-00004.safetensors"])
def test_files_of_nonsense_are_trained_anew(model, data, tmp_path, victim, content):
    first = lnb.train(model, data, cache=tmp_path, **SETTINGS)
    (path,) = tmp_path.glob(f"*/{victim}")
    path.unlink()
    if content is None:
        path.mkdir()
        (path / "file").write_text("")
    else:
        path.write_bytes(content)
    check_trained_anew(model, data, tmp_path, first)


@pytest.mark.parametrize("tensors", [{}, {"x": torch.ones(2)}, "float64", "shape", "nan", "inf"])
def test_other_tensors_with_a_right_checksum_are_trained_anew(model, data, tmp_path, tensors):
    first = lnb.train(model, data, cache=tmp_path, **SETTINGS)
    (path,) = tmp_path.glob("*/epoch-00004.safetensors")
    if tensors == "float64":
        tensors = {name: tensor.double() for name, tensor in load_file(path).items()}
    elif tensors == "shape":
        tensors = {name: tensor[..., None].contiguous() for name, tensor in load_file(path).items()}
    elif tensors in ("nan", "inf"):
        number = float(tensors)
        tensors = {name: t * number if t.is_floating_point() else t for name, t in load_file(path).items()}
    save_file(tensors, path)
    index = path.with_name("run.json")
    content = json.loads(index.read_text())["content"]
    content["files"][path.name] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    rewrite(index, content)
    check_trained_anew(model, data, tmp_path, first)


def test_a_cache_that_cannot_be_written_is_named(model, data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cache: cannot write to .*LANDSCAPE_NB_CACHE"):
        lnb.train(model, data, cache=tmp_path / "file" / "nets", **SETTINGS)


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
        lnb.train(model, data, **{"cache": tmp_path / "nets"} | SETTINGS | settings)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_trained_is_named(data):
    with pytest.raises(TypeError, match="model: got type, wants a torch.nn.Module"):
        lnb.train(nn.Linear, data, cache=False, **SETTINGS)
    still = lnb.models.mlp((8,), **data.shape).requires_grad_(False)
    with pytest.raises(ValueError, match="model: none of its parameters is to be trained"):
        lnb.train(still, data, cache=False, **SETTINGS)


def test_numbers_may_be_numpys(model, data, tmp_path):
    numbers = {"seed": np.int64(3), "momentum": np.float32(0.5), "drops": np.array([0.5]), "record": np.array([1])}
    run = lnb.train(model, data, cache=tmp_path, **SETTINGS | numbers)
    assert (run.epochs, run.lr_drops) == ([0, 1, 4], [2])


def test_images_that_do_not_fit_are_named(model, digits):
    images, labels = digits.train
    with pytest.raises(ValueError, match=r"data: the first batch.*this network takes"):
        lnb.train(model, (images[:, :, :7], labels), cache=False, **SETTINGS)
    with pytest.raises(ValueError, match="data: got 3 inputs and 2 targets"):
        lnb.train(model, (images[:3], labels[:2]), cache=False, **SETTINGS)
    with pytest.raises(ValueError, match="data: got no samples"):
        lnb.train(model, (images[:0], labels[:0]), cache=False, **SETTINGS)


def test_divergence_is_an_error(data):
    net = lnb.models.mlp((8,), **data.shape)
    with pytest.raises(FloatingPointError, match="the loss became (nan|inf) in epoch .*a lower lr"):
        lnb.train(net, data, cache=False, **SETTINGS | {"lr": 1e20})


@pytest.mark.parametrize("with_tests", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_in_the_last_step_is_an_error_and_not_kept(data, tmp_path, with_tests, optimizer):
    net = lnb.models.mlp((8,), **data.shape)
    images = data if with_tests else data.train
    only_step = {"epochs": 1, "batch_size": 200, "lr": 1e25, "optimizer": optimizer}
    with pytest.raises(FloatingPointError, match="became (nan|inf) in epoch 1; a lower lr"):
        lnb.train(net, images, cache=tmp_path, **SETTINGS | only_step)
    assert not list(tmp_path.glob("*/run.json"))


def test_a_buffer_may_be_infinite(data, tmp_path):
    """As masks of attention are: that is not damage."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    net.register_buffer("mask", torch.tensor([0.0, -torch.inf, torch.nan]))
    lnb.train(net, data, cache=tmp_path, **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lnb.train(net, data, cache=tmp_path, **SETTINGS)


@pytest.mark.parametrize("named", ["argument", "variable"])
def test_a_cache_in_the_home_directory_is_made_there(model, data, tmp_path, monkeypatch, named):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", "~/nets")
    lnb.train(model, data, cache="~/nets" if named == "argument" else True, **SETTINGS)
    assert list((tmp_path / "home" / "nets").glob("*/run.json"))
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("place", ["s3://b/c", "file:///tmp/nets", "a\0b", "nets\ud800", "  "])
def test_a_cache_that_is_no_place_on_this_machine_is_named(model, data, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^cache: got "):
        lnb.train(model, data, cache=place, **SETTINGS)
    if "\0" not in place and "\ud800" not in place:  # what an environment can hold
        monkeypatch.setenv("LANDSCAPE_NB_CACHE", place)
        with pytest.raises(ValueError, match=r"^LANDSCAPE_NB_CACHE: got "):
            lnb.train(model, data, **SETTINGS)
    assert not list(tmp_path.iterdir())


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
        lnb.train(model, data, cache=tmp_path, **SETTINGS | settings)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_one_sample_and_huge_batches(model, data):
    one = tuple(part[:1] for part in data.train)
    with pytest.raises(
        ValueError, match="data: got 1 sample a step, too few to train this network .Expected more than 1"
    ):
        lnb.train(model, one, cache=False, **SETTINGS)
    plain = lnb.models.mlp((8,), **data.shape)
    assert lnb.train(plain, one, cache=False, **SETTINGS).epochs == [0, 4]
    assert lnb.train(plain, data, cache=False, **SETTINGS | {"batch_size": 2**31 - 1}).epochs == [0, 4]
