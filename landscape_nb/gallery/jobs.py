"""What is computed at the paper's scale: every job is declared here as data, and nothing else says what it is.

A job's role is what it is in the paper, such as "VGG-9, SGD, small batches, weight decay"; its scale is how large.
The same figure can therefore be drawn from small networks on the digits and from the paper's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from landscape_nb._common.checks import check_choice

ScaleName = Literal["quick", "cpu", "gpu", "authors"]


@dataclass(frozen=True)
class Scale:
    """How large the jobs of a scale are.

    Attributes:
        name: `'quick'` (seconds, on the digits), `'cpu'` (what two cores compute in a night), `'gpu'` (the paper's
            networks) or `'authors'` (networks that the paper's authors trained and released).
        data: The data set: a name in `datasets.LOADERS`, or `'cifar10_unchanged'`.
        images: How many training images, and as many test images, surfaces are measured on.
        plane: Points along an axis of a plane.
        line: Points along a line.
        between: Points between two networks.
        draws: How many random directions have a line.
    """

    name: ScaleName
    data: str
    images: int
    plane: int
    line: int
    between: int
    draws: int


SCALES = {
    scale.name: scale
    for scale in (
        Scale("quick", "digits", 200, 25, 25, 81, 5),
        Scale("cpu", "cifar10", 1000, 51, 51, 81, 10),
        Scale("gpu", "cifar10", 5000, 51, 51, 401, 10),
        Scale("authors", "cifar10_unchanged", 1000, 51, 51, 401, 10),
    )
}


@dataclass(frozen=True)
class Training:
    """How a network is trained; what is not here is as in section 3.1 of the paper.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Samples a step.
        weight_decay: Factor of the L2 penalty.
        optimizer: `'sgd'` or `'adam'`.
        lr: Initial learning rate; None is 0.1 for SGD and 0.001 for Adam.
        precision: As in `train`.
        images: How many training images; None is all.
        recorded: Whether the weights after every epoch are kept, for trajectories.
        seed: Of the initial weights, and of the order of images.
    """

    epochs: int
    batch_size: int = 128
    weight_decay: float = 5e-4
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float | None = None
    precision: Literal["full", "bfloat16"] = "full"
    images: int | None = None
    recorded: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Job:
    """A network, and what is measured of it; or what is measured between two networks.

    Attributes:
        role: What it is in the paper, whatever the scale.
        scale: One of `SCALES`.
        title: What a panel of a figure calls it.
        network: Such as "VGG-9 of half the width".
        family: The function of `models` that builds it; `''` for what is measured between two networks.
        options: That function's arguments.
        training: How it is trained; None for a released network.
        released: The file of a released network.
        ends: The roles of the two networks that it lies between.
        products: What is computed, by names of `products.PRODUCTS`.
    """

    role: str
    scale: ScaleName
    title: str
    network: str
    family: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Training | None = None
    released: str = ""
    ends: tuple[str, ...] = ()
    products: tuple[str, ...] = ("training", "lines", "plane")

    @property
    def name(self) -> str:
        """The name on the command line, and of files: scale and role."""
        return f"{self.scale}-{self.role}"


_AROUND = ("training", "lines", "plane")
_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}


def _vgg9(
    scale: ScaleName, network: str, width: float, batches: Mapping[str, int], decay: float, **how: Any
) -> Iterator[Job]:
    """VGG-9 with small and large batches, with and without weight decay: with SGD, lines between them, with Adam."""
    rates = how.pop("rates", {})
    decays = {True: ("decay", decay, f"weight decay {decay:g}"), False: ("no-decay", 0.0, "no weight decay")}
    # What needs the training run comes first: a cache may be emptied, and the network alone is enough for the rest.
    of_run = ("training", "path", "path-plane")
    order = {"sgd": (*of_run, "random-paths", "lines", "plane", "lines-layer"), "adam": (*of_run, "lines", "plane")}

    def trained(optimizer: Literal["sgd", "adam"], side: str, decayed: bool) -> Job:
        name, factor, words = decays[decayed]
        training = Training(
            batch_size=batches[side],
            weight_decay=factor,
            optimizer=optimizer,
            lr=rates.get(optimizer),
            recorded=True,
            **how,
        )
        return Job(
            role=f"vgg9-{optimizer}-{side}-{name}",
            scale=scale,
            title=f"{_OPTIMIZERS[optimizer]}, batch {batches[side]}, {words}",
            network=network,
            family="vgg9",
            options={"width": width},
            training=training,
            products=order[optimizer],
        )

    yield from (trained("sgd", side, decayed) for decayed, side in product(decays, batches))
    for name, _, words in decays.values():
        ends = tuple(f"vgg9-sgd-{side}-{name}" for side in batches)
        products = ("between-interpolated", "between-recalibrated", "between-frozen")
        yield Job(
            f"vgg9-between-{name}",
            scale,
            f"from small to large batches, {words}",
            network,
            ends=ends,
            products=products,
        )
    yield from (trained("adam", side, decayed) for decayed, side in product(decays, batches))


def _resnet(scale: ScaleName, depth: int, shortcuts: bool, how: Training, width: float = 1, **more: Any) -> Job:
    """A ResNet; one of another width than the paper's first plays its part in Figure 6."""
    wider = f"-k{more.pop('k')}" if "k" in more else ""
    kind = "shortcuts" if shortcuts else "plain"
    title = f"ResNet-{depth}{f', k = {wider[2:]}' if wider else ''}{'' if shortcuts else ', no shortcuts'}"
    options = {"depth": depth, "shortcuts": shortcuts, "width": width}
    base = f"ResNet-{depth} of {round(16 * width)} to {round(64 * width)} channels"
    role = f"resnet{'' if wider else depth}{wider}-{kind}"
    return Job(role, scale, title, base, "resnet", options, how, **more)


def _quick() -> Iterator[Job]:
    how = {"epochs": 14, "images": 720, "rates": {"sgd": 0.07, "adam": 3e-3}}
    yield from _vgg9("quick", "VGG-9 of a quarter of the width", 0.25, {"small": 36, "large": 180}, 2.2e-2, **how)
    shallow = Training(6, 48, lr=0.02, images=816)
    for depth, shortcuts in product((20, 56), (True, False)):
        products = (*_AROUND, "map-5-100") if depth == 56 else _AROUND
        yield _resnet("quick", depth, shortcuts, shallow, 0.5, products=products)
    for k, shortcuts in product((1, 2, 4), (True, False)):
        yield _resnet("quick", 20, shortcuts, shallow, k / 4, k=k)
    small = {"groups": (2, 2, 2), "growth": 8}
    yield Job("densenet", "quick", "DenseNet-16", "DenseNet of 16 layers", "densenet", small, shallow)


def _cpu() -> Iterator[Job]:
    how = {"epochs": 20, "precision": "bfloat16"}
    yield from _vgg9("cpu", "VGG-9 of half the width", 0.5, {"small": 128, "large": 8192}, 5e-4, **how)
    trained = Training(20, precision="bfloat16")
    for shortcuts in (True, False):
        yield _resnet("cpu", 20, shortcuts, trained)
    for k, shortcuts in product((1, 2, 8), (True, False)):
        yield _resnet("cpu", 20, shortcuts, trained, k / 4, k=k)
    small, products = {"groups": (3, 3, 3), "growth": 12}, (*_AROUND, "map-5-100")
    yield Job("densenet", "cpu", "DenseNet-22", "DenseNet of 22 layers", "densenet", small, trained, products=products)


def _gpu() -> Iterator[Job]:
    yield from _vgg9("gpu", "VGG-9", 1, {"small": 128, "large": 8192}, 5e-4, epochs=100, precision="bfloat16")
    trained = Training(100, precision="bfloat16")
    for depth, shortcuts in product((20, 110, 56), (True, False)):
        yield _resnet("gpu", depth, shortcuts, trained)
    for k, shortcuts in product((2, 4, 8), (True, False)):
        yield _resnet("gpu", 56, shortcuts, trained, k, k=k)
    products = (*_AROUND, "map-31-500")
    yield Job("densenet", "gpu", "DenseNet-121", "DenseNet-121", "densenet121", {}, trained, products=products)
    large = Training(100, 4096, precision="bfloat16")
    yield Job(
        "resnet56-large-batch",
        "gpu",
        "ResNet-56, batch 4096",
        "ResNet-56",
        "resnet",
        {"depth": 56, "shortcuts": True, "width": 1},
        large,
    )


def _authors() -> Iterator[Job]:
    for shortcuts, file in ((True, "resnet56.t7"), (False, "resnet56_noshort.t7")):
        yield Job(
            role=f"resnet56-{'shortcuts' if shortcuts else 'plain'}",
            scale="authors",
            title=f"ResNet-56{'' if shortcuts else ', no shortcuts'}",
            network="ResNet-56, trained and released by the paper's authors",
            family="resnet",
            released=file,
            products=("plane", "map-5-100", "lines", "plane-1", "plane-2", "plane-3", "map-5-100-1", "map-15-500"),
        )


JOBS = {job.name: job for declared in (_cpu, _authors, _gpu, _quick) for job in declared()}
"""All jobs by name; of each scale, those first that are to be computed first."""


def find_job(name: str) -> Job:
    """The job with a name.

    Raises:
        ValueError: There is none.

    Example:
        >>> find_job("gpu-resnet110-plain").title
        'ResNet-110, no shortcuts'
    """
    check_choice("job", name, JOBS)
    return JOBS[name]
