"""The networks: their sizes are the paper's, their initial weights too, and they take any image."""

import math
import random
import zipfile

import numpy as np
import pytest
import torch
from helpers import real_file

import landscape_nb as lnb
from landscape_nb import models


def count(net):
    return sum(p.numel() for p in net.parameters())


def blocks(depth, width=1, shortcuts=True, channels=3):
    """Weights of the paper's ResNet, layer by layer."""
    n, c = (depth - 2) // 6, 16 * width
    conv = lambda i, o, k=3: i * o * k * k + 2 * o  # noqa: E731  (with the two of its batch norm an output)
    total = conv(channels, c)
    for stage, (i, o) in enumerate([(c, c), (c, 2 * c), (2 * c, 4 * c)]):
        total += conv(i, o) + (2 * n - 1) * conv(o, o) + (conv(i, o, 1) if stage and shortcuts else 0)
    return total + 4 * c * 10 + 10


@pytest.mark.parametrize("depth", models.RESNET_DEPTHS)
@pytest.mark.parametrize("shortcuts", [True, False])
def test_resnet_has_the_papers_weights(depth, shortcuts):
    assert count(models.resnet(depth, shortcuts)) == blocks(depth, shortcuts=shortcuts)


def test_wide_resnet_has_the_papers_weights():
    assert count(models.resnet(56, width=4, channels=1)) == blocks(56, 4, channels=1)


@pytest.mark.parametrize(("width", "channels"), [(1 / 16, 1), (0.25, 4), (0.5, 8)])
def test_resnets_can_be_narrower_than_the_papers(width, channels):
    assert models.resnet(20, width=width).conv1.out_channels == channels


def test_vgg9_has_about_2_79_million_weights():
    assert round(count(models.vgg9()) / 1e6, 2) == 2.79


def test_densenet121_has_the_weights_of_its_cifar_form():
    """6.96 million, as other implementations of this form with 10 classes have."""
    assert count(models.densenet121()) == 6_956_298


BUILDERS = {
    "resnet": lambda **shape: models.resnet(20, **shape),
    "noshort": lambda **shape: models.resnet(20, shortcuts=False, **shape),
    "vgg9": lambda **shape: models.vgg9(width=0.25, **shape),
    "densenet": lambda **shape: models.densenet((2, 3), growth=4, **shape),
    "densenet121": lambda **shape: models.densenet121(growth=4, **shape),
    "mlp": lambda **shape: models.mlp(batch_norm=True, **shape),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize("size", [8, 9, 15, 28, 32, (10, 13)], ids=str)
@pytest.mark.parametrize(("channels", "classes"), [(1, 10), (4, 3)])
def test_any_image_from_8x8_up(build, size, channels, classes):
    height, width = size if isinstance(size, tuple) else (size, size)
    net = build(channels=channels, classes=classes, image_size=size)
    assert net(torch.randn(2, channels, height, width)).shape == (2, classes)


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_wrong_images_are_named(build):
    net = build(channels=1, classes=10, image_size=8)
    for shape in [(2, 3, 8, 8), (2, 1, 7, 7), (2, 64), (1, 8, 8)]:
        with pytest.raises(ValueError, match=r"images: got a tensor of shape .* takes \(N, 1, height, width\)"):
            net(torch.zeros(shape))


def test_initial_weights_are_the_papers():
    net = models.resnet(110, width=2, seed=4)
    for name, weight in net.named_parameters():
        if weight.ndim == 4:
            fan_in = weight[0].numel()
            assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.15), name
        elif ".weight" in name and weight.ndim == 1:
            assert (weight == 1).all()
    assert net.linear.weight.std().item() == pytest.approx(1e-3, rel=0.1)
    assert not net.linear.bias.any()


def test_seeds_decide_the_weights_and_spare_the_global_state():
    before = torch.get_rng_state()
    first, again, other = (models.vgg9(width=0.25, image_size=8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.linear.weight, again.linear.weight)
    assert not torch.equal(first.linear.weight, other.linear.weight)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.resnet(57), "depth: got 57, wants one of 20, 32, 44, 56, 110"),
        (lambda: models.resnet(20, width=0), "width: got 0"),
        (lambda: models.resnet(20, image_size=7), "image_size: got 7"),
        (lambda: models.vgg9(width=0), "width: got 0"),
        (lambda: models.mlp((0,)), r"hidden\[0\]: got 0"),
        (lambda: models.densenet121(classes=0), "classes: got 0"),
        (lambda: models.densenet(groups=(2, 0)), r"groups\[1\]: got 0"),
        (lambda: models.densenet(groups=()), "groups: got 0, wants 1 to 6"),
        (lambda: models.densenet(groups=(1,) * 5, image_size=8), "groups: got 5, wants 1 to 4 for images of side 8"),
    ],
)
def test_bad_sizes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_checkpoint_is_refused(tmp_path):
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
    monkeypatch.setattr(lnb.models, "_initialized", lambda *_: pytest.fail("built"))
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
    ("build", "kind", "message"),
    [
        (lambda: models.mlp(batch_norm=-3), TypeError, "batch_norm: got int, wants True or False"),
        (lambda: models.mlp(batch_norm=None), TypeError, "batch_norm: got NoneType"),
        (lambda: models.resnet(20, shortcuts="no"), TypeError, "shortcuts: got str, wants True or False"),
        (lambda: models.mlp((10**30,)), ValueError, r"hidden\[0\]: got 10+, wants a whole number from 1 to 2147483647"),
        (lambda: models.resnet(20, channels=10**30), ValueError, "channels: got 10+, wants"),
        (lambda: models.vgg9(classes=10**30), ValueError, "classes: got 10+, wants"),
        (lambda: models.vgg9(width=1e30), ValueError, r"width: got 1e\+30, wants"),
        (lambda: models.mlp(image_size=10**30), ValueError, "image_size: got 10+, wants"),
        (lambda: models.densenet(growth=10**30), ValueError, "growth: got 10+, wants"),
        (lambda: models.mlp((2**31 - 1, 2**31 - 1)), ValueError, "a network of this width, .* is too large"),
    ],
)
def test_switches_and_counts_are_checked(build, kind, message):
    with pytest.raises(kind, match=message):
        build()


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
