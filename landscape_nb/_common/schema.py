"""The words of results: dimensions, variables and attributes of Datasets."""

import numpy as np
from jaxtyping import Float

Row = dict[str, Float[np.ndarray, "points"]]
"""Values at several points, by the name of what was measured."""
