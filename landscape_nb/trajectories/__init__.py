"""Where training went: runs, their planes, and the random walk that they are compared with."""

from landscape_nb.trajectories.checkpoints import checkpoints
from landscape_nb.trajectories.path_extent import extent_of
from landscape_nb.trajectories.pca import PCA, pca_directions, plane_gap, project, shared_plane
from landscape_nb.trajectories.random_walk import random_walk_ratios, random_walk_variance_ratio
from landscape_nb.trajectories.recorder import Recorder
from landscape_nb.trajectories.steps import step_cosines
from landscape_nb.trajectories.training import train
from landscape_nb.trajectories.trajectory import Trajectory

__all__ = [
    "PCA",
    "Recorder",
    "Trajectory",
    "checkpoints",
    "extent_of",
    "pca_directions",
    "plane_gap",
    "project",
    "random_walk_ratios",
    "random_walk_variance_ratio",
    "shared_plane",
    "step_cosines",
    "train",
]
