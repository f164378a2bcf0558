"""Checks of the exercises: what is right, what a usual mistake looks like, and a hint for each."""

from landscape_nb.exercises.feedback import Feedback
from landscape_nb.exercises.landscapes import (
    check_area_below,
    check_filter_normalized,
    check_loss_at,
    check_same_function,
)

__all__ = [
    "Feedback",
    "check_area_below",
    "check_filter_normalized",
    "check_loss_at",
    "check_same_function",
]
