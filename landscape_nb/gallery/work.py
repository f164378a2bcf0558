"""A job while it is computed: its images, its training run, its network, and what results say about them."""

import platform
import shutil
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape_nb import datasets
from landscape_nb._common.provenance import fingerprint, versions
from landscape_nb.gallery.jobs import SCALES, Job, Training, find_job
from landscape_nb.gallery.results import (
    NETWORK,
    build_network,
    network_attrs,
    path_of,
    read_network,
    rounded,
)
from landscape_nb.models import load_authors_checkpoint
from landscape_nb.objective import Objective, accuracy
from landscape_nb.trajectories import Trajectory, train
from landscape_nb.trajectories.run_files import make_writable_cache
from landscape_nb.weights import Params, random_directions

IMAGES = "images"
BATCH = 500
"""Images evaluated at once."""
_RELEASED = "github.com/tomgoldstein/loss-landscape (cifar10/trained_nets)"
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

    Attributes:
        product: The name of the product in the making.
    """

    def __init__(self, job: Job, folder: Path, device: str = "cpu", progress: bool = True):
        self.job, self.scale = job, SCALES[job.scale]
        self.folder, self.device, self.shown = folder, device, {"progress": progress}
        self.product = ""

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

    def objective(
        self, images: int | None = None, tested: bool = False, model: nn.Module | None = None, sample: int = 0
    ) -> Objective:
        """The loss on training images, and on as many test images if asked for: the first, or a later sample."""
        images = images or self.scale.images
        chosen = slice(sample * images, (sample + 1) * images)
        train, test = (tuple(tensor[chosen] for tensor in part) for part in (self.data.train, self.data.test))
        more: dict[str, Any] = {"metrics": {"accuracy": accuracy}} if tested else {}
        if tested and len(test[0]):
            more["extra_data"] = {"test": test}
        return Objective(model or self.network, train, batch_size=BATCH, **more)

    def directions(self, seed: int = 0, count: int = 2, normalize: str = "filter") -> Sequence[Params]:
        """Random directions around the network."""
        return random_directions(self.network, count, normalize=normalize, seed=seed)

    def store(self, objective: Objective, *more: Any) -> Path:
        """Where the product in the making is kept while it is measured, so that a build may be killed.

        Args:
            objective: What is measured; another network's has another store.
            *more: What else decides what is measured, such as the network at the end of a line.
        """
        return self.stores / f"{self.job.name}.{self.product}.{fingerprint(objective.fingerprint, *more)}.zarr"

    @property
    def stores(self) -> Path:
        """The directory of stores, in the user's cache."""
        return make_writable_cache(key="gallery")

    def drop_stores(self) -> None:
        """Delete what was kept of the product, which is done."""
        for store in self.stores.glob(f"{self.job.name}.{self.product}.*.zarr"):
            shutil.rmtree(store, ignore_errors=True)

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
