"""What a run keeps: read again as it was, and trained anew where its files are damaged."""

import hashlib
import json
import warnings

import pytest
import torch
from helpers import TRAINING, interrupted_before_epoch, same_runs
from safetensors.torch import load_file, save_file
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories.run_files import (
    DamagedEntryError,
    Expected,
    RunFiles,
    cache_directory,
    make_writable_cache,
    resume_name,
    state_name,
)

STATE = {"w": torch.arange(6.0).view(2, 3), "steps": torch.tensor(3)}


def expected(epochs=4, record=(0, 2, 4)):
    return Expected(epochs, list(record), {"loss"}, STATE, STATE | {"momentum": torch.zeros(2)}, {"w"})


def content(epoch):
    recorded = [each for each in (0, 2, 4) if each <= epoch]
    return {"epoch": epoch, "history": {"loss": [0.5] * epoch}, "recorded": recorded}


def written(folder, epoch, last=4):
    """The files of a run after some epochs, each state multiplied by its epoch."""
    folder.mkdir(exist_ok=True)
    files = RunFiles(folder)
    for recorded in content(epoch)["recorded"]:
        files.save(state_name(recorded), {"w": recorded * STATE["w"], "steps": STATE["steps"] + recorded})
    if epoch < last:
        files.save(resume_name(epoch), STATE | {"momentum": torch.full((2,), float(epoch))})
    files.commit(content(epoch), list(files.checksums))
    return files


@pytest.mark.parametrize(
    ("epoch", "names"),
    [
        (1, ["epoch-00000.safetensors", "resume-00001.safetensors"]),
        (2, ["epoch-00000.safetensors", "epoch-00002.safetensors", "resume-00002.safetensors"]),
        (4, ["epoch-00000.safetensors", "epoch-00002.safetensors", "epoch-00004.safetensors"]),
    ],
)
def test_a_run_has_its_recorded_states_and_where_it_goes_on_from(epoch, names):
    assert list(expected().files(epoch)) == names


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_what_is_read_is_what_was_written(tmp_path, epoch):
    written(tmp_path / "run", epoch)
    found = RunFiles(tmp_path / "run").read(expected())
    assert (found.epoch, found.history) == (epoch, {"loss": [0.5] * epoch})
    assert list(found.states) == content(epoch)["recorded"]
    for recorded, state in found.states.items():
        assert torch.equal(state["w"], recorded * STATE["w"])
        assert state["steps"].item() == 3 + recorded
    assert found.resumable is None if epoch == 4 else found.resumable["momentum"].tolist() == [epoch, epoch]


def test_where_nothing_was_committed_there_is_nothing(tmp_path):
    assert RunFiles(tmp_path).read(expected()) is None
    RunFiles(tmp_path).save(state_name(0), STATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RunFiles(tmp_path).read(expected()) is None


def test_a_manifest_deletes_what_the_one_before_named_and_nothing_else(tmp_path):
    files = written(tmp_path / "run", 1)
    (tmp_path / "run" / "notes.txt").write_text("kept")
    files.save(state_name(2), STATE)
    files.commit(content(2), [state_name(0), state_name(2)])
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["epoch-00000.safetensors", "epoch-00002.safetensors", "notes.txt", "run.json"]


def test_a_kill_before_the_manifest_leaves_the_run_as_it_was(tmp_path):
    files = written(tmp_path / "run", 1)
    files.save(state_name(2), STATE)
    files.save(resume_name(2), STATE | {"momentum": torch.ones(2)})
    found = RunFiles(tmp_path / "run").read(expected())
    assert (found.epoch, list(found.states)) == (1, [0])
    assert found.resumable["momentum"].tolist() == [1, 1]


def test_weights_that_are_not_finite_are_damage_and_other_tensors_may_be():
    fine = {"x": {"w": torch.zeros(2), "mask": torch.tensor([torch.inf])}}
    expected().check_tensors(fine)
    with pytest.raises(DamagedEntryError, match="w in x is not finite"):
        expected().check_tensors({"x": {"w": torch.tensor([0.0, torch.nan])}})


def test_the_directory_is_argument_then_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "variable"))
    assert cache_directory(tmp_path / "argument") == tmp_path / "argument"
    assert cache_directory() == tmp_path / "variable"
    assert make_writable_cache(key="run") == tmp_path / "variable" / "run"
    assert list((tmp_path / "variable" / "run").iterdir()) == []


@pytest.mark.parametrize("victim", ["run.json", "epoch-00004.safetensors", "epoch-00000.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_a_damaged_entry_is_reported_and_trained_anew(model, data, tmp_path, victim, damage):
    first = lnb.train(model, data, cache=tmp_path, **TRAINING)
    (path,) = tmp_path.glob(f"*/{victim}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flip" else content[:-20])
    if (victim, damage) == ("run.json", "delete"):
        again = lnb.train(model, data, cache=tmp_path, **TRAINING)
    else:
        with pytest.warns(UserWarning, match="is damaged .* training anew"):
            again = lnb.train(model, data, cache=tmp_path, **TRAINING)
    assert same_runs(first, again)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same_runs(first, lnb.train(model, data, cache=tmp_path, **TRAINING))


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
        assert same_runs(first, lnb.train(model, data, cache=cache, **TRAINING))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same_runs(first, lnb.train(model, data, cache=cache, **TRAINING))


@pytest.mark.parametrize("how", NONSENSE)
def test_nonsense_in_the_index_deletes_nothing_and_is_trained_anew(model, data, tmp_path, how):
    cache = tmp_path / "nets"
    first = lnb.train(model, data, cache=cache, **TRAINING)
    (tmp_path / "outside.txt").write_text("kept")
    (index,) = cache.glob("*/run.json")
    rewrite(index, NONSENSE[how](json.loads(index.read_text())["content"]))
    check_trained_anew(model, data, cache, first)
    assert (tmp_path / "outside.txt").read_text() == "kept"


def test_a_run_that_goes_on_deletes_nothing_outside(model, data, tmp_path):
    """Files that an index names and the next one does not are deleted: only those of the run."""
    outside = tmp_path / "outside.txt"
    with interrupted_before_epoch(2):
        lnb.train(model, data, cache=tmp_path / "nets", **TRAINING)
    outside.write_text("kept")
    (index,) = tmp_path.glob("nets/*/run.json")
    content = json.loads(index.read_text())["content"]
    content["files"]["../../outside.txt"] = hashlib.blake2b(b"kept", digest_size=16).hexdigest()
    rewrite(index, content)
    with pytest.warns(UserWarning, match="is damaged .it names other files.; training anew"):
        lnb.train(model, data, cache=tmp_path / "nets", **TRAINING)
    assert outside.read_text() == "kept"


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"3", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, None])
@pytest.mark.parametrize("victim", ["run.json", "epoch-00004.safetensors"])
def test_files_of_nonsense_are_trained_anew(model, data, tmp_path, victim, content):
    first = lnb.train(model, data, cache=tmp_path, **TRAINING)
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
    first = lnb.train(model, data, cache=tmp_path, **TRAINING)
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


@pytest.mark.parametrize("named", ["argument", "variable"])
def test_a_cache_in_the_home_directory_is_made_there(model, data, tmp_path, monkeypatch, named):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", "~/nets")
    lnb.train(model, data, cache="~/nets" if named == "argument" else True, **TRAINING)
    assert list((tmp_path / "home" / "nets").glob("*/run.json"))
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("place", ["s3://b/c", "file:///tmp/nets", "a\0b", "nets\ud800", "  "])
def test_a_cache_that_is_not_a_place_on_this_machine_is_named(model, data, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^cache: got "):
        lnb.train(model, data, cache=place, **TRAINING)
    if "\0" not in place and "\ud800" not in place:  # what an environment can hold
        monkeypatch.setenv("LANDSCAPE_NB_CACHE", place)
        with pytest.raises(ValueError, match=r"^LANDSCAPE_NB_CACHE: got "):
            lnb.train(model, data, **TRAINING)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_named(model, data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cache: cannot write to .*LANDSCAPE_NB_CACHE"):
        lnb.train(model, data, cache=tmp_path / "file" / "nets", **TRAINING)


def test_a_buffer_may_be_infinite(data, tmp_path):
    """As masks of attention are: that is not damage."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    net.register_buffer("mask", torch.tensor([0.0, -torch.inf, torch.nan]))
    lnb.train(net, data, cache=tmp_path, **TRAINING)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lnb.train(net, data, cache=tmp_path, **TRAINING)
