"""The networks: their sizes are the paper's, their initial weights too, and they take any image."""

import math

import pytest
import torch

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
