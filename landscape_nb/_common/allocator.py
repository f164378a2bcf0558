"""Memory that the C library keeps for later, and gives back when it is told to."""

import ctypes
import sys


def give_back() -> None:
    """Have the C library give the system what has been freed; glibc keeps it, below what is still in use.

    Example:
        >>> give_back()
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
