"""Draw the loss landscapes of neural networks honestly (Li et al., NeurIPS 2018)."""

from landscape_nb import datasets, exercises, models, plotting
from landscape_nb.claims import claim
from landscape_nb.curvature import curvature_map
from landscape_nb.diagnostics import Diagnosis, Finding, diagnose
from landscape_nb.directions import cosines, orthogonalized, random_directions, towards
from landscape_nb.display import show, show_interactive
from landscape_nb.explore import explore
from landscape_nb.figures import choose_preset, shipped_planes
from landscape_nb.hessian import (
    Extremes,
    curvature_along,
    extreme_eigenvalues,
)
from landscape_nb.hessian_products import hessian_operator, hessian_vector_product
from landscape_nb.interpolation import interpolate
from landscape_nb.measures import accuracy
from landscape_nb.models import load_authors_checkpoint
from landscape_nb.normalization import Direction, dead_filters, normalize_direction, relative_steps
from landscape_nb.objective import Objective
from landscape_nb.parameters import Params, add, dot, move, norm, parameters_of, scale
from landscape_nb.pca import (
    PCA,
    pca_directions,
    plane_gap,
    project,
    shared_plane,
)
from landscape_nb.progressive import progressive_plane
from landscape_nb.random_walk import random_walk_ratios, random_walk_variance_ratio
from landscape_nb.rescaling import rescale_batch_norm, rescale_relu
from landscape_nb.shape import nonconvex_fraction, plane_curvatures
from landscape_nb.spectrum import spectral_density
from landscape_nb.surface import evaluate_line, evaluate_plane
from landscape_nb.training import train
from landscape_nb.trajectory import Trajectory

__all__ = [
    "PCA",
    "Diagnosis",
    "Direction",
    "Extremes",
    "Finding",
    "Objective",
    "Params",
    "Trajectory",
    "accuracy",
    "add",
    "choose_preset",
    "claim",
    "cosines",
    "curvature_along",
    "curvature_map",
    "datasets",
    "dead_filters",
    "diagnose",
    "dot",
    "evaluate_line",
    "evaluate_plane",
    "exercises",
    "explore",
    "extreme_eigenvalues",
    "hessian_operator",
    "hessian_vector_product",
    "interpolate",
    "load_authors_checkpoint",
    "models",
    "move",
    "nonconvex_fraction",
    "norm",
    "normalize_direction",
    "orthogonalized",
    "parameters_of",
    "pca_directions",
    "plane_curvatures",
    "plane_gap",
    "plotting",
    "progressive_plane",
    "project",
    "random_directions",
    "random_walk_ratios",
    "random_walk_variance_ratio",
    "relative_steps",
    "rescale_batch_norm",
    "rescale_relu",
    "scale",
    "shared_plane",
    "shipped_planes",
    "show",
    "show_interactive",
    "spectral_density",
    "towards",
    "train",
]
