"""Which points of a plane to measure next, from coarse to fine, and how wrong the others are that are interpolated."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from landscape_nb._common.schema import ALPHA, BETA, DIMS, LOSS_ERROR, MEASURED, SAMPLES, STDERR
from landscape_nb.surfaces.grid import Axes
from landscape_nb.surfaces.rbf import interpolate_scattered, neighbour_tree, spread_out
from landscape_nb.surfaces.subsample import Estimate

_FIRST_CELLS = 6
_GROWTH = 0.15
_LEAST_NEW = 40
_SHARE_AT_RANDOM = 0.4
_ROUNDS_REMEMBERED = 3
_LEAST_AT_RANDOM = 48
_NEARBY = 8
_CAUTION = 0.8
_LEAST_TO_INTERPOLATE = 9


class Refinement:
    """What is measured of a plane so far, what that says about the other points, and what to measure next.

    A grid point goes by its number (row · columns + column) or by its index (row, column); distances are in grid steps.

    Args:
        axes: The coordinates along both directions, by dimension.
        names: What is measured; the first is what the grid is refined for, such as the loss.
        error: The error at which to stop.
        seed: Seed of the points at random.
        unit: Errors are those of the value in this unit; None means of its decimal logarithm, or, where a value is
            not positive, of the value in the range of the first, coarse grid.
    """

    def __init__(self, axes: Axes, names: Sequence[str], error: float, seed: int, unit: float | None = None):
        self.axes, self.names, self.error = axes, names, error
        self.refined, self.range, self.linear = names[0], unit, unit is not None
        self.shape = len(axes[ALPHA]), len(axes[BETA])
        self.size = self.shape[0] * self.shape[1]
        self.indices = np.stack(np.unravel_index(np.arange(self.size), self.shape), 1).astype(float)
        self.rng = np.random.default_rng(seed)
        self.estimates: dict[int, Estimate] = {}
        self.at_random: list[int] = []
        self.comparisons: list[tuple[np.ndarray, np.ndarray]] = []
        self.history: list[tuple[int, float]] = []

    def coords(self, number: int) -> tuple[float, float]:
        """α and β of a grid point."""
        alphas, betas = self.axes.values()
        row, column = divmod(number, self.shape[1])
        return float(alphas[row]), float(betas[column])

    def add(self, number: int, estimate: Estimate) -> None:
        """Add what was measured at a grid point."""
        self.estimates[number] = estimate

    def next_points(self) -> list[int]:
        """Grid points to measure: a coarse grid first, then the worst interpolated ones and some at random."""
        if not self.estimates:
            ticks = [sorted({*range(0, n, max(1, (n - 1) // _FIRST_CELLS)), n - 1}) for n in self.shape]
            return [row * self.shape[1] + column for row in ticks[0] for column in ticks[1]]
        # The worst points alone would not do: where the interpolant is wrong and does not know it (a narrow ravine
        # between measured points), nothing would ever look. Points at random do, and they are a nearly fair sample of
        # the error (the worst are taken out before): at the worst points it is large by choice. The worst are kept
        # apart from each other, for the first that is measured changes what is known of its surroundings.
        count = max(_LEAST_NEW, int(_GROWTH * len(self.estimates)))
        free = np.flatnonzero(~self.measured)
        order = free[np.argsort(-self.errors[free], kind="stable")]
        worst, taken = spread_out(order, self.shape, self.away[order], round((1 - _SHARE_AT_RANDOM) * count))
        rest = free[~taken[free]]
        self.at_random = self.rng.choice(rest, min(len(rest), count - len(worst)), replace=False).tolist()
        return worst + self.at_random

    @property
    def measured(self) -> Bool[np.ndarray, "n"]:
        """Which grid points are measured."""
        mask = np.zeros(self.size, bool)
        mask[list(self.estimates)] = True
        return mask

    def interpolate(self) -> None:
        """Fill the grid from the measured points, and estimate the error everywhere."""
        numbers, found = self._measured_values(self.refined)
        finite = found[np.isfinite(found)]
        positive = not self.linear and bool((finite > 0).all())
        if self.range is None:
            self.range = (float(np.ptp(finite)) or 1.0) if len(finite) else 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            self.height = np.log10 if positive else lambda values: values / self.range
            self.value_at = (lambda heights: 10.0**heights) if positive else lambda heights: heights * self.range
            heights = self.height(found)
        if self.at_random and all(n in self.estimates for n in self.at_random):
            self._compare(heights[np.searchsorted(numbers, self.at_random)])
        self._fill(numbers, heights, positive)
        self.history.append((len(numbers), self.estimated_error))

    def _fill(self, numbers: Int[np.ndarray, "n"], heights: Float[np.ndarray, "n"], positive: bool) -> None:
        finite = np.isfinite(heights)
        self.away, nearest = neighbour_tree(self.indices[numbers]).query(self.indices, min(_NEARBY, len(numbers)))
        surroundings = finite[nearest.reshape(self.size, -1)]
        self.away, self.nearest = self.away.reshape(self.size, -1)[:, 0], numbers[nearest.reshape(self.size, -1)[:, 0]]
        self.heights, self.scale = np.full(self.size, np.nan), np.zeros(self.size)
        if finite.sum() >= _LEAST_TO_INTERPOLATE:
            inside = surroundings[:, 0]
            found = interpolate_scattered(self.indices[numbers[finite]], heights[finite], self.indices[inside])
            self.heights[inside], self.scale[inside] = found.values, found.errors
        # Between finite and other values nothing can be interpolated: there an error of a factor of ten is assumed,
        # so that the border is measured first.
        rim = surroundings.any(1) & ~surroundings.all(1) & ~self.measured
        self.heights[numbers], self.scale[numbers] = heights, 0.0
        means = np.array([self.estimates[n].means[self.refined] for n in self.nearest.tolist()])
        relative = np.array([self.estimates[n].error for n in self.nearest.tolist()])
        noise = relative / np.log(10) if positive else relative * np.abs(means) / self.range
        self.errors = np.where(rim, 1.0, np.sqrt((self.factor * self.scale) ** 2 + np.nan_to_num(noise) ** 2))

    def _compare(self, heights: Float[np.ndarray, "m"]) -> None:
        """Compare what was predicted at the random points, before they were measured, with what was found there."""
        predicted, scale = self.heights[self.at_random], self.scale[self.at_random]
        known = np.isfinite(predicted) & np.isfinite(heights)
        pairs = (np.where(known, heights - predicted, 0.0) ** 2, np.where(known, scale, 0.0) ** 2)
        self.comparisons = [*self.comparisons, pairs][-_ROUNDS_REMEMBERED:]
        self.at_random = []

    # The interpolation says how its errors are spread over the grid, but only up to a factor. The random points tell
    # the factor: the root mean square of errors found there, over that of the scales predicted. From n points such a
    # ratio is known to within 1/√(2n) of itself (for Gaussian errors), and three such standard errors are added.
    # Only the last rounds count, for those before had a coarser grid. It fails where errors are far from Gaussian: one
    # narrow ravine that no random point has met raises nothing, and the estimate is too low.
    @property
    def factor(self) -> float:
        """How much larger errors are than the interpolation's scale of them, with a margin."""
        if not self.comparisons:
            return 1.0
        found, scale = (np.concatenate(parts) for parts in zip(*self.comparisons, strict=True))
        return float(np.sqrt(found.sum() / scale.sum()) * (1 + 3 / np.sqrt(2 * len(found)))) if scale.any() else 1.0

    @property
    def estimated_error(self) -> float:
        """The root mean square of the estimated errors over the grid."""
        return float(np.sqrt((self.errors**2).mean()))

    def finished(self) -> str:
        """Why to stop, or ''.

        Until enough random points have been measured, the error is not known. The estimate goes up and down from
        round to round, and the first one below the goal is likely one that happens to be low: so it has to be a
        fifth below.
        """
        if len(self.estimates) == self.size:
            return "complete"
        enough = sum(len(found) for found, _ in self.comparisons) >= _LEAST_AT_RANDOM
        return "error" if enough and self.estimated_error <= _CAUTION * self.error else ""

    def _measured_values(self, name: str) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        numbers = np.array(sorted(self.estimates))
        return numbers, np.array([self.estimates[n].means[name] for n in numbers.tolist()])

    def account(self, spent: float) -> dict[str, float]:
        """The costs so far, and the time that remains if the error goes on falling as in the last rounds.

        Errors of interpolation fall about as a power of the number of points. A round in which the estimate rose would
        give a power that never gets there: the slowest that is believed is the fourth root.
        """
        measured = len(self.estimates)
        then, was = self.history[max(0, len(self.history) - 1 - _ROUNDS_REMEMBERED)]
        remaining = np.nan
        if self.finished():
            remaining = 0.0
        elif measured > then and min(was, self.estimated_error) > 0:
            rate = min(-0.25, np.log(self.estimated_error / was) / np.log(measured / then))
            needed = min(self.size, measured * (_CAUTION * self.error / self.estimated_error) ** (1 / rate))
            remaining = (needed - measured) * spent / measured
        return {
            "estimated_error": self.estimated_error,
            "evaluations": sum(estimate.samples for estimate in self.estimates.values()),
            "seconds": spent,
            "remaining_seconds": float(remaining),
        }

    def dataset(self, attrs: dict) -> xr.Dataset:
        """The plane as it is now."""
        values = {name: self._whole(name) for name in self.names}
        stderrs = {
            name + STDERR: np.array([self.estimates[n].stderrs[name] for n in self.nearest.tolist()])
            for name in self.names
        }
        samples = np.array([self.estimates[n].samples if n in self.estimates else 0 for n in range(self.size)])
        columns = {**values, **stderrs, MEASURED: self.measured, SAMPLES: samples, LOSS_ERROR: self.errors}
        grids = {name: (DIMS, column.reshape(self.shape)) for name, column in columns.items()}
        return xr.Dataset(grids, dict(self.axes), attrs)

    def _whole(self, name: str) -> Float[np.ndarray, "n"]:
        numbers, values = self._measured_values(name)
        if name == self.refined:
            whole = self.value_at(self.heights)
        elif np.isfinite(values).sum() >= _LEAST_TO_INTERPOLATE:
            finite = np.isfinite(values)
            whole = interpolate_scattered(self.indices[numbers[finite]], values[finite], self.indices).values
        else:
            whole = np.full(self.size, np.nan)
        whole[numbers] = values
        return whole
