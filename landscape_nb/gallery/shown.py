"""Which results a figure shows: for each role, those of the largest scale that has them."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from landscape_nb.gallery.jobs import JOBS, Job, ScaleName
from landscape_nb.gallery.results import read

QUICK: tuple[ScaleName, ...] = ("quick",)
MAPS = ("map-31-500", "map-15-500", "map-5-100")
"""Curvature maps, the finest first."""
PAPER: tuple[ScaleName, ...] = ("gpu", "authors", "cpu")


def scales_of(preset: str) -> tuple[ScaleName, ...]:
    """Where a preset's results are looked for.

    Example:
        >>> scales_of("quick")
        ('quick',)
    """
    return QUICK if preset == "quick" else PAPER


@dataclass
class Shown:
    """Results by role and product, and what a caption has to say about those that were asked for.

    Attributes:
        scales: Where to look, in this order.
        folder: The directory of results; None is the user's, then what ships with the package.
        drawn: What was found so far, by the name of its job and product.
        absent: The roles of which nothing was found.
    """

    scales: tuple[ScaleName, ...]
    folder: Path | None = None
    drawn: dict[tuple[str, str], xr.Dataset] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def __call__(self, role: str, *products: str) -> xr.Dataset | None:
        """A product of the first job in this role that has it (of several products, the first one), or None.

        Example:
            >>> Shown(PAPER)("resnet56-plain", "plane").attrs["title"]
            'ResNet-56, no shortcuts'
        """
        for job, product in itertools.product(self.jobs(role), products):
            found = self.drawn.get((job.name, product))
            found = read(job, product, self.folder) if found is None else found
            if found is not None:
                self.drawn[job.name, product] = found
                return found
        self.absent.append(role)
        return None

    def test_error(self, role: str) -> float | None:
        """The test error, in percent, of the network whose plane is shown in this role; None where it is not known."""
        for job in self.jobs(role):
            if read(job, "plane", self.folder) is not None or job.training is None:
                trained = read(job, "training", self.folder)
                return None if trained is None else 100 * (1 - trained.attrs["final_test_accuracy"])
        return None

    def title(self, role: str) -> str:
        """What to call the network in this role, with its test error where that is known."""
        named = [
            found.attrs["title"]
            for (name, _), found in self.drawn.items()
            if name in {job.name for job in self.jobs(role)}
        ]
        title = named[0] if named else next((job.title for job in self.jobs(role)), role)
        error = self.test_error(role)
        return title if error is None else f"{title}\ntest error {error:.1f} %"

    def caption(self) -> str:
        """The networks, their training, the data and the seeds of everything that was found, in words."""
        jobs = [JOBS[name] for name, _ in self.drawn]
        networks = [job.network for job in jobs if job.network]
        trained = [f"{job.training.epochs} epochs, seed {job.training.seed}" for job in jobs if job.training]
        data = [str(found.attrs["data"]) for found in self.drawn.values()]
        sentences = ["; ".join(dict.fromkeys(part)) for part in (networks, trained, data) if part]
        if self.absent:
            titles = [next((job.title for job in self.jobs(role)), role) for role in self.absent]
            sentences.append(f"not computed yet: {'; '.join(dict.fromkeys(titles))}")
        return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)

    def jobs(self, role: str) -> list[Job]:
        """The jobs in this role, at each of the scales."""
        names = [f"{scale}-{_ELSEWHERE.get((scale, role), role)}" for scale in self.scales]
        return [JOBS[name] for name in names if name in JOBS]


_ELSEWHERE = {
    (scale, f"resnet-k1-{kind}"): f"resnet{depth}-{kind}"
    for scale, depth in (("cpu", 20), ("gpu", 56))
    for kind in ("shortcuts", "plain")
}
"""The narrowest network of Figure 6 is one of Figure 5, too."""
