"""Every network takes any image from 8×8 up, and names those that do not fit."""

import pytest
import torch

from landscape_nb import models

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
