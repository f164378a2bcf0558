"""Checks of arguments: an error names the argument, what it got and what it wants."""

from collections.abc import Iterable
from os import PathLike
from typing import Any, TypeGuard

import numpy as np

_MOST = 2**31 - 1
_MOST_SEED = 2**63 - 1


def check_whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """The argument as an int; a `ValueError` unless it is a whole number from `least` up (to `most`).

    Without `most` it may have 31 bits, and a seed 63: NumPy and torch do not convert larger ones.

    Example:
        >>> check_whole("seed", np.int64(3), 0)
        3
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: got {value!r}, wants a whole number from {least} up")
    most = (_MOST_SEED if name == "seed" else _MOST) if most is None else most
    if value > most:
        raise ValueError(f"{name}: got {value!r}, wants a whole number from {least} to {most}")
    return int(value)


def check_positive(name: str, value: object, or_zero: bool = False) -> None:
    """Raise a `ValueError` unless the argument is a positive, finite number (or 0, where that is allowed).

    Example:
        >>> check_positive("tolerance", 0)
        Traceback (most recent call last):
        ValueError: tolerance: got 0, wants a positive number
    """
    if not _is_number(value) or not 0 <= value < np.inf or not (value or or_zero):
        raise ValueError(f"{name}: got {value!r}, wants {'0 or ' * or_zero}a positive number")
    _check_convertible(name, value)


def check_fraction(name: str, value: object, or_zero: bool = False) -> None:
    """Raise a `ValueError` unless the argument is a number between 0 and 1 (or 0, where that is allowed).

    Example:
        >>> check_fraction("momentum", 1.0, or_zero=True)
        Traceback (most recent call last):
        ValueError: momentum: got 1.0, wants 0 or a number between 0 and 1
    """
    if not _is_number(value) or not 0 <= value < 1 or not (value or or_zero):
        raise ValueError(f"{name}: got {value!r}, wants {'0 or ' * or_zero}a number between 0 and 1")


def check_number(name: str, value: Any) -> float:
    """The argument as a float; an error unless it is a real number (infinity and NaN are allowed).

    Raises:
        TypeError: It is not a real number.
        ValueError: It is an int that does not fit 64 bits.

    Example:
        >>> check_number("factor", 10**30)
        Traceback (most recent call last):
        ValueError: factor: got 1000000000000000000000000000000, wants a float instead of so large an int
    """
    check_kind(name, value, (int, float, np.integer, np.floating), "a number")
    _check_convertible(name, value)
    return float(value)


def _check_convertible(name: str, value: object) -> None:
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{name}: got {value!r}, wants a float instead of so large an int")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise a `ValueError` unless the argument is one of the choices.

    Example:
        >>> check_choice("center", "first", ("final", "mean"))
        Traceback (most recent call last):
        ValueError: center: got 'first', wants one of 'final', 'mean'
    """
    choices = list(choices)
    # The kind first: `==` of an array or a tensor compares entry by entry, which is neither true nor false.
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise ValueError(f"{name}: got {value!r}, wants one of {', '.join(map(repr, choices))}")


def check_pathlike(name: str, value: object) -> None:
    """Raise a `TypeError` unless the argument names a file or folder.

    Example:
        >>> check_pathlike("store", 3)
        Traceback (most recent call last):
        TypeError: store: got int, wants a path: text or a pathlib.Path
    """
    check_kind(name, value, (str, PathLike), "a path: text or a pathlib.Path")


def check_kind(name: str, value: object, kind: type | tuple[type, ...], wants: str) -> None:
    """Raise a `TypeError` unless the argument is of that kind.

    Example:
        >>> check_kind("levels", 3, (list, tuple), "a list")
        Traceback (most recent call last):
        TypeError: levels: got int, wants a list
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: got {type(value).__name__}, wants {wants}")
