"""A recorder keeps what a loop of one's own passes through, in memory or in files, and says it as a run."""

import copy
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import batch_norm_net, small_data
from safetensors.torch import load_file
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories import recorder as recorder_module


def loop(recorder, model, rates=(0.1,) * 5, after=lambda: None):
    """A plain training loop; the states after each epoch, the initial one included."""
    images, labels = small_data()
    states = [copy.deepcopy(model.state_dict())]
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.1)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        recorder.record(lr=rate)
        after()
        states.append(copy.deepcopy(model.state_dict()))
    return states


@pytest.fixture(params=["memory", "folder"])
def folder(request, tmp_path):
    return None if request.param == "memory" else tmp_path / "new" / "run"


@pytest.mark.parametrize(("every", "kept"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4, 5]), (5, [0, 5]), (9, [0, 5])])
def test_points_are_those_that_the_loop_passed_through(folder, every, kept):
    model = batch_norm_net()
    recorder = lnb.Recorder(model, folder, every)
    states = loop(recorder, model)
    run = recorder.trajectory()
    assert run.epochs == kept
    for found, epoch in zip(run.states, kept, strict=True):
        assert list(found) == list(states[epoch])
        assert all(torch.equal(found[name], states[epoch][name]) for name in found)
    images, _ = small_data()
    assert torch.equal(run.model(images), model.eval()(images))
    assert all(p.grad is None for p in run.model.parameters())
    assert not run.model.training
    assert recorder.trajectory().epochs == kept


def test_a_run_is_drawn_in_a_plane_with_its_own_statistics(folder):
    images, labels = small_data()
    model = batch_norm_net()
    recorder = lnb.Recorder(model, folder)
    states = loop(recorder, model, (0.1, 0.1, 0.01))
    run = recorder.trajectory()
    pca = lnb.pca_directions(run)
    gap = lnb.plane_gap(lnb.Objective(run.model, (images, labels)), run, pca.directions, pca.origin)
    plain = batch_norm_net()
    for state, loss in zip(states, gap.loss.values, strict=True):
        plain.load_state_dict(state)
        assert F.cross_entropy(plain(images), labels).item() == pytest.approx(loss, rel=1e-5)
    assert gap.attrs["lr_drops"] == [2]
    assert gap.epoch.values.tolist() == [0, 1, 2, 3]


def test_going_on_after_a_look_keeps_the_points_of_both(folder):
    model = batch_norm_net()
    recorder = lnb.Recorder(model, folder, every=4)
    loop(recorder, model)
    first = recorder.trajectory()
    loop(recorder, model, rates=[0.1])
    assert recorder.trajectory().epochs == [0, 4, 5, 6]
    assert first.epochs == [0, 4, 5]
    assert len(first.states) == 3


@pytest.mark.parametrize(
    ("rates", "drops"),
    [
        ([0.1, 0.01], [1]),
        ([0.1, 0.1, 0.01, 0.01, 0.001], [2, 4]),
        ([0.1, 0.1, 0.08, 0.08], [2]),
        ([0.01, 0.1, 0.2, 0.2], []),
        ([0.1 * (1 + np.cos(np.pi * t / 9)) for t in range(10)], [1]),
        ([0.1, None, None, 0.01], [3]),
        ([None, None], []),
        ([0, 0.1, 0], [2]),
    ],
)
def test_a_drop_is_where_the_rate_begins_to_fall(rates, drops):
    recorder = lnb.Recorder(nn.Linear(1, 1))
    for rate in rates:
        recorder.record(lr=rate)
    assert recorder.lr_drops == recorder.trajectory().lr_drops == drops


def test_epochs_may_be_numbered_by_the_caller(folder):
    recorder = lnb.Recorder(nn.Linear(1, 1), folder)
    recorder.record(100)
    recorder.record()
    recorder.record(epoch=np.int64(250), lr=1e-3)
    assert recorder.trajectory().epochs == [0, 100, 101, 250]


def test_another_process_reads_a_folder_with_its_drops(tmp_path):
    model = batch_norm_net()
    recorder = lnb.Recorder(model, tmp_path)
    states = loop(recorder, model, (0.1, 0.1, 0.01, 0.01))
    run = lnb.checkpoints(tmp_path / "*.safetensors", batch_norm_net(seed=3))
    assert run.epochs == [0, 1, 2, 3, 4]
    assert run.lr_drops == [2]
    for found, state in zip(run.states, states, strict=True):
        assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_files_are_never_half_written(tmp_path, monkeypatch):
    model = batch_norm_net()
    recorder = lnb.Recorder(model, tmp_path)

    def fails(tensors, path, notes):
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(recorder_module, "save_file", fails)
        with pytest.raises(OSError, match="the disk is full"):
            recorder.record()
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00000.safetensors"]


def test_a_kill_in_the_middle_of_writing_leaves_whole_files(tmp_path):
    code = """
import os, sys
import landscape_nb as lnb
from torch import nn
from landscape_nb.trajectories import recorder as module
recorder, save = lnb.Recorder(nn.Linear(2, 1), sys.argv[1]), module.save_file
recorder.record()
def killed(tensors, path, notes):
    path.write_bytes(b"half")
    os._exit(9)
module.save_file = killed
recorder.record()
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 3
    assert lnb.checkpoints(tmp_path / "*.safetensors", nn.Linear(2, 1)).epochs == [0, 1]


def test_a_folder_of_another_run_is_refused_and_left_as_it_is(tmp_path):
    model = nn.Linear(1, 1)
    lnb.Recorder(model, tmp_path).record()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    nn.init.ones_(model.weight)
    with pytest.raises(ValueError, match="folder: .* has 'epoch-00001.safetensors' of another run; wants an empty"):
        lnb.Recorder(model, tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_run_that_did_not_come_far_makes_room(tmp_path):
    lnb.Recorder(nn.Linear(1, 1), tmp_path)
    model = nn.Linear(1, 1)
    lnb.Recorder(model, tmp_path)
    assert torch.equal(load_file(tmp_path / "epoch-00000.safetensors")["weight"], model.weight)


def test_home_is_known_and_a_file_is_not_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    lnb.Recorder(nn.Linear(1, 1), "~/run")
    assert os.listdir(tmp_path / "run") == ["epoch-00000.safetensors"]
    with pytest.raises(ValueError, match="folder: got .*safetensors', which is a file"):
        lnb.Recorder(nn.Linear(1, 1), tmp_path / "run" / "epoch-00000.safetensors")


def test_the_loop_is_not_disturbed(folder):
    """Weights, gradients and random numbers are those of a loop without a recorder."""

    class Nothing:
        def record(self, **what):
            pass

    ends = []
    for record in (True, False):
        torch.manual_seed(0)
        model = batch_norm_net()
        loop(lnb.Recorder(model, folder) if record else Nothing(), model)
        ends.append((model.state_dict(), [p.grad for p in model.parameters()], torch.get_rng_state(), model.training))
    (with_it, grads, rng, mode), (without, other_grads, other_rng, other_mode) = ends
    assert all(torch.equal(with_it[name], without[name]) for name in without)
    assert all(torch.equal(a, b) for a, b in zip(grads, other_grads, strict=True))
    assert torch.equal(rng, other_rng)
    assert mode is other_mode is True


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: lnb.Recorder(None), TypeError, "model: got NoneType"),
        (lambda m: lnb.Recorder(m.state_dict()), TypeError, "model: got OrderedDict"),
        (lambda m: lnb.Recorder(nn.DataParallel(m)), ValueError, "model: got DataParallel, wants .* model.module"),
        (lambda m: lnb.Recorder(m, 3), TypeError, "folder: got int"),
        (lambda m: lnb.Recorder(m, "s3://bucket"), ValueError, "folder: got 's3://bucket'"),
        (lambda m: lnb.Recorder(m, every=0), ValueError, "every: got 0, wants a whole number from 1 up"),
        (lambda m: lnb.Recorder(m, every=1.5), ValueError, "every: got 1.5"),
        (lambda m: lnb.Recorder(m).record(0), ValueError, "epoch: got 0, which is the network before training; the fi"),
        (lambda m: lnb.Recorder(m).record("1"), ValueError, "epoch: got '1', wants a whole number from 1 up"),
        (lambda m: lnb.Recorder(m).record(lr=-1), ValueError, "lr: got -1"),
        (lambda m: lnb.Recorder(m).record(lr=[]), ValueError, "lr: got an empty list"),
        (lambda m: lnb.Recorder(m).record(lr=["0.1"]), ValueError, "lr: got '0.1', wants 0 or a positive number"),
        (lambda m: lnb.Recorder(m).record(lr=torch.ones(2)), ValueError, "lr: got tensor"),
        (lambda m: lnb.Recorder(m).record(lr=float("nan")), ValueError, "lr: got nan"),
    ],
)
def test_a_wrong_call_is_told_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call(nn.Linear(1, 1))


def test_an_epoch_comes_after_the_last_and_a_refused_one_changes_nothing():
    recorder = lnb.Recorder(nn.Linear(1, 1))
    recorder.record(5, lr=0.1)
    for epoch, lr in ((5, 0.01), (3, 0.01), (6, -1.0)):
        with pytest.raises(ValueError, match="epoch: got|lr: got"):
            recorder.record(epoch, lr)
    recorder.record(lr=0.1)
    assert recorder.trajectory().epochs == [0, 5, 6]
    assert recorder.lr_drops == []


def test_a_schedulers_rates_may_be_given_as_they_are():
    model = nn.Linear(2, 1)
    groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.01}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2])
    recorder = lnb.Recorder(model)
    for _ in range(4):
        recorder.record(lr=scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    recorder.record(lr=torch.tensor(0.001))
    assert recorder.lr_drops == [2, 4]


def test_two_recorders_in_one_folder_are_told(tmp_path):
    first, second = (lnb.Recorder(nn.Linear(1, 1), tmp_path) for _ in range(2))
    with pytest.raises(ValueError, match="folder: another run writes into .*, too; give each one of its own"):
        first.record()
    second.record()
    assert second.trajectory().epochs == [0, 1]


class Counting(nn.Linear):
    """A layer with a state that is not a tensor."""

    def get_extra_state(self):
        return {"calls": 3}

    def set_extra_state(self, state):
        raise AssertionError("points hold tensors only")


@pytest.mark.parametrize("kept", ["memory", "folder"])
def test_extra_state_is_left_as_it_is(tmp_path, kept):
    recorder = lnb.Recorder(Counting(1, 1), tmp_path if kept == "folder" else None)
    recorder.record()
    run = recorder.trajectory()
    assert sorted(run.states[1]) == ["bias", "weight"]
    assert torch.equal(run.model_at(0).weight, recorder.model.weight)


def test_a_folder_that_was_deleted_is_named(tmp_path):
    recorder = lnb.Recorder(nn.Linear(1, 1), tmp_path / "run", every=2)
    recorder.record()
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OSError, match="folder: .*run' cannot be written"):
        recorder.record()
