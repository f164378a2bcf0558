"""Checkpoints of the authors: theirs are read, and other files are refused before they do harm."""

import random
import zipfile

import numpy as np
import pytest
import torch
from helpers import real_file

import landscape_nb as lnb
from landscape_nb.models import residual


def test_what_is_not_a_checkpoint_is_refused(tmp_path):
    garbage, other = tmp_path / "a.t7", tmp_path / "b.t7"
    garbage.write_bytes(b"not a checkpoint")
    torch.save({"state_dict": {"weight": torch.ones(2)}}, other)
    torch.save([1, 2], tmp_path / "c.t7")
    for path in (garbage, other, tmp_path / "c.t7"):
        with pytest.raises(ValueError, match=r"is not a checkpoint of the authors' ResNets"):
            lnb.load_authors_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        lnb.load_authors_checkpoint(tmp_path / "missing.t7")


def repeated(*shape):
    """A tensor of one number, as large as one likes."""
    return torch.zeros(()).expand(shape)


def authors_state(**changes):
    return {"state_dict": lnb.models.resnet(20, channels=1, classes=2, width=0.25).state_dict() | changes}


def zip_again(path, compression):
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def save_compressed(path, **legacy):
    torch.save(authors_state(**{"linear.bias": torch.zeros(10**6)}), path)
    zip_again(path, zipfile.ZIP_DEFLATED)


def save_repeated(path, **legacy):
    tensors = {"conv1.weight": repeated(4096, 3, 3, 3), "linear.weight": repeated(10, 4 * 4096)}
    tensors |= {f"layer1.{block}.conv1.weight": repeated(4096, 4096, 3, 3) for block in range(3)}
    torch.save({"state_dict": tensors}, path, **legacy)


def save_wide(path, **legacy):
    """Its first layer is all there, and the others would follow from it."""
    tensors = {"conv1.weight": torch.zeros(20_000, 1, 1, 1), "linear.weight": torch.zeros(1, 1)}
    tensors |= {f"layer1.{block}.conv1.weight": torch.zeros(1) for block in range(3)}
    torch.save({"state_dict": tensors}, path, **legacy)


def save_deep(path, **legacy):
    tensors = {f"layer1.{block}.conv1.weight": torch.zeros(1) for block in range(3000)}
    tensors |= {"conv1.weight": torch.zeros(1, 1, 3, 3), "linear.weight": torch.zeros(1, 4)}
    torch.save({"state_dict": tensors}, path, **legacy)


@pytest.mark.parametrize("legacy", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("save", [save_compressed, save_repeated, save_wide, save_deep])
def test_a_checkpoint_that_expands_is_refused_before_a_network_is_built(tmp_path, monkeypatch, save, legacy):
    save(tmp_path / "a.t7", **legacy)
    monkeypatch.setattr(residual, "initialized", lambda *_: pytest.fail("built"))
    with pytest.raises(ValueError, match=r"path: .*a.t7 is not a checkpoint of the authors'"):
        lnb.load_authors_checkpoint(tmp_path / "a.t7")


def test_a_compressed_checkpoint_is_not_even_read(tmp_path, monkeypatch):
    save_compressed(tmp_path / "a.t7")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"it has \d+ bytes and would expand to 4\d{6}"):
        lnb.load_authors_checkpoint(tmp_path / "a.t7")


@pytest.mark.parametrize("legacy", [{}, {"_use_new_zipfile_serialization": False}])
def test_a_checkpoint_in_either_format_is_read(tmp_path, legacy):
    saved = authors_state()
    torch.save(
        {"state_dict": {f"module.{name}": t for name, t in saved["state_dict"].items()}}, tmp_path / "a", **legacy
    )
    read = lnb.load_authors_checkpoint(tmp_path / "a").state_dict()
    assert all(torch.equal(tensor, read[name]) for name, tensor in saved["state_dict"].items())


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("legacy", [{}, {"_use_new_zipfile_serialization": False}])
def test_a_damaged_checkpoint_is_named(tmp_path, legacy):
    torch.save(authors_state(), tmp_path / "whole", **legacy)
    whole, rng = (tmp_path / "whole").read_bytes(), random.Random(0)
    for _ in range(40):
        content = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
        for _ in range(rng.randrange(6)):
            content[rng.randrange(min(len(content), 3000))] = rng.randrange(256)
        (tmp_path / "a.t7").write_bytes(content)
        try:
            lnb.load_authors_checkpoint(tmp_path / "a.t7")
        except ValueError as error:
            message = str(error)
        else:
            message = "path:"
        assert message.startswith("path:")


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"state_dict": Evil()}, tmp_path / "evil.t7")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        lnb.load_authors_checkpoint(tmp_path / "evil.t7")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("name", "loss", "digits", "accuracy"), [("resnet56", 0.00077, 5, 1.0), ("resnet56_noshort", 0.1335, 4, 0.9568)]
)
def test_authors_networks(name, loss, digits, accuracy):
    file = np.load(real_file("cifar10-lossless-4000.npz"))
    mean, std = (np.float32(values) / 255 for values in ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)))
    images = torch.from_numpy((file["x"] / np.float32(255) - mean) / std).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(file["y"].astype(np.int64))
    net = lnb.load_authors_checkpoint(real_file(f"{name}.t7"))
    objective = lnb.Objective(net, (images, labels), metrics={"accuracy": lnb.accuracy})
    values = objective()
    assert round(values["loss"], digits) == loss
    assert values["accuracy"] == pytest.approx(accuracy, abs=5.1e-5)
