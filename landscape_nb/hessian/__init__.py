"""Curvature: products with the Hessian, its extreme eigenvalues, its density, and maps over a plane."""

from landscape_nb.hessian.curvature_map import curvature_map
from landscape_nb.hessian.density import spectral_density
from landscape_nb.hessian.extremes import Extremes, curvature_along, extreme_eigenvalues
from landscape_nb.hessian.operator import hessian_operator, hessian_vector_product

__all__ = [
    "Extremes",
    "curvature_along",
    "curvature_map",
    "extreme_eigenvalues",
    "hessian_operator",
    "hessian_vector_product",
    "spectral_density",
]
