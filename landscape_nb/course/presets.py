"""The presets that notebooks run with, and the results that ship with the package."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.settings import seed

if TYPE_CHECKING:
    import xarray as xr

GALLERY = Path(__file__).parent.parent / "gallery"
PRESETS = ("quick", "gallery", "full")


def shipped_planes(notebook: str) -> "dict[str, xr.Dataset]":
    """Planes and maps of the paper's own networks that ship with the package, for the notebook that shows them.

    Args:
        notebook: The notebook's number.

    Returns:
        By the name of the network, what `progressive_plane` or `curvature_map` returned, without variables
        that figures do not need. The `attrs` tell data, seed, versions and the error.

    Raises:
        TypeError: The number is not a string.
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
        **settings: The settings of `quick` and of `full`, and of `gallery` if something is shipped.

    Returns:
        The settings as attributes; if nothing is shipped for `gallery` those of `quick`, and a line is printed. Also
        `seed`, for repeating a notebook's experiment: 0, or what `LANDSCAPE_NB_SEED` (which `landscape-nb run
        --seed` sets) says.

    Raises:
        TypeError: The settings of a preset are not a dict.
        ValueError: The preset does not exist, or the notebook does not have it.

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
