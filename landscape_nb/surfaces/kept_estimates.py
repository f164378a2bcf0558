"""Estimates at a grid's points, kept in a Zarr store while a plane is refined."""

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np

from landscape_nb._common.schema import LOSS_ERROR, SAMPLES, STDERR, Values
from landscape_nb.surfaces.grid import Axes, Grid
from landscape_nb.surfaces.store import Store
from landscape_nb.surfaces.subsample import Estimate


class KeptEstimates:
    """What is known of points, by their numbers on a grid; with a store, also of those that an earlier call measured.

    Args:
        store: The store's path; None keeps estimates in memory.
        axes: Coordinates of each dimension.
        names: What is estimated: the loss and metrics.
        job: What determines the estimates; a store made from something else is refused.

    Raises:
        TypeError: The store is not a path.
        ValueError: The store was made from something else, or is damaged.
        OSError: The store cannot be read or written.

    Example:
        >>> kept = KeptEstimates(None, {"alpha": np.arange(3.0)}, ["loss"], {})
        >>> kept[1] = Estimate({"loss": 0.5}, {"loss": 0.1}, 0.0, 100)
        >>> 1 in kept, kept[1].samples, 2 in kept
        (True, 100, False)
    """

    def __init__(self, store: str | PathLike[str] | None, axes: Axes, names: Sequence[str], job: Mapping[str, object]):
        self.names = list(names)
        columns = [*self.names, *(name + STDERR for name in self.names), LOSS_ERROR, SAMPLES]
        self.store = None if store is None else Store(store, Grid(axes, 1), columns, job)
        found = self.store.read() if self.store else {}
        self.found = {number: self._estimate(values) for number, values in found.items()}

    def __contains__(self, number: int) -> bool:
        return number in self.found

    def __getitem__(self, number: int) -> Estimate:
        return self.found[number]

    def __setitem__(self, number: int, estimate: Estimate) -> None:
        self.found[number] = estimate
        if self.store:
            self.store.write(number, self._columns(estimate))

    def _columns(self, estimate: Estimate) -> Values:
        stderrs = {name + STDERR: value for name, value in estimate.stderrs.items()}
        values = {**estimate.means, **stderrs, LOSS_ERROR: estimate.error, SAMPLES: estimate.samples}
        return {name: np.array([value], dtype=float) for name, value in values.items()}

    def _estimate(self, values: Values) -> Estimate:
        means = {name: float(values[name][0]) for name in self.names}
        stderrs = {name: float(values[name + STDERR][0]) for name in self.names}
        return Estimate(means, stderrs, float(values[LOSS_ERROR][0]), int(values[SAMPLES][0]))
