"""Draw the loss landscapes of neural networks honestly (Li et al., NeurIPS 2018)."""

from landscape_nb import datasets, models, plotting
from landscape_nb.course import exercises
from landscape_nb.course.claims import claim
from landscape_nb.course.explore import explore
from landscape_nb.course.presets import choose_preset, shipped_planes
from landscape_nb.diagnosis.diagnose import Diagnosis, Finding, diagnose
from landscape_nb.diagnosis.plane_shape import nonconvex_fraction, plane_curvatures
from landscape_nb.hessian.curvature_map import curvature_map
from landscape_nb.hessian.density import spectral_density
from landscape_nb.hessian.extremes import (
    Extremes,
    curvature_along,
    extreme_eigenvalues,
)
from landscape_nb.hessian.operator import hessian_operator, hessian_vector_product
from landscape_nb.models import load_authors_checkpoint
from landscape_nb.objective.metrics import accuracy
from landscape_nb.objective.objective import Objective
from landscape_nb.plotting.show import show, show_interactive
from landscape_nb.surfaces.interpolate import interpolate
from landscape_nb.surfaces.lines_planes import evaluate_line, evaluate_plane
from landscape_nb.surfaces.progressive import progressive_plane
from landscape_nb.trajectories.pca import (
    PCA,
    pca_directions,
    plane_gap,
    project,
    shared_plane,
)
from landscape_nb.trajectories.random_walk import random_walk_ratios, random_walk_variance_ratio
from landscape_nb.trajectories.training import train
from landscape_nb.trajectories.trajectory import Trajectory
from landscape_nb.weights.directions import cosines, orthogonalized, random_directions, towards
from landscape_nb.weights.normalization import Direction, dead_filters, normalize_direction, relative_steps
from landscape_nb.weights.params import Params, add, dot, move, norm, parameters_of, scale
from landscape_nb.weights.rescaling import rescale_batch_norm, rescale_relu

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
