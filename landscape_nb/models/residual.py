"""ResNets of three stages, with and without skip connections (shortcuts)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.checks import check_choice, check_whole
from landscape_nb.models.classifier import ImageClassifier
from landscape_nb.models.initial import initialized
from landscape_nb.models.sizes import channels_at, check_counts, check_switch, sides_of

RESNET_DEPTHS = (20, 32, 44, 56, 110)
"""The depths that `resnet` makes."""


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, with a skip connection (shortcut) that adds the input, unless `shortcuts` is False."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcuts: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = _projection(inputs, outputs, stride) if shortcuts else None

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k i j"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y if self.shortcut is None else y + self.shortcut(x))


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(ImageClassifier):
    """Three stages of residual blocks, with the parameter names of the authors' checkpoints."""

    def __init__(self, depth: int, shortcuts: bool, base: int, channels: int, classes: int):
        super().__init__(channels)
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, base, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.layer1 = _stage(blocks, base, base, 1, shortcuts)
        self.layer2 = _stage(blocks, base, 2 * base, 2, shortcuts)
        self.layer3 = _stage(blocks, 2 * base, 4 * base, 2, shortcuts)
        self.linear = nn.Linear(4 * base, classes)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        self.check(images)
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def _stage(blocks: int, inputs: int, outputs: int, stride: int, shortcuts: bool) -> nn.Sequential:
    first = ResidualBlock(inputs, outputs, stride, shortcuts)
    return nn.Sequential(first, *(ResidualBlock(outputs, outputs, 1, shortcuts) for _ in range(blocks - 1)))


def resnet(
    depth: int,
    shortcuts: bool = True,
    width: float = 1,
    channels: int = 3,
    classes: int = 10,
    image_size: int | tuple[int, int] = 32,
    seed: int = 0,
) -> ResNet:
    """A ResNet for small images, as in Figures 1, 5 and 6 of Li et al. (2018).

    Three stages of (depth − 2) / 6 blocks with 16, 32 and 64 channels times `width`; where a stage
    halves the image, the skip connection (shortcut) is a 1×1 convolution with batch norm.

    Args:
        depth: 20, 32, 44, 56 or 110 layers.
        shortcuts: False drops all skip connections (the paper's "noshort").
        width: Factor on the number of channels (the paper's k); 0.25 gives 4, 8 and 16.
        channels: Channels of an image.
        classes: Number of scores.
        image_size: Side, or height and width, of the images: from 8 up. A ResNet pools over whatever
            is left of the image, so the size changes nothing; the argument is here so that `**data.shape` fits.
        seed: Seed of the initial weights: He's normal in convolutions, N(0, 10⁻³) in the output layer.

    Returns:
        The network, in training mode. The global random state is untouched.

    Raises:
        ValueError: An unknown depth, or a size below 1 (8 for the image).

    Example:
        >>> import torch
        >>> net = resnet(20, shortcuts=False, channels=1, classes=7)
        >>> net(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 7])
    """
    check_choice("depth", check_whole("depth", depth, 1), RESNET_DEPTHS)
    check_switch("shortcuts", shortcuts)
    check_counts(channels=channels, classes=classes)
    sides_of(image_size)
    base = channels_at(16, width)
    return initialized(lambda: ResNet(depth, shortcuts, base, channels, classes), seed)
