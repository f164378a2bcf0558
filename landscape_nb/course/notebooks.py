"""The course's notebooks, the paper's figures they redo, and the presets they run with."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.settings import seed

if TYPE_CHECKING:
    import xarray as xr

_PACKAGE = Path(__file__).parent.parent
GALLERY = _PACKAGE / "gallery"
PRESETS = ("quick", "gallery", "full")


@dataclass(frozen=True)
class Notebook:
    """A notebook of the course.

    Attributes:
        name: Its file's name without the ending, such as `'05_skip_connections'`.
        title: What it is about.
        paper: What of the paper it redoes.
    """

    name: str
    title: str
    paper: str

    @property
    def number(self) -> str:
        """The first two characters of the name."""
        return self.name[:2]

    @property
    def path(self) -> Path:
        """Where the notebook's file is."""
        return notebooks_directory() / f"{self.name}.ipynb"


NOTEBOOKS = (
    Notebook("00_start_here", "The whole story in five minutes", "Figure 1"),
    Notebook("01_loss_along_a_line", "The loss along a line, and what it hides", "Section 3"),
    Notebook("02_scale_invariance", "ReLU and batch norm make sharpness arbitrary", "Section 3"),
    Notebook("03_batch_size_flip", "Weight decay flips flat and sharp", "Figure 2"),
    Notebook("04_filter_normalization", "Filter normalization and its rivals", "Figure 3, appendix"),
    Notebook("05_skip_connections", "Depth with and without shortcuts", "Figures 1, 4 and 5"),
    Notebook("06_width", "Wide networks have wide, smooth basins", "Figure 6"),
    Notebook("07_initialization_and_generalization", "Where training starts, and what flatness predicts", "Section 6"),
    Notebook("08_hessian", "Is the convexity real?", "Figure 7"),
    Notebook("09_random_directions_fail", "Random directions do not see the path", "Figure 8"),
    Notebook("10_pca_trajectories", "The path in the plane that PCA finds", "Figure 9"),
    Notebook("11_how_plots_lie", "Six ways to make a plot lie", "Sections 3 and 4"),
    Notebook("12_your_own_model", "Your own model", "All of it"),
)


def find_notebook(number: str) -> Notebook:
    """The notebook with this number or name.

    Args:
        number: Such as `'05'`, `'5'` or `'05_skip_connections'`.

    Raises:
        ValueError: There is no such notebook.

    Example:
        >>> find_notebook("5").name
        '05_skip_connections'
    """
    check_kind("number", number, str, "a notebook's number or name, such as '05'")
    for notebook in NOTEBOOKS:
        if number.zfill(2) == notebook.number or number == notebook.name:
            return notebook
    numbers = ", ".join(notebook.number for notebook in NOTEBOOKS)
    raise ValueError(f"number: got {number!r}, the course has {numbers}")


def notebooks_directory() -> Path:
    """Where the notebooks are: inside an installed package, or beside the package in a clone."""
    package = _PACKAGE
    return next(d for d in (package / "notebooks", package.parent / "notebooks") if d.is_dir())


def shipped_planes(notebook: str) -> "dict[str, xr.Dataset]":
    """Planes and maps of the paper's own networks that ship with the package, for the notebook that shows them.

    Args:
        notebook: The notebook's number.

    Returns:
        By the name of the network, what `progressive_plane` or `curvature_map` gave, without the columns
        that no figure needs. Its `attrs` say data, seed, versions and the error.

    Raises:
        ValueError: Nothing is shipped for this notebook.

    Example:
        >>> planes = shipped_planes("05")
        >>> planes["ResNet-56"].loss.shape, planes["ResNet-56"].attrs["samples"]
        ((51, 51), 1000)
    """
    import xarray as xr

    check_kind("notebook", notebook, str, "a notebook's number, such as '05'")
    found = sorted(path for path in GALLERY.glob("*.nc") if path.name.split("-")[0] == notebook)
    if not found:
        raise ValueError(f"notebook: got {notebook!r}, nothing is shipped for it")
    planes = [xr.load_dataset(path, engine="scipy") for path in found]
    for plane in planes:
        plane.attrs = {name: getattr(value, "item", lambda v=value: v)() for name, value in plane.attrs.items()}
    return {plane.attrs["network"]: plane for plane in planes}


def choose_preset(name: str, **settings: dict) -> SimpleNamespace:
    """The settings of a notebook under one of its presets.

    Args:
        name: `'quick'` (seconds, on the digits), `'gallery'` (shipped results beside the quick run)
            or `'full'` (the paper's scale).
        **settings: For `quick` and `full` their settings, and for `gallery` if something is shipped.

    Returns:
        The settings as attributes (those of `quick`, with a word about it, where the gallery has nothing
        yet); and `seed`, which is 0 unless `LANDSCAPE_NB_SEED` says otherwise (as `landscape-nb run
        --seed` does), for repeating a notebook's experiment.

    Raises:
        ValueError: No such preset, or the notebook does not have it.

    Example:
        >>> choose_preset("quick", quick={"epochs": 6}, full={"epochs": 300}).epochs
        6
    """
    check_choice("PRESET", name, PRESETS)
    if name == "gallery" and name in settings:
        print("What is shipped at the paper's scale has a section of its own; the rest is the quick preset.")
    elif name == "gallery":
        print("No paper-scale result is shipped for this notebook yet; what follows is the quick preset.")
        name = "quick"
    if name not in settings:
        raise ValueError(f"PRESET: got {name!r}, this notebook has {', '.join(map(repr, settings))}")
    check_kind(name, settings[name], dict, "a dict of settings")
    return SimpleNamespace(seed=seed(), **settings[name])
