"""Sizes of a network: channels, classes, layers and images, checked under the names that callers know."""

import math
from collections.abc import Sequence

import numpy as np

from landscape_nb._common.checks import check_kind, check_whole

SMALLEST_IMAGE = 8
_MOST_COUNT = 2**31 - 1


def check_counts(**counts: int) -> None:
    """Raise a `ValueError` unless all are whole numbers from 1 up, of 31 bits.

    Example:
        >>> check_counts(channels=0)
        Traceback (most recent call last):
        ValueError: channels: got 0, wants a whole number from 1 up
    """
    for name, count in counts.items():
        check_whole(name, count, 1, _MOST_COUNT)


def check_switch(name: str, value: object) -> None:
    """Raise a `TypeError` unless this is True or False.

    Example:
        >>> check_switch("shortcuts", "no")
        Traceback (most recent call last):
        TypeError: shortcuts: got str, wants True or False
    """
    check_kind(name, value, (bool, np.bool_), "True or False")


def channels_at(full: int, width: object) -> int:
    """The number of channels at this width, given that at width 1.

    Raises:
        ValueError: A width that is not a positive number, or leaves no channel.

    Example:
        >>> channels_at(16, 0.25)
        4
    """
    if (
        isinstance(width, bool)
        or not isinstance(width, int | float)
        or not (0 < width < math.inf and 1 <= round(full * width) <= _MOST_COUNT)
    ):
        raise ValueError(f"width: got {width!r}, wants a positive factor of the {full} channels")
    return round(full * width)


def counts_by_name(name: str, counts: object) -> dict[str, int]:
    """Counts by the names that messages call them by.

    Raises:
        TypeError: Counts that are not a list or tuple.

    Example:
        >>> counts_by_name("hidden", (8, 4))
        {'hidden[0]': 8, 'hidden[1]': 4}
    """
    if isinstance(counts, str) or not isinstance(counts, Sequence):
        raise TypeError(f"{name}: got {counts!r}, wants a list or tuple of whole numbers")
    return {f"{name}[{i}]": count for i, count in enumerate(counts)}


def sides_of(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """The height and width of images of a size.

    Raises:
        ValueError: A size that is neither a side nor (height, width), or below 8.

    Example:
        >>> sides_of(8)
        (8, 8)
    """
    sides = tuple(image_size) if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(sides) != 2 or not all(isinstance(side, int) and SMALLEST_IMAGE <= side <= _MOST_COUNT for side in sides):
        raise ValueError(f"image_size: got {image_size!r}, wants a side or (height, width) from {SMALLEST_IMAGE} up")
    return sides
