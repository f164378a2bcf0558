"""Checkpoints are read as a plain loop reads them, whatever they are called and however their weights lie in them."""

import copy
import os
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import batch_norm_net, small_data
from safetensors.torch import save_file
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories import checkpoints as module_or_function
from landscape_nb.trajectories.checkpoints import CheckpointFiles, epochs_in

EPOCHS = 5


def trained(count=EPOCHS):
    """The network after each of some epochs of plain training with batch norm, as copies of its state."""
    images, labels = small_data()
    net = batch_norm_net().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(count):
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(net(images + epoch), labels).backward()
            optimizer.step()
        yield copy.deepcopy(net.state_dict())


@pytest.fixture(scope="module")
def states():
    return list(trained())


@pytest.fixture
def model():
    return batch_norm_net(seed=1)


def save(folder, states, name="epoch_{}.pt", wrap=lambda state: state):
    """Files of the states, of epochs 8, 9, 10, …: their order by name is another than by number."""
    for epoch, state in enumerate(states, 8):
        path = folder / name.format(epoch)
        path.parent.mkdir(exist_ok=True)
        content = wrap(state)
        save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path)
    return folder / name.format("*")


def assert_states(run, states):
    for found, wanted in zip(run.states, states, strict=True):
        assert list(found) == list(wanted)
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def prefixed(*prefixes):
    return lambda state: {prefix + name: tensor for name, tensor in state.items() for prefix in prefixes}


def compiled_inside(state):
    """What `torch.compile` of a submodule makes of the names."""
    return {name.replace("linear.", "linear._orig_mod."): tensor for name, tensor in state.items()}


WAYS = {
    "plain": lambda state: state,
    "nested": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
    "model": lambda state: {"model": state, "lr": 0.1, "losses": [1.0]},
    "model_state_dict": lambda state: {"epoch": 1, "model_state_dict": state},
    "twice": lambda state: {"model": {"state_dict": state}},
    "parallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled inside": compiled_inside,
    "both": prefixed("module._orig_mod."),
    "wrapped": lambda state: {"state_dict": prefixed("model.")(state)},
    "beside a criterion": lambda state: prefixed("net.")(state) | {"criterion.weight": torch.ones(4)},
    "averaged": lambda state: prefixed("module.")(state) | {"n_averaged": torch.tensor(3)},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt"])
def test_weights_are_found_however_they_lie_in_a_file(tmp_path, states, model, way, ending):
    pattern = save(tmp_path, states, "epoch_{}" + ending, WAYS[way])
    run = lnb.checkpoints(pattern, model)
    assert run.epochs == [8, 9, 10, 11, 12]
    assert_states(run, states)


@pytest.mark.parametrize("way", ["plain", "parallel", "compiled inside", "beside a criterion"])
def test_safetensors_are_read(tmp_path, states, model, way):
    run = lnb.checkpoints(str(save(tmp_path, states, "epoch_{}.safetensors", WAYS[way])), model)
    assert_states(run, states)
    assert run.lr_drops == []


def test_a_models_own_names_may_begin_like_a_wrappers(tmp_path):
    """Nothing is left out of names that fit as they are."""
    net = nn.ModuleDict({"module": nn.ModuleDict({"model": nn.Linear(2, 1)})})
    torch.save(net.state_dict(), tmp_path / "a.pt")
    torch.save({f"module.{name}": tensor for name, tensor in net.state_dict().items()}, tmp_path / "b.pt")
    assert_states(lnb.checkpoints(tmp_path / "*.pt", net), [net.state_dict()] * 2)


def test_files_of_the_old_format_are_read(tmp_path, states, model):
    for epoch, state in enumerate(states):
        torch.save(state, tmp_path / f"{epoch}.pt", _use_new_zipfile_serialization=False)
    assert_states(lnb.checkpoints(tmp_path / "*.pt", model), states)


def test_each_point_is_what_a_plain_loop_loads(tmp_path, states, model):
    images, _ = small_data()
    before = copy.deepcopy(model.state_dict())
    run = lnb.checkpoints(save(tmp_path, states), model)
    plain = batch_norm_net(seed=2)
    for epoch in run.epochs:
        plain.load_state_dict(torch.load(tmp_path / f"epoch_{epoch}.pt", weights_only=True))
        assert torch.equal(run.model_at(epoch)(images), plain(images))
        point = run.points[epoch - 8]
        assert all(torch.equal(point[name], p) for name, p in plain.named_parameters())
        assert list(point) == [name for name, _ in plain.named_parameters()]
    assert torch.equal(run.model(images), plain(images))
    assert not run.model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert run.history == {}
    assert run.settings["files"][0] == str(tmp_path / "epoch_8.pt")


def test_pca_steps_and_planes_are_those_of_the_same_points_in_memory(tmp_path, states, model):
    run = lnb.checkpoints(save(tmp_path, states), model)
    names = [name for name, _ in model.named_parameters()]
    points = [{name: state[name] for name in names} for state in states]
    for find in (lnb.pca_directions, lambda run: lnb.shared_plane([run, run])):
        lazy, wanted = find(run), find(points)
        np.testing.assert_array_equal(lazy.explained_variance_ratio, wanted.explained_variance_ratio)
        for found, direction in zip(lazy.directions, wanted.directions, strict=True):
            assert all(torch.equal(found[name], direction[name]) for name in names)
    pca = lnb.pca_directions(points)
    path, wanted = (lnb.project(each, pca.directions, pca.origin) for each in (run, points))
    np.testing.assert_array_equal(path.alpha, wanted.alpha)
    np.testing.assert_array_equal(path.distance, wanted.distance)
    assert path.epoch.values.tolist() == [8, 9, 10, 11, 12]
    objective = lnb.Objective(run.model, small_data())
    steps = lnb.step_cosines(run, objective)
    np.testing.assert_array_equal(steps.cosine, lnb.step_cosines(states, objective).cosine)
    assert steps.epoch.values.tolist() == [8, 9, 10, 11]


def test_the_gap_is_measured_with_each_checkpoints_own_statistics(tmp_path, states, model):
    images, labels = small_data()
    run = lnb.checkpoints(save(tmp_path, states), model)
    pca = lnb.pca_directions(run)
    objective = lnb.Objective(run.model, (images, labels))
    gap = lnb.plane_gap(objective, run, pca.directions, pca.origin)
    losses, with_the_last = [], []
    for state in states:
        plain = batch_norm_net()
        plain.load_state_dict(state)
        losses.append(float(F.cross_entropy(plain(images), labels).detach()))
        last = {name: t for name, t in states[-1].items() if "running" in name}
        plain.load_state_dict(last, strict=False)
        with_the_last.append(float(F.cross_entropy(plain(images), labels).detach()))
    np.testing.assert_allclose(gap.loss, losses, rtol=1e-5)
    assert np.abs(np.subtract(losses, with_the_last))[:-1].max() > 0.1


def test_files_are_read_when_asked_for_and_not_kept(tmp_path, states, model, monkeypatch):
    pattern, read, alive, most = save(tmp_path, states * 4), [], weakref.WeakSet(), 0
    load = torch.load

    def watched(path, **how):
        nonlocal most
        content = load(path, **how)
        read.append(path.name)
        alive.add(content["linear.weight"])
        most = max(most, len(alive))
        assert how["weights_only"] is True
        return content

    monkeypatch.setattr(torch, "load", watched)
    run = lnb.checkpoints(pattern, model)
    assert read == ["epoch_27.pt"]
    lnb.project(run, [run.points[0]], run.points[-1])
    assert most <= 4
    assert len(alive) == 0
    assert [lnb.norm(point) for point in run.points[2:4]] == [lnb.norm(run.points[i]) for i in (2, 3)]
    assert len(run.states[2:4]) == 2


@pytest.mark.parametrize(
    ("names", "epochs"),
    [
        (["epoch_2.pt", "epoch_10.pt"], [2, 10]),
        (["run7/step_30.pt", "run7/step_200.pt"], [30, 200]),
        (["epoch=0-step=30.ckpt", "epoch=1-step=60.ckpt"], [0, 1]),
        (["epoch=0-step=30.ckpt", "epoch=0-step=60.ckpt"], [30, 60]),
        (["loss0.5-epoch=3.ckpt", "loss0.25-epoch=4-best.ckpt"], [3, 4]),
        (["checkpoint-500/model.safetensors", "checkpoint-1000/model.safetensors"], [500, 1000]),
        (["Epoch007.pt"], [7]),
        (["resnet56.pt"], None),
        (["first.pt", "last.pt"], None),
        (["epoch_1.pt", "last.pt"], None),
        (["1.pt", "01.pt"], None),
        (["a1.pt", f"a{2**63}.pt"], None),
    ],
)
def test_epochs_are_the_numbers_in_the_names(names, epochs):
    assert epochs_in(names) == epochs


def save_numbers(folder, *names):
    """A file of each name, whose one weight is 0, 1, 2, …"""
    for number, name in enumerate(names):
        torch.save({"weight": torch.tensor([[float(number)]])}, folder / name)
    return [folder / name for name in names]


def weights(run):
    return [point["weight"].item() for point in run.points]


@pytest.fixture
def single():
    return nn.Linear(1, 1, bias=False)


def test_a_list_is_sorted_by_epochs_if_it_has_any_and_else_stays(tmp_path, single):
    run = lnb.checkpoints(save_numbers(tmp_path, "e_10.pt", "e_9.pt"), single)
    assert (run.epochs, weights(run)) == ([9, 10], [1.0, 0.0])
    run = lnb.checkpoints(iter(save_numbers(tmp_path, "start.pt", "end.pt")), single)
    assert (run.epochs, weights(run)) == ([0, 1], [0.0, 1.0])


def test_steps_are_counted_though_a_loss_comes_first(tmp_path, single):
    save_numbers(tmp_path, "loss0.52_step100.pt", "loss0.31_step200.pt")
    assert lnb.checkpoints(tmp_path / "*.pt", single).epochs == [100, 200]


def test_a_folders_name_may_have_brackets(tmp_path, single):
    for folder in ("run[1]", "run1"):
        (tmp_path / folder).mkdir()
    save_numbers(tmp_path / "run[1]", "epoch_1.pt", "epoch_2.pt")
    assert lnb.checkpoints(tmp_path / "run[1]" / "epoch_*.pt", single).epochs == [1, 2]
    save_numbers(tmp_path / "run1", "epoch_3.pt")
    assert lnb.checkpoints(tmp_path / "run[0-9]" / "epoch_[3-4].pt", single).epochs == [3]


def test_a_file_that_is_listed_twice_is_named(tmp_path, single):
    (path,) = save_numbers(tmp_path, "epoch_1.pt")
    with pytest.raises(ValueError, match=r"files: '.*epoch_1.pt' is there twice"):
        lnb.checkpoints([path, path.parent / ".." / path.parent.name / path.name], single)


def test_a_key_says_which_of_several_weights_are_meant(tmp_path, single):
    state, other = {"weight": torch.ones(1, 1)}, {"weight": torch.zeros(1, 1)}
    torch.save({"model": other, "ema": {"state_dict": state, "decay": 0.9}, "epoch": 3}, tmp_path / "one.pt")
    names = {f"net.{name}": w for name, w in other.items()} | {f"ema.{name}": w for name, w in state.items()}
    torch.save({"state_dict": names}, tmp_path / "two.pt")
    for file in ("one.pt", "two.pt"):
        assert weights(lnb.checkpoints(tmp_path / file, single, key="ema")) == [1.0]
    assert weights(lnb.checkpoints(tmp_path / "two.pt", single, key="ema.")) == [1.0]
    with pytest.raises(ValueError, match="one.pt, under 'epoch': it holds a int, wants a state_dict"):
        lnb.checkpoints(tmp_path / "one.pt", single, key="epoch")
    assert weights(lnb.checkpoints(tmp_path / "one.pt", single)) == [0.0]
    with pytest.raises(ValueError, match="key: .*one.pt has nothing under 'best'; it has 'model', 'ema', 'epoch'"):
        lnb.checkpoints(tmp_path / "one.pt", single, key="best")
    with pytest.raises(TypeError, match="key: got int, wants a key of the files"):
        lnb.checkpoints(tmp_path / "one.pt", single, key=1)


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        (["epoch_1", "epoch_2", "epoch_10", "best"], "'best.pt'"),
        (["epoch1", "epoch2", "init", "last3"], "'init.pt', 'last3.pt'"),
        (["epoch_5", "best"], "'best.pt'"),
        (["resnet20_9_cifar10", "resnet20_10_cifar10", "resnet20_best_cifar10"], "'resnet20_best_cifar10.pt'"),
        (["checkpoint_10", "checkpoint_20", "best"], "'best.pt'"),
        (["model_10", "model_20", "last"], "'last.pt'"),
    ],
)
def test_a_name_without_an_epoch_among_others_with_one_is_named(tmp_path, single, names, odd):
    paths = [tmp_path / f"{name}.pt" for name in names]
    for path in paths:
        torch.save(single.state_dict(), path)
    with pytest.raises(ValueError, match="wants a pattern that leaves them out") as told:
        lnb.checkpoints(tmp_path / "*.pt", single)
    assert all(name in str(told.value) for name in odd.split(", "))
    assert "epoch_1.pt" not in str(told.value)
    assert len(lnb.checkpoints(paths, single).points) == len(names)


def test_names_without_epochs_are_sorted_as_a_person_would(tmp_path, single):
    save_numbers(tmp_path, "b_2.pt", "a_10_c.pt", "a_9.pt")
    run = lnb.checkpoints(tmp_path / "*.pt", single)
    assert (run.epochs, weights(run)) == ([0, 1, 2], [2.0, 1.0, 0.0])


def test_home_brackets_and_folders_in_a_pattern(tmp_path, single, monkeypatch):
    (tmp_path / "run").mkdir()
    save_numbers(tmp_path / "run", "net[1].pt")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for files in ("~/run/net*.pt", "~/run/net[1].pt", "~/**/*.pt", ["~/run/net[1].pt"]):
        assert weights(lnb.checkpoints(files, single)) == [0.0]


def test_tied_weights_may_be_in_a_file_under_one_of_their_names(tmp_path):
    net = nn.ModuleDict({"embed": nn.Embedding(3, 2), "head": nn.Linear(2, 3, bias=False)})
    net["head"].weight = net["embed"].weight
    (name,) = dict(net.named_parameters())
    for saved in (["embed.weight"], ["head.weight"], ["embed.weight", "head.weight"]):
        torch.save({f"model.{key}": torch.ones(3, 2) for key in saved}, tmp_path / "a.pt")
        run = lnb.checkpoints(tmp_path / "a.pt", net)
        assert run.points[0][name].sum() == 6
        assert run.model["head"].weight is run.model["embed"].weight


def test_half_precision_stays_and_is_computed_with_in_float32(tmp_path, states, model):
    halves = [{name: t.half() if t.is_floating_point() else t for name, t in state.items()} for state in states]
    run = lnb.checkpoints(save(tmp_path, halves), model)
    assert run.points[0]["linear.weight"].dtype == torch.float16
    assert lnb.pca_directions(run).origin["linear.weight"].dtype == torch.float32
    assert run.model.linear.weight.dtype == torch.float32


class RunsCode:
    """A pickle of it makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
def test_what_is_not_weights_is_refused_and_never_run(tmp_path, single, how):
    torch.save({"model": single.state_dict(), "args": RunsCode(str(tmp_path / "run"))}, tmp_path / "a.pt", **how)
    with pytest.raises(
        ValueError, match=r"a\.pt: it (holds '\w+.mkdir' beside|is damaged, or holds more than) weights"
    ):
        lnb.checkpoints(tmp_path / "a.pt", single)
    assert not (tmp_path / "run").exists()


def test_a_whole_module_is_refused_with_the_way_out(tmp_path, single):
    torch.save(single, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"holds 'torch.nn.modules.linear.Linear' .*torch.save\(model.state_dict\(\)"):
        lnb.checkpoints(tmp_path / "a.pt", single)


def damaged(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense", "half"])
def test_a_damaged_file_is_named(tmp_path, single, ending, content):
    path = tmp_path / f"a{ending}"
    state = single.state_dict()
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    damaged(path, path.read_bytes()[:-20] if content == "half" else content)
    with pytest.raises(ValueError, match=rf"a\{ending}: it is damaged"):
        lnb.checkpoints(path, single)


def test_a_file_that_is_damaged_in_the_middle_is_named_when_it_is_read(tmp_path, single):
    first, _ = save_numbers(tmp_path, "1.pt", "2.pt")
    run = lnb.checkpoints(tmp_path / "*.pt", single)
    damaged(first, b"nonsense")
    with pytest.raises(ValueError, match=r"1\.pt: it is damaged"):
        lnb.pca_directions(run, 1)
    first.unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.pt"):
        run.points[0]


LINEAR = {"weight": torch.ones(1, 1)}
NESTED_IN_ITSELF = {}
NESTED_IN_ITSELF["model"] = NESTED_IN_ITSELF


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight": torch.ones(2, 1)}, r"'weight' has shape \(2, 1\), wants \(1, 1\)"),
        (LINEAR | {"bias": torch.ones(1)}, "has 'bias', which the model does not have"),
        ({"bias": torch.ones(1)}, "has no tensor for 'weight'; it has 'bias', which the model does not have"),
        ({"module.bias": torch.ones(1)}, "has no tensor for 'weight'; it has 'bias', which"),
        ({f"{i}": torch.ones(1) for i in range(5)}, "has no tensor for 'weight'; it has '0', '1', '2' and 2 more"),
        (
            {"a.weight": torch.ones(1, 1), "b.weight": torch.ones(1, 1)},
            "has weights for the model under 'a.', 'b.', wants one network",
        ),
        ({"epoch": 3, "optimizer": {}}, "it holds 'epoch', 'optimizer', wants a state_dict, or one under 'state_dict'"),
        (NESTED_IN_ITSELF, "it holds 'model', wants a state_dict"),
        ({}, "it holds nothing, wants a state_dict"),
        ([torch.ones(1)], "it holds a list, wants a state_dict"),
        (torch.ones(1), "it holds a Tensor, wants a state_dict"),
        ({"weight": torch.ones(1, 1).to("meta")}, "'weight' is on the device 'meta'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_file(tmp_path, single, content, message):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt: {message}"):
        lnb.checkpoints(tmp_path / "a.pt", single)


def test_saved_parameters_are_points_without_a_graph(tmp_path, single):
    torch.save(dict(single.named_parameters()), tmp_path / "a.pt")
    assert not lnb.checkpoints(tmp_path / "a.pt", single).points[0]["weight"].requires_grad


def test_a_path_is_drawn_over_its_plane(tmp_path, states, model):
    run = lnb.checkpoints(save(tmp_path, states), model)
    pca = lnb.pca_directions(run)
    path = lnb.project(run, pca.directions, pca.origin)
    objective, extent = lnb.Objective(run.model, small_data()), lnb.extent_of(path)
    plane = lnb.evaluate_plane(objective, pca.directions, extent, 5, origin=pca.origin, progress=False)
    assert plane.alpha[0] < path.alpha.min() < path.alpha.max() < plane.alpha[-1]
    assert plane.beta[0] < path.beta.min() < path.beta.max() < plane.beta[-1]
    run.lr_drops = [9]
    assert lnb.project(run, pca.directions, pca.origin).attrs["lr_drops"] == [9]


def test_a_folder_is_not_a_file(tmp_path, single):
    (tmp_path / "run").mkdir()
    for files in (tmp_path / "run", tmp_path / "r*", [tmp_path / "run"]):
        with pytest.raises(
            ValueError, match=r"files(\[0\])?: got the folder '.*run', wants files, such as 'run/\*.pt'"
        ):
            lnb.checkpoints(files, single)


def test_reading_is_lazy_in_slices_too(tmp_path, single):
    files = CheckpointFiles(save_numbers(tmp_path, "1.pt", "2.pt", "3.pt"), single)
    assert [state["weight"].item() for state in files[::-2]] == [2.0, 0.0]
    assert files[-1]["weight"].item() == 2.0
    with pytest.raises(IndexError):
        files[3]
    assert module_or_function is lnb.checkpoints
