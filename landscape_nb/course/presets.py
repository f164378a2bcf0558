"""The presets that notebooks run with, and the results that ship with the package."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from landscape_nb._common.checks import check_choice, check_kind, check_whole
from landscape_nb._common.settings import seed

if TYPE_CHECKING:
    import xarray as xr

GALLERY = Path(__file__).parent.parent / "gallery"
PRESETS = ("quick", "gallery", "full")
_SHOWN = {"05": "plane", "08": "map-5-100"}
"""By notebook, the product of the authors' networks that it shows."""
_SEEDS = 10
"""As many seeds of directions are looked for."""


def shipped_planes(notebook: str, seed: int = 0) -> "dict[str, xr.Dataset]":
    """Planes and maps of the paper's own networks that ship with the package, for the notebook that shows them.

    Args:
        notebook: The notebook's number.
        seed: Seed of the directions: 0 to 3 for the planes of notebook 05, 0 for the maps of 08.

    Returns:
        By the name of the network, what `progressive_plane` or `curvature_map` returned, without variables
        that figures do not need. The `attrs` tell data, seed, versions and the error.

    Raises:
        TypeError: The number is not a string.
        ValueError: Nothing is shipped for this notebook or for directions of this seed, or it is not a whole number.

    Example:
        >>> planes = shipped_planes("05")
        >>> planes["ResNet-56"].loss.shape, planes["ResNet-56"].attrs["samples"]
        ((51, 51), 1000)
    """
    check_kind("notebook", notebook, str, "a notebook's number, such as '05'")
    if notebook not in _SHOWN:
        raise ValueError(f"notebook: got {notebook!r}, wants one of {', '.join(map(repr, _SHOWN))}")
    planes = _planes_of_seed(notebook, check_whole("seed", seed, 0))
    if not planes:
        shipped = [str(each) for each in range(_SEEDS) if _planes_of_seed(notebook, each)]
        raise ValueError(f"seed: got {seed}, wants one that is shipped: {', '.join(shipped)}")
    return planes


def _planes_of_seed(notebook: str, seed: int) -> "dict[str, xr.Dataset]":
    """What is shipped of both networks for directions of this seed; empty if it is not there for both."""
    from landscape_nb.gallery.jobs import find_job
    from landscape_nb.gallery.results import SHIPPED, read

    product = _SHOWN[notebook] + (f"-{seed}" if seed else "")
    if seed and product.startswith("map"):  # what follows a map's name is the sample of images
        return {}
    jobs = [find_job(f"authors-resnet56-{kind}") for kind in ("shortcuts", "plain")]
    found = {job.title: dataset for job in jobs if (dataset := read(job, product, SHIPPED)) is not None}
    return found if len(found) == len(jobs) else {}


class Settings(SimpleNamespace):
    """The settings of a notebook, as attributes, and what follows from its preset.

    Attributes:
        preset: Its name.
        seed: For repeating a notebook's experiment: 0, or what `LANDSCAPE_NB_SEED` (which `landscape-nb run --seed`
            sets) says.
    """

    preset: str
    seed: int

    @property
    def device(self) -> str:
        """Where networks are trained and measured: under `full` a GPU if there is one, else the CPU."""
        import torch

        return "cuda" if self.preset == "full" and torch.cuda.is_available() else "cpu"

    def store(self, name: str) -> Path | None:
        """Where a plane or line is kept while it grows: under `full`, which takes hours, in the user's cache.

        Args:
            name: What is measured, such as `'05 ResNet-56'`; no two of a course may have the same.

        Returns:
            A path for `store=`, another one for other settings; None under the other presets, which measure in
            seconds and keep nothing.

        Raises:
            ValueError: The name is not one of a file.
            OSError: The cache cannot be written.

        Example:
            >>> choose_preset("full", full={}).store("05 ResNet-56").suffix
            '.zarr'
        """
        if self.preset != "full":
            return None
        if not isinstance(name, str) or not name or {"/", "\\"} & set(name):
            raise ValueError(f"name: got {name!r}, wants words without slashes, such as '05 ResNet-56'")
        from landscape_nb._common.provenance import fingerprint  # both import torch, which the command line waits for
        from landscape_nb.trajectories.run_files import make_writable_cache

        return make_writable_cache(key="planes") / f"{name}, {fingerprint(vars(self))}.zarr"


def choose_preset(name: str, **settings: dict) -> Settings:
    """The settings of a notebook under one of its presets.

    Args:
        name: `'quick'` (seconds, on the digits), `'gallery'` (shipped results beside the quick run)
            or `'full'` (the paper's scale, on a GPU if there is one; planes go on where a run was stopped).
        **settings: The settings of `quick` and of `full`, and of `gallery` if something is shipped.

    Returns:
        The settings as attributes, with `seed`, `device` and `store`; if nothing is shipped for `gallery` those of
        `quick`, and a line is printed.

    Raises:
        TypeError: The settings of a preset are not a dict.
        ValueError: The preset does not exist, or the notebook does not have it.

    Example:
        >>> choose_preset("quick", quick={"epochs": 6}, full={"epochs": 300}).epochs
        6
    """
    check_choice("PRESET", name, PRESETS)
    if name == "gallery" and name in settings:
        print("What is shipped for the paper's data has a section of its own; the rest is the quick preset.")
    elif name == "gallery":
        print("No paper-scale result is shipped for this notebook yet; what follows is the quick preset.")
        name = "quick"
    if name not in settings:
        raise ValueError(f"PRESET: got {name!r}, this notebook has {', '.join(map(repr, settings))}")
    check_kind(name, settings[name], dict, "a dict of settings")
    if taken := {"preset", "seed", "device", "store"} & set(settings[name]):
        raise ValueError(f"{name}: got a setting named {min(taken)!r}, which every preset has already")
    return Settings(preset=name, seed=seed(), **settings[name])
