"""Values on lines, planes and paths, as `xarray.Dataset`s."""

from landscape_nb.surfaces.interpolate import interpolate
from landscape_nb.surfaces.lines_planes import evaluate_line, evaluate_plane
from landscape_nb.surfaces.progressive import progressive_plane

__all__ = [
    "evaluate_line",
    "evaluate_plane",
    "interpolate",
    "progressive_plane",
]
