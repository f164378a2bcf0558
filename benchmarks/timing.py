"""Rounds of rivals in turn, so that a slow minute of the machine hits all of them."""

import time
from collections.abc import Callable, Mapping


def fastest(rivals: Mapping[str, Callable[[], object]], rounds: int, seconds: float = 120) -> dict[str, float]:
    """The shortest time of each rival, in seconds, over rounds in which each runs once.

    Args:
        rivals: What to run, by name; each runs once more before, untimed.
        rounds: How many rounds at most.
        seconds: No round starts after so long, but three do in any case.
    """
    for run in rivals.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    began = time.perf_counter()
    for number in range(rounds):
        if number >= 3 and time.perf_counter() - began > seconds:
            break
        for name, run in rivals.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: min(measured) for name, measured in times.items()}
