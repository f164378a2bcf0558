"""The random states of torch, NumPy and Python, left as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Leave the random states of torch, NumPy and Python as they were.

    Example:
        >>> before = torch.get_rng_state()
        >>> with preserved_rng():
        ...     _ = torch.rand(3)
        >>> bool((before == torch.get_rng_state()).all())
        True
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
        with torch.random.fork_rng(devices):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def random_states() -> tuple:
    """The random states of torch, NumPy and Python, to be compared: they differ after a number was drawn.

    Example:
        >>> with preserved_rng():
        ...     before = random_states()
        ...     _ = torch.rand(1)
        ...     random_states() == before
        False
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    tensors = [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]
    numpy_state: Any = np.random.get_state()  # noqa: NPY002
    _, keys, *rest = numpy_state
    return (*(state.numpy().tobytes() for state in tensors), keys.tobytes(), *rest, random.getstate())


def seed_everything(*entropy: int) -> None:
    """Seed torch, NumPy and Python from whole numbers.

    Example:
        >>> with preserved_rng():
        ...     seed_everything(0, 1)
        ...     first = torch.rand(1)
        ...     seed_everything(0, 1)
        ...     bool(torch.rand(1) == first)
        True
    """
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
