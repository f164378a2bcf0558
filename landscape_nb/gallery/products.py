"""How each product of a job is computed: from a job to a Dataset, with this library's public functions."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
import xarray as xr

from landscape_nb._common.schema import (
    DIMS,
    EPOCH,
    INTERRUPTED,
    LAMBDA_MAX,
    LAMBDA_MIN,
    LOSS_ERROR,
    MEASURED,
    NORMALIZATION,
    RATIO,
    RESIDUAL,
    SEED,
    STOPPED,
)
from landscape_nb.gallery.results import (
    build_network,
    rounded,
    write_network,
)
from landscape_nb.gallery.work import BATCH, Work
from landscape_nb.hessian import curvature_map
from landscape_nb.objective import Objective, accuracy
from landscape_nb.surfaces import evaluate_line, interpolate, progressive_plane
from landscape_nb.surfaces.store import RefusedStoreError
from landscape_nb.trajectories import pca_directions, plane_gap, project
from landscape_nb.weights import norm, parameters_of, random_directions, towards

_MAP_TOLERANCE = 0.05
_MARGIN = 0.15
_PATH_ERROR = 0.05
_BINS = np.linspace(-1, 1, 201)


def _training(work: Work) -> xr.Dataset:
    """The network itself (its file is written here), its history, its errors on all images, its weights' sizes."""
    run, data = work.run, work.training_data
    model = rounded(run.model)
    write_network(work.job, model, work.folder, work.attrs())
    values = {name: (EPOCH, np.asarray(numbers)) for name, numbers in run.history.items()}
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).clamp(-1, 1).cpu().numpy()
    values["weights"] = ("bin", np.histogram(weights, _BINS)[0])
    coords = {EPOCH: np.arange(1, work.training.epochs + 1), "bin": (_BINS[:-1] + _BINS[1:]) / 2}
    more = {"metrics": {"accuracy": accuracy}, "extra_data": {"test": data.test}}
    final = Objective(model, data, batch_size=BATCH, **more)()
    attrs = {f"final_{name}": value for name, value in final.items()}
    start = parameters_of(build_network(work.job, work.data.shape))
    return xr.Dataset(values, coords, attrs | {"initial_norm": norm(start), SEED: work.training.seed})


def _lines(work: Work, normalize: str = "filter") -> xr.Dataset:
    """Loss and accuracy, of training and test images, along random directions."""
    (direction,) = work.directions(count=1, normalize=normalize)
    draws, points = work.scale.draws, work.scale.line
    objective = work.objective(tested=True)
    how = {"repeats": draws, "store": work.store(objective), **work.shown}
    return evaluate_line(objective, direction, (-1, 1), points, **how)


def _plane(work: Work, seed: int = 0) -> xr.Dataset:
    """The loss on a plane, to an error of 0.02 of its decimal logarithm."""
    objective = work.objective()
    how = {"store": work.store(objective), **work.shown}
    plane = _whole(progressive_plane(objective, work.directions(seed), (-1, 1), work.scale.plane, **how))
    return plane.assign_attrs(seed=seed, origin_loss=objective()["loss"])


def _whole(planes: Iterator[xr.Dataset]) -> xr.Dataset:
    """The last of a plane's refinements. It ends early when it is interrupted; a part is not a result."""
    *_, plane = planes
    if plane.attrs[STOPPED] == INTERRUPTED:
        raise KeyboardInterrupt
    return plane[["loss", LOSS_ERROR, MEASURED]]


def _path(work: Work) -> xr.Dataset:
    """The run in the plane of its two principal components, and how far from it."""
    pca = pca_directions(work.run, 2)
    path = plane_gap(work.objective(model=work.run.model), work.run, pca.directions, pca.origin)
    return path.assign_attrs(shares=[float(share) for share in pca.explained_variance_ratio])


def _path_plane(work: Work) -> xr.Dataset:
    """The loss on the plane of the run's two principal components."""
    pca = pca_directions(work.run, 2)
    path = project(work.run, pca.directions, pca.origin)
    extent = [_wider(path[name].values) for name in DIMS]
    objective = work.objective(model=work.run.model)
    how = {"origin": pca.origin, "store": work.store(objective), **work.shown}
    return _whole(progressive_plane(objective, pca.directions, extent, work.scale.plane, _PATH_ERROR, **how))


def _random_paths(work: Work) -> xr.Dataset:
    """The run in two random directions; and along the way from its start to its end, with a random direction."""
    start, *_, end = work.run.points
    first, second = random_directions(work.run.model, 2, normalize="filter", seed=0)
    planes = {"random": (first, second), "mixed": (towards(start, end), first)}
    found = {name: project(work.run, pair, end) for name, pair in planes.items()}
    coords = {EPOCH: found["random"][EPOCH].values}
    values = {f"{name}_{part}": (EPOCH, path[part].values) for name, path in found.items() for part in DIMS}
    return xr.Dataset(values, coords, {"drops": work.run.lr_drops, NORMALIZATION: "filter", SEED: 0})


def _between(work: Work, statistics: str) -> xr.Dataset:
    """Loss and accuracy on the way from one network to another."""
    start, end = work.end(0), work.end(1)
    objective = work.objective(tested=True, model=start)
    how = {"store": work.store(objective, end), **work.shown}
    return interpolate(objective, start, end, (-0.5, 1.5), work.scale.between, statistics, **how)


def _map(work: Work, points: int, images: int, sample: int = 0) -> xr.Dataset:
    """Both ends of the Hessian's spectrum over a plane; of another sample of images to learn what that changes."""
    objective = work.objective(images, sample=sample)
    found = curvature_map(
        objective,
        work.directions(),
        resolution=points,
        tolerance=_MAP_TOLERANCE,
        store=work.store(objective),
        **work.shown,
    )
    values = found[[LAMBDA_MIN, LAMBDA_MAX, RATIO, RESIDUAL]]
    values.attrs |= {"products": int(found.products.sum()), "seed": 0, "sample": sample}
    return values.assign_attrs(origin_loss=objective()["loss"])


PRODUCTS: dict[str, Callable[..., xr.Dataset]] = {
    "training": _training,
    "lines": _lines,
    "lines-layer": lambda work: _lines(work, "layer"),
    "plane": _plane,
    "path": _path,
    "path-plane": _path_plane,
    "random-paths": _random_paths,
    "between": _between,
    "map": _map,
}
"""By their names without a number, the functions that compute products."""


def compute(work: Work, product: str) -> xr.Dataset:
    """Compute a product of a job.

    Args:
        work: The job.
        product: A name in `PRODUCTS`, and what follows it: `'plane-3'` is the plane of seed 3, `'map-5-100'` a map
            of 5 × 5 points on 100 images, `'map-5-100-1'` one on the next 100, `'between-frozen'` a line with frozen
            statistics.

    Returns:
        The product, with what it was made from in its attributes.
    """
    began = time.perf_counter()
    work.product = product
    try:
        found = _computed(work)
    except RefusedStoreError:  # made by another engine or version, or damaged: what was kept is given up
        work.drop_stores()
        found = _computed(work)
    return found.assign_attrs(work.attrs() | {"computed_in_seconds": round(time.perf_counter() - began, 1)})


def _computed(work: Work) -> xr.Dataset:
    if work.product in PRODUCTS:
        return PRODUCTS[work.product](work)
    kind, *more = work.product.split("-")
    return PRODUCTS[kind](work, *(int(part) if part.isdecimal() else part for part in more))


def _wider(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)
