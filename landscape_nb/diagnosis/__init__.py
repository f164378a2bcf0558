"""What a drawn line or plane says, and whether to believe it."""

from landscape_nb.diagnosis.diagnose import Diagnosis, Finding, diagnose
from landscape_nb.diagnosis.plane_shape import local_minima, nonconvex_fraction, plane_curvatures, roughness

__all__ = [
    "Diagnosis",
    "Finding",
    "diagnose",
    "local_minima",
    "nonconvex_fraction",
    "plane_curvatures",
    "roughness",
]
