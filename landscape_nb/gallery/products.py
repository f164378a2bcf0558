"""How each product of a job is computed: from a job to a Dataset, with this library's public functions."""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from landscape_nb import datasets
from landscape_nb._common import settings
from landscape_nb._common.provenance import versions
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
from landscape_nb.gallery.jobs import SCALES, Job, Training, find_job
from landscape_nb.gallery.results import (
    NETWORK,
    build_network,
    network_attrs,
    path_of,
    read_network,
    rounded,
    write_network,
)
from landscape_nb.hessian import curvature_map
from landscape_nb.models import load_authors_checkpoint
from landscape_nb.objective import Objective, accuracy
from landscape_nb.surfaces import evaluate_line, interpolate, progressive_plane
from landscape_nb.trajectories import Trajectory, pca_directions, plane_gap, project, train
from landscape_nb.weights import Params, norm, parameters_of, random_directions, towards

IMAGES = "images"
_BATCH = 500
_MAP_TOLERANCE = 0.05
_MARGIN = 0.15
_PATH_ERROR = 0.05
_RELEASED = "github.com/tomgoldstein/loss-landscape (cifar10/trained_nets)"
_BINS = np.linspace(-1, 1, 201)
_KNOWN = {
    "254933ae4b83e114": "CIFAR-10 (JPEG q75)",
    "ff6e404109f26f73": "the first 4,000 CIFAR-10 training images, unchanged",
}
"""By fingerprint, image data that their name alone does not describe."""


class Work:
    """A job while it is computed: its data, training run and network, each made when it is first asked for.

    Args:
        job: The job.
        folder: Where its results are.
        device: Where to compute.
        progress: Whether to show progress bars.
    """

    def __init__(self, job: Job, folder: Path, device: str = "cpu", progress: bool = True):
        self.job, self.scale = job, SCALES[job.scale]
        self.folder, self.device, self.shown = folder, device, {"progress": progress}

    @cached_property
    def data(self) -> datasets.ImageData:
        """All images."""
        return _data(self.scale.data)

    @cached_property
    def training_data(self) -> datasets.ImageData:
        """The images that the network is trained on."""
        count = self.training.images
        return self.data if count is None else self.data.subset(count)

    @property
    def training(self) -> Training:
        """How the network is trained."""
        if self.job.training is None:
            raise ValueError(f"job: {self.job.name} has no training")
        return self.job.training

    @cached_property
    def run(self) -> Trajectory:
        """The training run; it goes on where an earlier process left it."""
        how = self.training
        found = train(
            build_network(self.job, self.data.shape).to(self.device),
            self.training_data,
            how.epochs,
            how.batch_size,
            how.optimizer,
            how.lr,
            how.weight_decay,
            record=1 if how.recorded else (),
            seed=how.seed,
            precision=how.precision,
            **self.shown,
        )
        saved = read_network(self.job, self.folder)
        if saved is not None and not _same_weights(saved, rounded(found.model)):
            raise ValueError(
                f"job: {self.job.name} was trained anew, for its run is no longer in the cache, and is another network "
                f"than the saved one; delete {path_of(self.job, NETWORK, self.folder)} to compute all of it anew"
            )
        return found

    @cached_property
    def network(self) -> nn.Module:
        """The trained network."""
        if self.job.released:
            return load_authors_checkpoint(released_file(self.job)).to(self.device)
        return self.network_of(self.job)

    @property
    def example(self) -> nn.Module:
        """A network of the job's architecture, trained or not."""
        if self.job.ends:
            return self.end(0)
        return self.network if self.job.released else build_network(self.job, self.data.shape).to(self.device)

    def end(self, number: int) -> nn.Module:
        """One of the two networks that the job lies between."""
        return self.network_of(find_job(f"{self.job.scale}-{self.job.ends[number]}"))

    def network_of(self, job: Job) -> nn.Module:
        """The trained network of a job that is done.

        Raises:
            ValueError: It is not done.
        """
        found = read_network(job, self.folder)
        if found is None:
            raise ValueError(f"job: {self.job.name} needs the network of {job.name}, which is not trained yet")
        images = network_attrs(job, self.folder).get(IMAGES, self.data.fingerprint)
        if images != self.data.fingerprint:
            raise ValueError(
                f"data: {job.name} was trained on other images than those in {self.data.source}; "
                f"LANDSCAPE_NB_DATA names the directory"
            )
        return found.to(self.device)

    def objective(self, images: int | None = None, tested: bool = False, model: nn.Module | None = None) -> Objective:
        """The loss on the first training images, and on as many test images if asked for."""
        images = images or self.scale.images
        train, test = (tuple(tensor[:images] for tensor in part) for part in (self.data.train, self.data.test))
        more: dict[str, Any] = {"metrics": {"accuracy": accuracy}} if tested else {}
        if tested and len(test[0]):
            more["extra_data"] = {"test": test}
        return Objective(model or self.network, train, batch_size=_BATCH, **more)

    def directions(self, seed: int = 0, count: int = 2, normalize: str = "filter") -> Sequence[Params]:
        """Random directions around the network."""
        return random_directions(self.network, count, normalize=normalize, seed=seed)

    def attrs(self) -> dict[str, str | int]:
        """What results of this job say about where they come from."""
        return {
            "command": f"landscape-nb gallery build {self.job.name}",
            "title": self.job.title,
            "network": self.job.network,
            "data": describe(self.data),
            IMAGES: self.data.fingerprint,
            "device": processor(self.device),
            "versions": versions(),
        }


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
    final = Objective(model, data, batch_size=_BATCH, **more)()
    attrs = {f"final_{name}": value for name, value in final.items()}
    start = parameters_of(build_network(work.job, work.data.shape))
    return xr.Dataset(values, coords, attrs | {"initial_norm": norm(start), SEED: work.training.seed})


def _lines(work: Work, normalize: str = "filter") -> xr.Dataset:
    """Loss and accuracy, of training and test images, along random directions."""
    (direction,) = work.directions(count=1, normalize=normalize)
    draws, points = work.scale.draws, work.scale.line
    return evaluate_line(work.objective(tested=True), direction, (-1, 1), points, repeats=draws, **work.shown)


def _plane(work: Work, seed: int = 0) -> xr.Dataset:
    """The loss on a plane, to an error of 0.02 of its decimal logarithm."""
    objective = work.objective()
    plane = _whole(progressive_plane(objective, work.directions(seed), (-1, 1), work.scale.plane, **work.shown))
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
    points, origin = work.scale.plane, pca.origin
    return _whole(
        progressive_plane(objective, pca.directions, extent, points, _PATH_ERROR, origin=origin, **work.shown)
    )


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
    points = work.scale.between
    return interpolate(objective, start, end, (-0.5, 1.5), points, statistics, **work.shown)


def _map(work: Work, points: int, images: int) -> xr.Dataset:
    """Both ends of the Hessian's spectrum over a plane."""
    store = settings.cache() / "gallery" / f"{work.job.name}.map-{points}-{images}.zarr"
    store.parent.mkdir(parents=True, exist_ok=True)
    objective = work.objective(images)
    found = curvature_map(
        objective,
        work.directions(),
        resolution=points,
        tolerance=_MAP_TOLERANCE,
        store=store,
        **work.shown,
    )
    values = found[[LAMBDA_MIN, LAMBDA_MAX, RATIO, RESIDUAL]]
    return values.assign_attrs(products=int(found.products.sum()), seed=0, origin_loss=objective()["loss"])


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
            of 5 × 5 points on 100 images, `'between-frozen'` a line with frozen statistics.

    Returns:
        The product, with what it was made from in its attributes.
    """
    began = time.perf_counter()
    if product in PRODUCTS:
        found = PRODUCTS[product](work)
    else:
        kind, *more = product.split("-")
        found = PRODUCTS[kind](work, *(int(part) if part.isdecimal() else part for part in more))
    return found.assign_attrs(work.attrs() | {"computed_in_seconds": round(time.perf_counter() - began, 1)})


def processor(device: str) -> str:
    """A device in words.

    Example:
        >>> processor("cpu") != ""
        True
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def describe(data: datasets.ImageData) -> str:
    """Which images these are, for a caption.

    Example:
        >>> describe(datasets.digits())
        'digits of scikit-learn'
    """
    if data.name == "digits":
        return "digits of scikit-learn"
    return _KNOWN.get(data.fingerprint, f"{data.name} ({Path(data.source).name})")


def released_file(job: Job) -> Path:
    """The file of a released network.

    Raises:
        FileNotFoundError: It is not there; the message says where it is from.
    """
    path = datasets.data_directory() / job.released
    if not path.exists():
        raise FileNotFoundError(
            f"{job.name}: there is no {path}; the paper's authors released it in {_RELEASED}, and LANDSCAPE_NB_DATA "
            f"names the directory"
        )
    return path


def _same_weights(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a.cpu(), b.cpu()) for a, b in pairs)


@lru_cache(1)
def _data(name: str) -> datasets.ImageData:
    return datasets.cifar10_unchanged() if name == "cifar10_unchanged" else datasets.LOADERS[name]()


def _wider(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)
