"""What is measured at a point: the loss and metrics of a model on data."""

from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.objective.metrics import accuracy
from landscape_nb.objective.objective import Objective

__all__ = [
    "Evaluator",
    "Objective",
    "accuracy",
]
