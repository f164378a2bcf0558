"""Checks of the exercises: what is right, what a usual mistake looks like, and a hint for each."""

from landscape_nb.course.exercises.feedback import Feedback
from landscape_nb.course.exercises.generalization import check_rank_correlation, check_relative_distance, check_rim
from landscape_nb.course.exercises.honesty import check_foreign_direction, check_repaired, check_which_mislead
from landscape_nb.course.exercises.landscapes import (
    check_area_below,
    check_filter_normalized,
    check_loss_at,
    check_same_function,
)
from landscape_nb.course.exercises.lines import check_barrier, check_detour
from landscape_nb.course.exercises.minima import (
    check_layer_normalized,
    check_reach,
    check_relative_length,
    check_relative_spread,
    check_updates,
)
from landscape_nb.course.exercises.own_model import (
    check_label_smoothing,
    check_moves_only,
    check_moving_share,
    check_sound_plane,
)
from landscape_nb.course.exercises.raggedness import check_local_minima, check_neighbour_rms
from landscape_nb.course.exercises.spectra import (
    check_filtered_mean,
    check_largest_eigenvalue,
    check_mixed_curvature,
    check_trace,
)
from landscape_nb.course.exercises.trajectories import (
    check_coordinates,
    check_directions_needed,
    check_effective_dimension,
    check_expected_cosine,
    check_lingering_path,
    check_part_outside,
    check_share,
    check_walk_share,
)
from landscape_nb.course.exercises.width import check_curvature_gap, check_pruned, check_weight_growth

__all__ = [
    "Feedback",
    "check_area_below",
    "check_barrier",
    "check_coordinates",
    "check_curvature_gap",
    "check_detour",
    "check_directions_needed",
    "check_effective_dimension",
    "check_expected_cosine",
    "check_filter_normalized",
    "check_filtered_mean",
    "check_foreign_direction",
    "check_label_smoothing",
    "check_largest_eigenvalue",
    "check_layer_normalized",
    "check_lingering_path",
    "check_local_minima",
    "check_loss_at",
    "check_mixed_curvature",
    "check_moves_only",
    "check_moving_share",
    "check_neighbour_rms",
    "check_part_outside",
    "check_pruned",
    "check_rank_correlation",
    "check_reach",
    "check_relative_distance",
    "check_relative_length",
    "check_relative_spread",
    "check_repaired",
    "check_rim",
    "check_same_function",
    "check_share",
    "check_sound_plane",
    "check_trace",
    "check_updates",
    "check_walk_share",
    "check_weight_growth",
    "check_which_mislead",
]
