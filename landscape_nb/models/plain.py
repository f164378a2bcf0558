"""Networks whose layers follow one another: VGG-9 and a plain perceptron."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb.models.classifier import ImageClassifier
from landscape_nb.models.initial import initialized
from landscape_nb.models.sizes import channels_at, check_counts, check_switch, counts_by_name, sides_of


class VGG9(ImageClassifier):
    """Seven 3×3 convolutions in three pooled groups, one hidden layer, one output layer."""

    def __init__(self, base: int, channels: int, image_size: tuple[int, int], classes: int):
        super().__init__(channels, image_size)
        layers: list[nn.Module] = []
        for repeats, outputs in ((2, base), (2, 2 * base), (3, 4 * base)):
            for _ in range(repeats):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                channels = outputs
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        pixels = math.prod(math.ceil(side / 8) for side in image_size)
        self.hidden = nn.Sequential(nn.Linear(channels * pixels, channels), nn.BatchNorm1d(channels), nn.ReLU())
        self.linear = nn.Linear(channels, classes)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        self.check(images)
        return self.linear(self.hidden(self.features(images).flatten(1)))


class MLP(ImageClassifier):
    """Hidden layers (a linear map, batch norm on request, ReLU), then a linear map."""

    def __init__(
        self, hidden: Sequence[int], batch_norm: bool, channels: int, image_size: tuple[int, int], classes: int
    ):
        super().__init__(channels, image_size)
        sizes = [channels * math.prod(image_size), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), *[nn.BatchNorm1d(outputs)] * batch_norm, nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.linear = nn.Linear(sizes[-1], classes)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        self.check(images)
        return self.linear(self.hidden(images))


def vgg9(
    width: float = 1,
    channels: int = 3,
    classes: int = 10,
    image_size: int | tuple[int, int] = 32,
    seed: int = 0,
) -> VGG9:
    """VGG-9 with batch norm throughout, as in Figures 2, 3 and 9 of Li et al. (2018).

    Args:
        width: Factor on the 64, 128 and 256 channels; 0.25 gives 16, 32 and 64.
        channels: Channels of an image.
        classes: Number of scores.
        image_size: Side, or height and width, of the images: from 8 up.
        seed: Seed of the initial weights.

    Returns:
        The network, in training mode. At width 1 and 32×32 it has about 2.79 million weights.

    Raises:
        ValueError: A size below 1 (8 for the image), or a width that leaves no channel.

    Example:
        >>> sum(p.numel() for p in vgg9().parameters())
        2789706
    """
    check_counts(channels=channels, classes=classes)
    base = channels_at(64, width)
    return initialized(lambda: VGG9(base, channels, sides_of(image_size), classes), seed)


def mlp(
    hidden: Sequence[int] = (64, 64),
    batch_norm: bool = False,
    channels: int = 3,
    classes: int = 10,
    image_size: int | tuple[int, int] = 32,
    seed: int = 0,
) -> MLP:
    """A ReLU perceptron on flattened images.

    Args:
        hidden: The number of neurons in each hidden layer; without any it is a linear classifier.
        batch_norm: Puts batch norm between each hidden linear map and its ReLU.
        channels: Channels of an image.
        classes: Number of scores.
        image_size: Side, or height and width, of the images: from 8 up.
        seed: Seed of the initial weights: He's normal in hidden layers, N(0, 10⁻³) in the last.

    Returns:
        The network, in training mode.

    Raises:
        ValueError: A size below 1 (8 for the image).

    Example:
        >>> [tuple(p.shape) for p in mlp((5,), channels=1, image_size=8).parameters()]
        [(5, 64), (5,), (10, 5), (10,)]
    """
    check_counts(channels=channels, classes=classes, **counts_by_name("hidden", hidden))
    check_switch("batch_norm", batch_norm)
    build = partial(MLP, hidden, bool(batch_norm), channels, sides_of(image_size), classes)
    return initialized(build, seed, he=(nn.Linear,))
