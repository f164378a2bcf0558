"""The words of results: dimensions, variables and attributes of Datasets that one module writes and another reads.

Words that stay inside one module are written there.
"""

import numpy as np
from jaxtyping import Float

Values = dict[str, Float[np.ndarray, "points"]]
"""Values at several points, by the name of the metric."""

# Dimensions.
DIMS = ALPHA, BETA = ("alpha", "beta")
"""The coordinates along the first direction and the second."""
REPEAT = "repeat"
POINT = "point"
"""The points of a path."""
EPOCH = "epoch"

# Endings of variables: `loss_stderr` is the standard error of `loss` over the data.
STDERR = "_stderr"
DRAWS_STDERR = "_draws_stderr"

# Variables beside the values themselves and their errors.
LOSS_SPREAD = "loss_spread"
NEGATIVE_VARIANCE = "negative_variance"
MEASURED = "measured"
SAMPLES = "samples"
LOSS_ERROR = "loss_error"
PRODUCTS = "products"
LAMBDA_MIN, LAMBDA_MAX = "lambda_min", "lambda_max"
RATIO = "ratio"
RESIDUAL = "residual"
DISTANCE = "distance"
"""How far a point of a path is from a plane."""
IN_PLANE = "in_plane"
"""How far its projection is from the origin."""
TAKEN = (*DIMS, REPEAT, LOSS_SPREAD, NEGATIVE_VARIANCE, MEASURED, SAMPLES, LOSS_ERROR)
"""What a metric cannot be called, as a Dataset of values names it already."""

# Attributes; `samples` and `products` are such, too.
KIND = "kind"
ENGINE = "engine"
SEED = "seed"
REDUCTION = "reduction"
PARAMETERS = "parameters"
IGNORED = "ignored"
OBJECTIVE = "objective"
BATCH_NORM = "batch_norm"
BATCH_NORM_LAYERS = "batch_norm_layers"
NORMALIZATION = "normalization"
DIRECTIONS = "directions"
RELATIVE_STEPS = "relative_steps"
DIRECTION_NORMS = "direction_norms"
DIRECTION_COSINE = "direction_cosine"
ORIGIN_LOSS = "origin_loss"
END_LOSSES = "end_losses"
PRECISION_ERROR = "precision_error"
LR_DROPS = "lr_drops"
STOPPED = "stopped"
"""Why a measurement from coarse to fine ended."""
INTERRUPTED = "interrupted"
"""It was interrupted: what there is, is a part."""
ROUNDED = (ORIGIN_LOSS, END_LOSSES, PRECISION_ERROR, DIRECTION_NORMS, DIRECTION_COSINE)
"""Attributes that round otherwise on another machine: they tell no job from another."""

PRECISIONS = ("full", "bfloat16")
"""In which numbers a network is computed: its own, or bfloat16 where torch's autocast has it so."""

RANDOM = "random"
"""The kind of a direction that was drawn."""

INTERPOLATION = "interpolation"
"""The kind of a line between two given points: its extent is fixed by its ends."""

PAPER_LEVELS = tuple(round(0.1 + 0.5 * i, 1) for i in range(20))
"""Contour levels of the paper's figures: 0.1, 0.6, …, 9.6."""
