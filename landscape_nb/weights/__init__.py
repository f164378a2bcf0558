"""A point or a direction in weight space."""

from landscape_nb.weights.directions import cosines, orthogonalized, random_directions, towards
from landscape_nb.weights.matching import match_neurons
from landscape_nb.weights.normalization import Direction, dead_filters, normalize_direction, relative_steps
from landscape_nb.weights.params import Affine, Params, add, dot, move, norm, parameters_of, scale
from landscape_nb.weights.rescaling import rescale_batch_norm, rescale_relu

__all__ = [
    "Affine",
    "Direction",
    "Params",
    "add",
    "cosines",
    "dead_filters",
    "dot",
    "match_neurons",
    "move",
    "norm",
    "normalize_direction",
    "orthogonalized",
    "parameters_of",
    "random_directions",
    "relative_steps",
    "rescale_batch_norm",
    "rescale_relu",
    "scale",
    "towards",
]
