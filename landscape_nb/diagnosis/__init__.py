"""What a drawn line or plane says, and whether to believe it."""

from landscape_nb.diagnosis.diagnose import Diagnosis, Finding, diagnose
from landscape_nb.diagnosis.plane_shape import nonconvex_fraction, plane_curvatures

__all__ = [
    "Diagnosis",
    "Finding",
    "diagnose",
    "nonconvex_fraction",
    "plane_curvatures",
]
