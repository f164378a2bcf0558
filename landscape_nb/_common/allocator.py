"""Freed memory that the C library keeps for later, and returns to the system when it is told to."""

import ctypes
import sys


def give_back() -> None:
    """Return freed memory to the operating system.

    glibc keeps what was freed if something that lies above it on the heap is still in use.

    Example:
        >>> give_back()
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
