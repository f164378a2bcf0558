"""Numbers of layers, channels and classes, and sides of images, are checked."""

import pytest

from landscape_nb import models


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
