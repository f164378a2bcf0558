"""The paper's networks, at any width, input size, number of channels and number of classes.

Architectures as in section 3 of Li et al. (2018): VGG-9, ResNets of three stages with and without skip
connections (shortcuts), wide ResNets, DenseNet-121 in its form for CIFAR; besides them a plain perceptron. They
are made with new weights, or read from the files that the paper's authors released.
"""

import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.checks import check_choice, check_kind, check_path, check_whole

Net = TypeVar("Net", bound=nn.Module)

RESNET_DEPTHS = (20, 32, 44, 56, 110)
_SMALLEST_IMAGE = 8
_MOST_SEED = 2**64 - 1
_MOST_COUNT = 2**31 - 1


class ImageClassifier(nn.Module):
    """A classifier that knows which images it takes.

    Args:
        channels: Channels of an image.
        image_size: The height and width that the layers are made for; None takes any from 8×8 up.
    """

    def __init__(self, channels: int, image_size: tuple[int, int] | None = None):
        super().__init__()
        self.channels, self.image_size = channels, image_size

    def check(self, images: Tensor) -> None:
        """Raise a `ValueError` unless `images` has the shape that the network takes."""
        check_kind("images", images, Tensor, "a tensor of shape (n, channels, height, width)")
        shape = tuple(images.shape)
        size = self.image_size or shape[2:]
        if shape[1:] == (self.channels, *size) and len(size) == 2 and min(size) >= _SMALLEST_IMAGE:
            return
        sides = "×".join(map(str, self.image_size)) if self.image_size else "8×8 or more"
        raise ValueError(
            f"images: got a tensor of shape {shape}; this network takes (N, {self.channels}, height, width) "
            f"with height×width {sides}"
        )


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
    _check_switch("shortcuts", shortcuts)
    _check_counts(channels=channels, classes=classes)
    _sides(image_size)
    base = _channels(16, width)
    return _initialized(lambda: ResNet(depth, shortcuts, base, channels, classes), seed)


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
    _check_counts(channels=channels, classes=classes)
    base = _channels(64, width)
    return _initialized(lambda: VGG9(base, channels, _sides(image_size), classes), seed)


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
    _check_counts(channels=channels, classes=classes, growth=growth, **_listed("groups", groups))
    side = min(_sides(image_size))
    if not 1 <= len(groups) <= side.bit_length():
        raise ValueError(f"groups: got {len(groups)}, wants 1 to {side.bit_length()} for images of side {side}")
    return _initialized(lambda: DenseNet(groups, growth, channels, classes), seed)


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
    _check_counts(channels=channels, classes=classes, **_listed("hidden", hidden))
    _check_switch("batch_norm", batch_norm)
    return _initialized(lambda: MLP(hidden, bool(batch_norm), channels, _sides(image_size), classes), seed)


def load_authors_checkpoint(path: str | PathLike[str]) -> ResNet:
    """Read a trained ResNet that the paper's authors released into our `resnet`.

    Depth, width, skip connections (shortcuts) and classes are found from the tensors. Only tensors and plain
    containers are unpickled (`weights_only=True`), so that a file from elsewhere cannot run code.

    Args:
        path: A `.t7` file: a dict whose `state_dict` holds the weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not such a checkpoint, or would take more memory than its size; then a network has
            not been built.

    Example:
        >>> load_authors_checkpoint("resnet56.t7")  # doctest: +SKIP
    """
    check_path("path", path)
    if not Path(path).exists():
        raise FileNotFoundError(f"path: there is no file {path}")
    # `weights_only=True` keeps code out, but not sizes: a compressed archive, or tensors of stride 0, make gigabytes of
    # a kilobyte. Both are refused by comparing with the file's size, for a real checkpoint is as large as its tensors;
    # and the shapes are checked against a network on the meta device, without memory, before a real one is built. The
    # authors' files hold the state of a DataParallel wrapper, whose names begin with `module.`; despite their ending
    # they are not Lua Torch's format.
    try:
        size = _check_archive(path)
        saved = torch.load(path, weights_only=True, map_location="cpu")
        state = {key.removeprefix("module."): value for key, value in saved["state_dict"].items()}
        _check_expansion(state, size)
        blocks = sum(key.startswith("layer1.") and key.endswith(".conv1.weight") for key in state)
        base, channels = state["conv1.weight"].shape[:2]
        shortcuts = any(".shortcut." in key for key in state)
        classes = len(state["linear.weight"])
        check_choice("depth", 6 * blocks + 2, RESNET_DEPTHS)
        _check_shapes(state, lambda: ResNet(6 * blocks + 2, shortcuts, base, channels, classes))
        net = resnet(6 * blocks + 2, shortcuts, base / 16, channels, classes)
        net.load_state_dict(state)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # nonsense in a file raises nearly anything, and all of it means the same
        raise ValueError(
            f"path: {path} is not a checkpoint of the authors' ResNets, a .t7 file with a 'state_dict' ({error})"
        ) from error
    return net.eval()


def _check_archive(path: str | PathLike[str]) -> int:
    """The size of a file; a `ValueError` if it is a compressed archive, which torch does not write."""
    size = Path(path).stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = sum(member.file_size for member in archive.infolist())
        if inside > size:
            raise ValueError(f"it has {size} bytes and would expand to {inside}")
    return size


def _check_expansion(state: Mapping[str, Tensor], size: int) -> None:
    """Raise a `ValueError` if tensors are larger than their file: with strides of 0, or sharing memory."""
    inside = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if inside > size:
        raise ValueError(f"it has {size} bytes, and its tensors {inside}")


def _check_shapes(state: Mapping[str, Tensor], build: Callable[[], nn.Module]) -> None:
    """Raise a `ValueError` unless the tensors fit a network, which is built on the meta device."""
    with torch.device("meta"):
        wanted = build().state_dict()
    for name, tensor in state.items():
        if name not in wanted or tensor.shape != wanted[name].shape:
            shape = tuple(wanted[name].shape) if name in wanted else "no such tensor"
            raise ValueError(f"{name!r}: got shape {tuple(tensor.shape)}, wants {shape}")


def _initialized(build: Callable[[], Net], seed: int) -> Net:
    """Build a network with the paper's initial weights, leaving the global random state alone."""
    seed = check_whole("seed", seed, 0, _MOST_SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _built(build)
        for module in net.modules():
            if isinstance(module, nn.Conv2d) or (isinstance(net, MLP) and isinstance(module, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=1e-3)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(net.get_parameter("linear.weight"), std=1e-3)
    return net


def _built(build: Callable[[], Net]) -> Net:
    try:
        return build()
    except (RuntimeError, MemoryError, OverflowError) as error:  # torch's word for "out of memory", among others
        raise ValueError(
            f"a network of this width, image size and number of channels and classes is too large ({error})"
        ) from error


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        check_whole(name, count, 1, _MOST_COUNT)


def _check_switch(name: str, value: object) -> None:
    check_kind(name, value, (bool, np.bool_), "True or False")


def _channels(full: int, width: object) -> int:
    """The number of channels at this width, given that at width 1."""
    if (
        isinstance(width, bool)
        or not isinstance(width, int | float)
        or not (0 < width < math.inf and 1 <= round(full * width) <= _MOST_COUNT)
    ):
        raise ValueError(f"width: got {width!r}, wants a positive factor of the {full} channels")
    return round(full * width)


def _listed(name: str, counts: object) -> dict[str, int]:
    """Counts by the names that messages call them by."""
    if isinstance(counts, str) or not isinstance(counts, Sequence):
        raise TypeError(f"{name}: got {counts!r}, wants a list or tuple of whole numbers")
    return {f"{name}[{i}]": count for i, count in enumerate(counts)}


def _sides(image_size: int | tuple[int, int]) -> tuple[int, int]:
    sides = tuple(image_size) if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(sides) != 2 or not all(isinstance(side, int) and _SMALLEST_IMAGE <= side <= _MOST_COUNT for side in sides):
        raise ValueError(f"image_size: got {image_size!r}, wants a side or (height, width) from {_SMALLEST_IMAGE} up")
    return sides
