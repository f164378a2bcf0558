"""Is the convexity that a plane shows real? The Hessian's extreme eigenvalues at every point of it."""

from collections.abc import Sequence
from os import PathLike

import numpy as np
import xarray as xr
from jaxtyping import Float

from landscape_nb._common.checks import check_positive
from landscape_nb._common.schema import (
    ENGINE,
    IGNORED,
    KIND,
    LAMBDA_MAX,
    LAMBDA_MIN,
    PARAMETERS,
    PRODUCTS,
    RATIO,
    RESIDUAL,
    Values,
)
from landscape_nb.engines import wants_plain
from landscape_nb.hessian.extremes import ends_of, starting_vector
from landscape_nb.hessian.lanczos import NotConvergedError
from landscape_nb.hessian.operator import HessianOperator, NotFiniteError, hessian_operator
from landscape_nb.hessian.refined_map import refined_map
from landscape_nb.objective.objective import Objective
from landscape_nb.surfaces.frame import Frame
from landscape_nb.surfaces.grid import Extent, Resolution
from landscape_nb.surfaces.sweep import sweep
from landscape_nb.weights.normalization import Ignore
from landscape_nb.weights.params import Params, add


def curvature_map(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent = (-1, 1),
    resolution: Resolution = 31,
    origin: Params | None = None,
    ignore: Ignore = "one-dimensional",
    tolerance: float = 1e-2,
    store: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
    engine: str = "auto",
    error: float | None = None,
) -> xr.Dataset:
    """The extreme eigenvalues of the Hessian on a plane: where the loss is convex in all directions, not two.

    Along a row each point starts from its neighbour's eigenvectors. Rows do not depend on each other, so
    that they can be measured in any order, in other processes, or later.

    Args:
        objective: Its loss is what is differentiated.
        directions: Two directions that span the plane, keyed like `objective.origin`.
        extent: The first and last coordinate, one pair for both axes or one pair each.
        resolution: The number of points along an axis, one for both or one each.
        origin: The point at (0, 0); default the objective's.
        ignore: Parameters held constant in the Hessian, as in `hessian_operator`.
        tolerance: As in `extreme_eigenvalues`.
        store: A Zarr path that keeps finished rows; the same call goes on from there.
        n_jobs: Processes of one thread each (joblib); None measures in this one.
        progress: Whether to show a progress bar.
        engine: `'auto'`, the fastest way that is seen to give the same values, or `'plain'`, calls of the model.
        error: None measures every point. A number measures from coarse to fine, as `progressive_plane` does, until
            the root mean square error of the ratio over the grid is estimated to be below it: 0.05 is a tenth of
            the colours of Figure 7. It pays from some 20 × 20 points on.

    Returns:
        `lambda_min`, `lambda_max`, `ratio` (`|λmin / λmax|`), `products` and the larger `residual` over
        `alpha` and `beta`. Where the loss or the Hessian is not finite, or nothing converged, all but
        `products` are NaN. With `error=` also `measured` (False: only the ratio is there, interpolated) and
        `ratio_error`; in `attrs` the `estimated_error`, the number of measured `points`, and why it `stopped`.

    Raises:
        ValueError: A bad extent, resolution or tolerance, directions that are not two or do not
            fit the model, or a store that was made from something else.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> d1, d2 = ({"weight": torch.tensor([w])} for w in ([1.0, 0.0], [0.0, 1.0]))
        >>> curvature_map(objective, (d1, d2), resolution=(2, 3), progress=False).lambda_max.values
        array([[1., 1., 1.],
               [1., 1., 1.]])

    Source: Li et al. (2018), section 6 and Figure 7.
    """
    check_positive("tolerance", tolerance)
    if error is not None:
        check_positive("error", error)
    frame = Frame.plane(objective, directions, extent, resolution, origin)
    operator = hessian_operator(objective, frame.origin, ignore, engine)
    attrs = frame.describe() | {
        KIND: "curvature map",
        PARAMETERS: operator.shape[0],
        IGNORED: ", ".join(sorted(set(frame.origin) - set(operator.chosen))),
        "tolerance": tolerance,
        ENGINE: operator.engine,
    }
    engine = "plain" if wants_plain(engine) else "auto"  # decided here: workers may have another environment
    measurement = _Curvature(frame, ignore, tolerance, engine)
    if error is None:
        values = sweep(measurement, frame.axes, attrs, store, n_jobs, progress)
    else:
        values = refined_map(measurement, frame.axes, attrs, error, store=store, n_jobs=n_jobs, progress=progress)
    return values.assign(products=values.products.astype(int))


class _Curvature:
    """Measures both ends of the spectrum at points in a row, each starting from the one before."""

    names = (LAMBDA_MIN, LAMBDA_MAX, RATIO, RESIDUAL, PRODUCTS)

    def __init__(self, frame: Frame, ignore: Ignore, tolerance: float, engine: str):
        self.objective, self.affine = frame.objective, frame.affine()
        self.ignore, self.tolerance, self.engine = ignore, tolerance, engine

    def __call__(self, points: Float[np.ndarray, "points axes"]) -> Values:
        found, near = [], None
        for coords in points.tolist():
            operator = HessianOperator(self.objective, self.affine(*coords), self.ignore, self.engine)
            try:
                ends = ends_of(operator, self.tolerance, starting_vector(operator, near, 0))
            except (NotFiniteError, NotConvergedError):
                found.append((np.nan, np.nan, np.nan, np.nan, operator.products))
                continue
            found.append((ends.min, ends.max, ends.ratio, max(ends.residuals), ends.products))
            # One run of Lanczos looks for both ends, from one vector, and what that consists of is found first. Between
            # neighbours the two eigenvectors turn little: their sum, in which each has half, whatever their signs,
            # needs few products more. What it may miss is another eigenvector that has become the end meanwhile, for
            # the sum is orthogonal to it. `starting_vector` therefore adds a tenth of a random one; if that share has
            # not grown by the time both residuals are small, the end's old eigenvalue stands in its place.
            near = add(ends.min_vector, ends.max_vector)
        return dict(zip(self.names, np.array(found, float).T, strict=True))
