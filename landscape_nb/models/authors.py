"""The trained networks that the paper's authors released, read from their files."""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from landscape_nb._common.archives import check_archive
from landscape_nb._common.checks import check_choice, check_pathlike
from landscape_nb.models.residual import RESNET_DEPTHS, ResNet, resnet


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
    check_pathlike("path", path)
    if not Path(path).exists():
        raise FileNotFoundError(f"path: there is no file {path}")
    # `weights_only=True` keeps code out, but not sizes: a compressed archive, or tensors of stride 0, make gigabytes of
    # a kilobyte. Both are refused by comparing with the file's size, for a real checkpoint is as large as its tensors;
    # and the shapes are checked against a network on the meta device, without memory, before a real one is built. The
    # authors' files hold the state of a DataParallel wrapper, whose names begin with `module.`; despite their ending
    # they are not Lua Torch's format.
    try:
        size = check_archive(path)
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
