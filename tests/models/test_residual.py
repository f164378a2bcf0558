"""ResNets have the paper's weights, and may be narrower or wider."""

import pytest
from helpers import number_of_weights

from landscape_nb import models


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
    assert number_of_weights(models.resnet(depth, shortcuts)) == blocks(depth, shortcuts=shortcuts)


def test_wide_resnet_has_the_papers_weights():
    assert number_of_weights(models.resnet(56, width=4, channels=1)) == blocks(56, 4, channels=1)


@pytest.mark.parametrize(("width", "channels"), [(1 / 16, 1), (0.25, 4), (0.5, 8)])
def test_resnets_can_be_narrower_than_the_papers(width, channels):
    assert models.resnet(20, width=width).conv1.out_channels == channels
