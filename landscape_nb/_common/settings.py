"""Which of a processor's instructions our machine code may use."""

import os

from landscape_nb._common.checks import check_choice

_VARIABLE = "LANDSCAPE_NB_ISA"


def allowed_isa() -> str:
    """What the environment variable `LANDSCAPE_NB_ISA` allows to the convolutions that are compiled here.

    `avx2` is what most laptops have: it makes a processor with AVX-512 compute as they do. `none` leaves all
    convolutions to torch. oneDNN, which torch convolves with, is limited by `ONEDNN_MAX_CPU_ISA`.

    Returns:
        `'avx2'`, `'none'`, or `''` for everything that the processor has.

    Raises:
        ValueError: The variable has another value.

    Example:
        >>> allowed_isa() in ("", "avx2", "none")
        True
    """
    isa = os.environ.get(_VARIABLE, "")
    check_choice(_VARIABLE, isa, ("", "avx2", "none"))
    return isa


def strict() -> bool:
    """Whether errors that a class would see as words, or not at all, are raised (`LANDSCAPE_NB_STRICT=1`).

    Example:
        >>> strict() in (True, False)
        True
    """
    return os.environ.get("LANDSCAPE_NB_STRICT", "") not in ("", "0")
