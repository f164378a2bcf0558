"""Draw the loss landscapes of neural networks honestly (Li et al., NeurIPS 2018)."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from landscape_nb._common.lazy import first_used

if TYPE_CHECKING:
    from landscape_nb import datasets, models, plotting
    from landscape_nb.course import exercises
    from landscape_nb.course.claims import claim
    from landscape_nb.course.explore import explore
    from landscape_nb.course.paper_figures import paper_figure
    from landscape_nb.course.predict import predict, predictions
    from landscape_nb.course.presets import choose_preset, shipped_planes
    from landscape_nb.diagnosis import (
        Diagnosis,
        Finding,
        diagnose,
        local_minima,
        nonconvex_fraction,
        plane_curvatures,
        roughness,
    )
    from landscape_nb.gallery.by_name import gallery_network, gallery_result
    from landscape_nb.hessian import (
        Extremes,
        curvature_along,
        curvature_map,
        extreme_eigenvalues,
        hessian_operator,
        hessian_vector_product,
        spectral_density,
    )
    from landscape_nb.models import load_authors_checkpoint
    from landscape_nb.objective import Objective, accuracy
    from landscape_nb.plotting.show import show, show_interactive
    from landscape_nb.surfaces import evaluate_line, evaluate_plane, interpolate, progressive_plane
    from landscape_nb.trajectories import (
        PCA,
        Recorder,
        Trajectory,
        checkpoints,
        extent_of,
        pca_directions,
        plane_gap,
        project,
        random_walk_ratios,
        random_walk_variance_ratio,
        shared_plane,
        step_cosines,
        train,
    )
    from landscape_nb.weights import (
        Direction,
        Params,
        add,
        cosines,
        dead_filters,
        dot,
        match_neurons,
        move,
        norm,
        normalize_direction,
        orthogonalized,
        parameters_of,
        random_directions,
        relative_steps,
        rescale_batch_norm,
        rescale_relu,
        scale,
        towards,
    )

__version__ = version("landscape-nb")
__getattr__, __dir__ = first_used(__name__)

__all__ = [
    "PCA",
    "Diagnosis",
    "Direction",
    "Extremes",
    "Finding",
    "Objective",
    "Params",
    "Recorder",
    "Trajectory",
    "accuracy",
    "add",
    "checkpoints",
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
    "extent_of",
    "extreme_eigenvalues",
    "gallery_network",
    "gallery_result",
    "hessian_operator",
    "hessian_vector_product",
    "interpolate",
    "load_authors_checkpoint",
    "local_minima",
    "match_neurons",
    "models",
    "move",
    "nonconvex_fraction",
    "norm",
    "normalize_direction",
    "orthogonalized",
    "paper_figure",
    "parameters_of",
    "pca_directions",
    "plane_curvatures",
    "plane_gap",
    "plotting",
    "predict",
    "predictions",
    "progressive_plane",
    "project",
    "random_directions",
    "random_walk_ratios",
    "random_walk_variance_ratio",
    "relative_steps",
    "rescale_batch_norm",
    "rescale_relu",
    "roughness",
    "scale",
    "shared_plane",
    "shipped_planes",
    "show",
    "show_interactive",
    "spectral_density",
    "step_cosines",
    "towards",
    "train",
]
