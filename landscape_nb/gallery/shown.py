"""Which results a figure or a table shows: of each role one job, and for what is compared jobs of one scale."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from landscape_nb.gallery.jobs import JOBS, Job, ScaleName
from landscape_nb.gallery.results import read

QUICK: tuple[ScaleName, ...] = ("quick",)
PAPER: tuple[ScaleName, ...] = ("gpu", "authors", "cpu")
MAPS = ("map-31-500", "map-15-500", "map-5-100")
"""Curvature maps, the finest first."""
_EVERYWHERE: tuple[ScaleName, ...] = ("gpu", "authors", "cpu", "quick")


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

    A role is played by one job: the first whose product is there when it is first asked for. Otherwise a network's
    path could be drawn over the plane of another.

    Attributes:
        scales: Where to look, in this order.
        folder: The directory of results; None is the user's, then what ships with the package.
        players: The job of each role that was found.
        drawn: What was found so far, by the name of its job and product.
        absent: The roles, each with a product, of which nothing was found.
    """

    scales: tuple[ScaleName, ...]
    folder: Path | None = None
    players: dict[str, Job] = field(default_factory=dict)
    drawn: dict[tuple[str, str], xr.Dataset] = field(default_factory=dict)
    absent: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, role: str, *products: str) -> xr.Dataset | None:
        """A product of the job in this role (of several products, the first that is there), or None.

        Example:
            >>> Shown(PAPER)("resnet56-plain", "plane").attrs["title"]
            'ResNet-56, no shortcuts'
        """
        jobs = [self.players[role]] if role in self.players else self.jobs(role)
        for job in jobs:
            for product in products:
                if (found := self._read(job, product)) is not None:
                    self.players[role] = job
                    self.drawn[job.name, product] = found
                    return found
        self.absent.append((role, products[0]))
        return None

    def stand_in(self, role: str, other: str, product: str) -> str:
        """A role, or another that is shown in its place as long as only that one has the product.

        Args:
            role: The role that is wanted; the caption says that its product is not computed yet.
            other: The role that may stand in for it.
            product: What of it is shown.
        """
        if self(role, product) is not None or all(self._read(job, product) is None for job in self.jobs(other)):
            return role
        return other

    def compare(self, roles: Iterable[str], *products: str) -> None:
        """Have roles that are compared played at one scale: the first that has all of these products, if one has.

        Args:
            roles: The roles.
            products: What is asked of each of them.
        """
        roles = list(roles)
        for scale in self.scales:
            jobs = {role: job for role in roles for job in self.jobs(role) if job.scale == scale}
            if len(jobs) == len(roles) and all(
                self._read(job, product) is not None for job in jobs.values() for product in products
            ):
                self.players |= jobs
                return

    def scales_in(self, roles: Iterable[str]) -> set[ScaleName]:
        """The scales of the jobs that play roles."""
        return {self.players[role].scale for role in roles if role in self.players}

    def test_error(self, role: str) -> float | None:
        """The test error, in percent, of the network in this role; None where it is not known."""
        for job in [self.players[role]] if role in self.players else self.jobs(role):
            if (trained := self._read(job, "training")) is not None:
                return 100 * (1 - trained.attrs["final_test_accuracy"])
        return None

    def title(self, role: str) -> str:
        """What to call the network in this role, with its test error where that is known."""
        job = self._likely(role)
        title, error = _title(job, role) if job else role, self.test_error(role)
        return title if error is None else f"{title}\ntest error {error:.1f} %"

    def caption(self) -> str:
        """For each network that was found its training and data, and what was not found, in words."""
        lines, samples = [], defaultdict(set)
        for (name, product), found in self.drawn.items():
            images = set() if product in _WITHOUT_IMAGES else {int(found.attrs["samples"])}
            samples[name, str(found.attrs["data"])] |= images
        for (name, data), counts in samples.items():
            job = JOBS[name]
            how = f"{job.training.epochs} epochs, seed {job.training.seed}, " if job.training else ""
            of_images = "" if data.startswith("the first 1") else " and ".join(f"{n:,}" for n in sorted(counts))
            lines.append(f"{job.network}: {how}{data}" + (f", surfaces on {of_images} images" if of_images else ""))
        if self.absent:
            missing = [self._named(role, product) for role, product in self.absent]
            lines.append(f"Not computed yet: {'; '.join(dict.fromkeys(missing))}")
        return " ".join(f"{line[0].upper()}{line[1:]}." for line in dict.fromkeys(lines))

    def jobs(self, role: str, scales: tuple[ScaleName, ...] | None = None) -> list[Job]:
        """The jobs in this role, at each of the scales."""
        names = [f"{scale}-{_ELSEWHERE.get((scale, role), role)}" for scale in scales or self.scales]
        return [JOBS[name] for name in names if name in JOBS]

    def _read(self, job: Job, product: str) -> xr.Dataset | None:
        found = self.drawn.get((job.name, product))
        return read(job, product, self.folder) if found is None else found

    def _likely(self, role: str) -> Job | None:
        """The job in this role; while none plays it, one that is trained, or of the smallest scale."""
        jobs = self.jobs(role)
        trained = [job for job in jobs if self._read(job, "training") is not None]
        return self.players.get(role) or next(iter([*trained, *jobs[::-1], *self.jobs(role, _EVERYWHERE)]), None)

    def _named(self, role: str, product: str) -> str:
        job = self._likely(role)
        return f"{job.title if job else role} ({product})"


_WITHOUT_IMAGES = {"training", "path", "random-paths"}
"""Products that are not measured on a sample of images."""
_ELSEWHERE = {
    (scale, f"resnet-k{k}-{kind}"): f"resnet{depth}-{kind}"
    for scale, k, depth in (("cpu", 4, 20), ("gpu", 1, 56))
    for kind in ("shortcuts", "plain")
}
"""One network of Figure 6 is one of Figure 5, too; on a CPU, widths are counted from a quarter of the paper's."""


def _title(job: Job, role: str) -> str:
    """What a job is called in a role; where that is another job's role, the width stands in it as in the others."""
    if role == job.role or "-k" not in role:
        return job.title
    name, *rest = job.title.split(", ")
    return ", ".join([name, f"k = {role.split('-k')[1].split('-')[0]}", *rest])
