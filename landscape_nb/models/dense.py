"""DenseNets in their form for small images."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb.models.classifier import ImageClassifier
from landscape_nb.models.initial import initialized
from landscape_nb.models.sizes import check_counts, counts_by_name, sides_of


class DenseLayer(nn.Module):
    """A 1×1 and a 3×3 convolution, each after batch norm and ReLU; the output is appended to the input."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        y = self.conv1(F.relu(self.bn1(x)))
        return torch.cat([self.conv2(F.relu(self.bn2(y))), x], 1)


class DenseNet(ImageClassifier):
    """Dense groups; transitions between them halve the channels and the sides."""

    def __init__(self, groups: Sequence[int], growth: int, channels: int, classes: int):
        super().__init__(channels)
        width = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
        for number, depth in enumerate(groups):
            if number:
                layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width // 2, 1, bias=False)]
                layers.append(nn.AvgPool2d(2))
                width //= 2
            layers += [DenseLayer(width + i * growth, growth) for i in range(depth)]
            width += depth * growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU())
        self.linear = nn.Linear(width, classes)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        self.check(images)
        return self.linear(self.features(images).mean((2, 3)))


def densenet(
    groups: Sequence[int] = (4, 4, 4),
    channels: int = 3,
    classes: int = 10,
    growth: int = 12,
    image_size: int | tuple[int, int] = 32,
    seed: int = 0,
) -> DenseNet:
    """A DenseNet for small images: a 3×3 first convolution, and no pooling before the first group.

    Every layer sees the outputs of all layers before it in its group.

    Args:
        groups: The number of layers (a 1×1 and a 3×3 convolution) in each group; channels and sides are halved
            between groups.
        channels: Channels of an image.
        classes: Number of scores.
        growth: Channels that each layer adds.
        image_size: Side, or height and width, of the images, from 8 up; it changes nothing (see `resnet`).
        seed: Seed of the initial weights.

    Returns:
        The network, in training mode.

    Raises:
        ValueError: A size below 1 (8 for the image), no groups, or more groups than the image can be halved for.

    Example:
        >>> import torch
        >>> densenet((2, 2), growth=4, channels=1)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    check_counts(channels=channels, classes=classes, growth=growth, **counts_by_name("groups", groups))
    side = min(sides_of(image_size))
    if not 1 <= len(groups) <= side.bit_length():
        raise ValueError(f"groups: got {len(groups)}, wants 1 to {side.bit_length()} for images of side {side}")
    return initialized(lambda: DenseNet(groups, growth, channels, classes), seed)


def densenet121(
    channels: int = 3,
    classes: int = 10,
    growth: int = 32,
    image_size: int | tuple[int, int] = 32,
    seed: int = 0,
) -> DenseNet:
    """DenseNet-121 in its form for CIFAR: `densenet` with groups of 6, 12, 24 and 16 layers.

    Args:
        channels: Channels of an image.
        classes: Number of scores.
        growth: Channels that each layer adds; the paper's network has 32.
        image_size: Side, or height and width, of the images, from 8 up; it changes nothing (see `resnet`).
        seed: Seed of the initial weights.

    Returns:
        The network, in training mode.

    Raises:
        ValueError: A size below 1 (8 for the image).

    Example:
        >>> import torch
        >>> densenet121(growth=4, channels=1)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    return densenet((6, 12, 24, 16), channels, classes, growth, image_size, seed)
