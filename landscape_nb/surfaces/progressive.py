"""A plane that is there at once and gets better: coarse to fine in its grid, and in its data.

On a smooth plane the grid saves time: most points are interpolated, and measured only where that would be
wrong. On a rough one the data do: no point takes more samples than its error bar needs.
"""

import time
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr

from landscape_nb._common.checks import check_kind, check_pathlike, check_positive, check_whole
from landscape_nb._common.progress import progress_bar
from landscape_nb._common.provenance import ran_since
from landscape_nb._common.schema import ENGINE, INTERRUPTED, ROUNDED, STOPPED
from landscape_nb.engines import one_by_one
from landscape_nb.objective.objective import Objective
from landscape_nb.surfaces.frame import Frame
from landscape_nb.surfaces.grid import Extent, Resolution
from landscape_nb.surfaces.kept_estimates import KeptEstimates
from landscape_nb.surfaces.refinement import Refinement
from landscape_nb.surfaces.subsample import Sampler
from landscape_nb.weights.params import Params

_NOISE = 0.7


def progressive_plane(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent = (-1, 1),
    resolution: Resolution = 51,
    error: float = 0.02,
    seconds: float | None = None,
    origin: Params | None = None,
    seed: int = 0,
    store: str | PathLike[str] | None = None,
    progress: bool = True,
    engine: str = "auto",
) -> Iterator[xr.Dataset]:
    """Measure a plane from coarse to fine, yielding all of it again and again until it is good enough.

    Every yield is a whole plane, for any function that draws planes: some points are measured, the others
    interpolated. Measured next are the points where interpolation is probably most wrong and, for a fair
    estimate of the error, some points at random. A point takes as many samples as bring the standard
    deviation of its log₁₀(loss) down to 0.7 · `error`; most take far fewer than there are.

    Args:
        objective: What is measured, on its own data, not on its extra data.
        directions: Two directions, keyed like `objective.origin`.
        extent: The first and last coordinate, one pair for both axes or one pair each.
        resolution: The number of points along an axis, one for both or one each.
        error: The root mean square, over the grid, of the error of log₁₀(loss) against the plane on all
            samples at all points, at which to stop. Where a loss is not positive, the error is that of
            the loss, divided by the range of losses on the first, coarse grid.
        seconds: A time budget; None means no limit. A point that is begun is finished, so it may take a little longer.
        origin: The point at (0, 0); default the objective's.
        seed: Seed of the order of samples and of the points at random.
        store: A Zarr path that keeps measured points; the same call goes on from there.
        progress: Whether to show a progress bar, of measured points.
        engine: `'auto'`, the fastest way that is seen to give the same values, or `'plain'`, calls of the model.

    Yields:
        `loss` and every metric over `alpha` and `beta`, as `evaluate_plane` returns them, with
        `..._stderr`; and `measured` (False: interpolated), `samples` (how many samples a point took) and
        `loss_error` (the estimated error, as for `error`). In `attrs`, besides the provenance:
        `estimated_error`, `evaluations` (samples · points so far), `seconds`, `remaining_seconds`
        (an estimate; NaN at first) and `stopped`: `''`, or at the last yield why: `'error'`,
        `'seconds'`, `'interrupted'` (Ctrl-C, which ends the iteration with what there is) or
        `'complete'` (all points are measured).

    Raises:
        TypeError: `objective` is not an `Objective`, `directions` are not a list of dicts of tensors, `store` is not a
            path, or `progress` is not True or False.
        ValueError: A bad extent, resolution, error or time budget, directions that are not two or do
            not fit the model, or a store that is damaged or was made from something else.
        OSError: The store cannot be read or written.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (torch.eye(2), torch.ones(2, 1)), torch.nn.functional.mse_loss)
        >>> origin, d1, d2 = ({"weight": torch.tensor([w])} for w in ([0.0, 0.0], [1.0, 0.0], [0.0, 2.0]))
        >>> *_, plane = progressive_plane(objective, (d1, d2), resolution=31, origin=origin, progress=False)
        >>> plane.attrs["stopped"], bool(plane.measured.mean() < 0.5)
        ('error', True)

    Source: For planes as in Figures 1 and 5 of Li et al. (2018); the refinement is our own.
    """
    check_positive("error", error)
    error = float(error)
    seed = check_whole("seed", seed, 0)
    check_kind("progress", progress, bool, "True or False")
    if seconds is not None:
        check_positive("seconds", seconds)
    if store is not None:
        check_pathlike("store", store)
    frame = Frame.plane(objective, directions, extent, resolution, origin)
    chosen = one_by_one(frame.objective, frame.affine(), engine=engine)
    sampler = Sampler(chosen.evaluator, seed)
    attrs = frame.describe() | {ENGINE: str(chosen.description), "error": error, "sampling_seed": seed}
    job = {name: value for name, value in attrs.items() if name not in ROUNDED}
    job["axes"] = {name: axis.tolist() for name, axis in frame.axes.items()}
    kept = KeptEstimates(store, frame.axes, sampler.names, job)
    return _refined(frame, sampler, kept, attrs, seconds or np.inf, progress)


def _refined(
    frame: Frame, sampler: Sampler, kept: KeptEstimates, attrs: dict[str, Any], seconds: float, progress: bool
) -> Iterator[xr.Dataset]:
    began = time.perf_counter()
    affine, error = frame.affine(), attrs["error"]
    plane = Refinement(frame.axes, sampler.names, error, attrs["sampling_seed"])
    stopped = ""
    with progress_bar(plane.size, progress) as bar:
        while not stopped:
            try:
                for number in plane.next_points():
                    if number not in kept:
                        kept[number] = sampler(affine(*plane.coords(number)), _NOISE * error * np.log(10))
                    plane.add(number, kept[number])
                    bar.update()
                    if time.perf_counter() - began > seconds:
                        stopped = "seconds"
                        break
                plane.interpolate()
            except KeyboardInterrupt:
                if not plane.estimates:
                    raise
                stopped = INTERRUPTED
                plane.interpolate()
            stopped = stopped or plane.finished()
            spent = time.perf_counter() - began
            yield plane.dataset(attrs | ran_since(began) | {STOPPED: stopped} | plane.account(spent))
