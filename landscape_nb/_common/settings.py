"""What environment variables decide; no other module reads those named `LANDSCAPE_NB_*`.

==========================  ====================================================  ============================
variable                    what it decides                                       where it is not set, or empty
==========================  ====================================================  ============================
`LANDSCAPE_NB_DATA`         where data files are looked for and downloaded to     in the user's cache directory
`LANDSCAPE_NB_CACHE`        where trained networks are kept                       in the user's cache directory
`LANDSCAPE_NB_GALLERY`      where results of `landscape-nb gallery build` are     in the user's cache directory
                            kept
`LANDSCAPE_NB_ENGINE`       `plain`: values come from the model's own forward     `auto`: the fastest engine
                            pass                                                  that gives the same values
`LANDSCAPE_NB_ISA`          `avx2`: compiled convolutions use no newer            all that the processor has
                            instructions; `none`: torch computes all convolutions;
                            what it says at the first use counts to the end of
                            the process
`LANDSCAPE_NB_SEED`         the seed of a notebook's experiments                  0
`LANDSCAPE_NB_LEDGER`       the file that notebooks append their claims to        none
`LANDSCAPE_NB_STRICT`       `1`: what goes wrong is an error where a class would  `0`: a message, or
                            see a message (claims, sliders) or a slower way       the slower way
                            would hide it (a fault of an engine)
`LANDSCAPE_NB_PLAYERS`      `1`: a slider's output holds pictures of all its      `0`: of the first setting only
                            settings, for a page that needs no kernel
==========================  ====================================================  ============================
"""

import os
from pathlib import Path

from platformdirs import user_cache_path

from landscape_nb._common.checks import check_choice
from landscape_nb._common.paths import local_path

LEDGER_VARIABLE = "LANDSCAPE_NB_LEDGER"
SEED_VARIABLE = "LANDSCAPE_NB_SEED"
PLAYERS_VARIABLE = "LANDSCAPE_NB_PLAYERS"
_APP = "landscape-nb"


def data() -> Path:
    """Where data files are looked for and downloaded to: `LANDSCAPE_NB_DATA`.

    Raises:
        ValueError: The variable is not a path on this machine, such as a URL.

    Example:
        >>> data().is_absolute()
        True
    """
    return _directory("LANDSCAPE_NB_DATA", "data")


def cache() -> Path:
    """Where trained networks are kept: `LANDSCAPE_NB_CACHE`.

    Raises:
        ValueError: The variable is not a path on this machine, such as a URL.

    Example:
        >>> cache().is_absolute()
        True
    """
    return _directory("LANDSCAPE_NB_CACHE", "trained")


def gallery() -> Path:
    """Where results at the paper's scale are kept: `LANDSCAPE_NB_GALLERY`.

    Raises:
        ValueError: The variable is not a path on this machine, such as a URL.

    Example:
        >>> gallery().is_absolute()
        True
    """
    return _directory("LANDSCAPE_NB_GALLERY", "gallery")


def engine() -> str:
    """How values are computed where the caller does not say: `LANDSCAPE_NB_ENGINE`.

    Returns:
        `'auto'` (the fastest engine that gives the same values) or `'plain'` (the model's own forward pass).

    Raises:
        ValueError: The variable has another value.

    Example:
        >>> engine() in ("auto", "plain")
        True
    """
    return _choice("LANDSCAPE_NB_ENGINE", ("", "auto", "plain")) or "auto"


def allowed_isa() -> str:
    """Which of a processor's instructions our machine code may use: `LANDSCAPE_NB_ISA`.

    `avx2` is what most laptops have: it makes a processor with AVX-512 compute as they do. `none` leaves all
    convolutions to torch. oneDNN, which torch convolves with, is limited by `ONEDNN_MAX_CPU_ISA`. What is compiled
    stays, so a process keeps to what the variable said at its first use: set it before Python starts.

    Returns:
        `'avx2'`, `'none'`, or `''` for everything that the processor has.

    Raises:
        ValueError: The variable has another value.

    Example:
        >>> allowed_isa() in ("", "avx2", "none")
        True
    """
    return _choice("LANDSCAPE_NB_ISA", ("", "avx2", "none"))


def seed() -> int:
    """The seed of a notebook's experiments: `LANDSCAPE_NB_SEED`; default 0.

    Raises:
        ValueError: The variable is not a whole number from 0 up.

    Example:
        >>> seed() >= 0
        True
    """
    text = _read(SEED_VARIABLE) or "0"
    if not text.isdecimal():
        raise ValueError(f"{SEED_VARIABLE}: got {text!r}, wants a whole number from 0 up")
    return int(text)


def ledger() -> Path | None:
    """The file that claims are appended to, or None: `LANDSCAPE_NB_LEDGER`.

    Example:
        >>> ledger() is None or ledger().name != ""
        True
    """
    name = _read(LEDGER_VARIABLE)
    return Path(name) if name else None


def strict() -> bool:
    """Whether errors are raised where a class would see a friendly message: `LANDSCAPE_NB_STRICT`.

    Example:
        >>> isinstance(strict(), bool)
        True
    """
    return _read("LANDSCAPE_NB_STRICT") not in ("", "0")


def players() -> bool:
    """Whether sliders come with pictures of all their settings, for pages without a kernel: `LANDSCAPE_NB_PLAYERS`.

    Example:
        >>> isinstance(players(), bool)
        True
    """
    return _read(PLAYERS_VARIABLE) not in ("", "0")


def _read(variable: str) -> str:
    return os.environ.get(variable, "")


def _directory(variable: str, below_cache: str) -> Path:
    named = _read(variable)
    return local_path(variable, named) if named else user_cache_path(_APP) / below_cache


def _choice(variable: str, choices: tuple[str, ...]) -> str:
    value = _read(variable)
    check_choice(variable, value, choices)
    return value
