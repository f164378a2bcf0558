"""Where tensors may lie."""

from typing import Any

import torch

from landscape_nb._common.checks import check_kind


def find_device(device: Any) -> torch.device:
    """The device that an argument names, if this machine has it.

    Raises:
        TypeError: It is not the name of a device.
        ValueError: The device is unknown, or not on this machine.

    Example:
        >>> find_device("gpu")
        Traceback (most recent call last):
        ValueError: device: got 'gpu', wants 'cpu', or 'cuda' or 'mps' where there is one
    """
    check_kind("device", device, (str, int, torch.device), "a device's name, such as 'cpu', or a torch.device")
    try:
        found = torch.empty(1, device=device)
        found.cpu()
        return found.device
    except (RuntimeError, AssertionError):
        wants = "'cpu', or 'cuda' or 'mps' where there is one"
        raise ValueError(f"device: got {str(device)!r}, wants {wants}") from None
