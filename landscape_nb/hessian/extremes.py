"""The ends of the Hessian's spectrum, and the curvature along a direction."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from landscape_nb._common.checks import check_positive, check_whole
from landscape_nb._common.schema import KIND, NORMALIZATION
from landscape_nb.hessian.lanczos import NotConvergedError, extreme_pairs
from landscape_nb.hessian.operator import HessianOperator, hessian_operator
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.normalization import Direction, Ignore
from landscape_nb.weights.params import Params, check_params

_SMALL = 20


@dataclass(frozen=True, eq=False)
class Extremes:
    """Both ends of a Hessian's spectrum.

    Attributes:
        min: The smallest eigenvalue.
        max: The largest eigenvalue.
        min_vector: The eigenvector of the smallest eigenvalue, of norm 1, zero in ignored tensors.
        max_vector: The same of the largest.
        products: Hessian-vector products it took, those for the residuals included.
        residuals: ‖Hv − λv‖ / `max(|min|, |max|)` of both, the smallest first.
    """

    min: float
    max: float
    min_vector: Direction
    max_vector: Direction
    products: int
    residuals: tuple[float, float]

    @property
    def ratio(self) -> float:
        """`|min / max|`: how large negative curvature is beside positive one; NaN for a zero Hessian."""
        return abs(self.min / self.max) if self.max else np.nan if not self.min else np.inf


def extreme_eigenvalues(
    objective: Objective,
    params: Params | None = None,
    ignore: Ignore = "one-dimensional",
    tolerance: float = 1e-3,
    seed: int = 0,
    start: Params | Float[np.ndarray, "n"] | None = None,
    engine: str = "auto",
) -> Extremes:
    """The smallest and the largest eigenvalue of the Hessian, from one Lanczos run.

    The run (`lanczos.extreme_pairs`) ends with the product that made both residuals small enough, which
    took 15 to 45 products on ResNet-20 and VGG-9. With at most 20 parameters the whole matrix is computed.

    Args:
        objective: Its loss is what is differentiated.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `hessian_operator`.
        tolerance: Largest residual, relative to `|λ| + max |λ| / 10`; the eigenvalue's own error is far smaller.
        seed: Seed of the random start.
        start: A direction (or a vector of the operator's size) near the eigenvectors, such as the sum
            of both from a point nearby. A tenth of the random start is added, so that none is missed.
        engine: As in `hessian_operator`.

    Returns:
        Both eigenvalues with their eigenvectors, the products they took and their residuals. Warns
        if a residual, computed by a product of its own, exceeds 2 · tolerance.

    Raises:
        ValueError: A bad tolerance, seed or start, or a loss or Hessian that is not finite.
        RuntimeError: No convergence within 100 restarts.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
        >>> ends = extreme_eigenvalues(Objective(model, data, torch.nn.functional.mse_loss))
        >>> round(ends.min, 4), round(ends.max, 4), ends.max_vector["weight"].abs()
        (4.0, 36.0, tensor([[0., 1.]]))

    Source: Li et al. (2018), section 6 (Figure 7); Wu & Simon (2000).
    """
    check_positive("tolerance", tolerance)
    operator = hessian_operator(objective, params, ignore, engine)
    try:
        return ends_of(operator, tolerance, starting_vector(operator, start, seed))
    except NotConvergedError as error:
        raise RuntimeError(
            f"tolerance: the eigenvalues did not reach {tolerance:g} within {operator.products} Hessian-vector "
            f"products; try a larger one, or float64 ({error})"
        ) from error


def curvature_along(
    objective: Objective, direction: Params, params: Params | None = None, engine: str = "auto"
) -> float:
    """The curvature dᵀHd / ‖d‖² of the mean loss along a direction.

    In the Hessian's eigenbasis it is Σ λᵢaᵢ² / Σ aᵢ²: for a Gaussian direction, whose aᵢ are Gaussian
    too, an average of all eigenvalues with χ² weights. Hence a plot that bends down shows a negative
    eigenvalue for sure; one that bends up only says that positive ones dominate.

    Args:
        objective: Its loss is what is differentiated.
        direction: The direction, keyed like `objective.origin`; all its tensors count.
        params: The point; default the objective's origin.
        engine: As in `hessian_operator`.

    Returns:
        The curvature: the second derivative of the loss along the direction, of length 1.

    Raises:
        ValueError: `direction` is zero or does not fit the model, or the product is not finite.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
        >>> objective = Objective(model, data, torch.nn.functional.mse_loss)
        >>> curvature_along(objective, {"weight": torch.tensor([[5.0, 5.0]])})
        20.0

    Source: Li et al. (2018), section 6.
    """
    operator = hessian_operator(objective, params, None, engine)
    check_params("direction", direction, objective.origin)
    d = operator.vector(direction)
    if not d.any():
        raise ValueError("direction: it is zero")
    product, d = operator @ d, d.astype(float)
    return float(d @ product / (d @ d))


def ends_of(operator: HessianOperator, tolerance: float, start: Float[np.ndarray, "n"]) -> Extremes:
    """Both extreme eigenpairs of an operator, Lanczos starting from `start`."""
    # Lanczos takes 8 products at least, and mostly 15 to 45: so few columns cost no more. The whole matrix also has no
    # end that the start could miss, as one orthogonal to its eigenvector does; among few eigenvectors that is likelier,
    # for instance with a Hessian that falls into blocks.
    if len(start) <= _SMALL:
        matrix = operator @ np.eye(len(start), dtype=operator.dtype)
        eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        ends, vectors = eigenvalues[[0, -1]].astype(float), vectors[:, [0, -1]]
    else:
        ends, vectors = extreme_pairs(operator, start, tolerance)
    errors = [np.linalg.norm(operator @ v - x * v) for x, v in zip(ends, vectors.T, strict=True)]
    of_min, of_max = (float(error / (np.abs(ends).max() or 1)) for error in errors)
    if (worst := max(of_min, of_max)) > 2 * tolerance:
        warnings.warn(f"a residual of {worst:.2g} exceeds twice the tolerance {tolerance:g}", stacklevel=3)
    made = {KIND: "Hessian eigenvector", NORMALIZATION: "none"}
    low, high = (operator.direction(v, end=end, **made) for v, end in zip(vectors.T, ("min", "max"), strict=True))
    return Extremes(float(ends[0]), float(ends[1]), low, high, operator.products, (of_min, of_max))


def starting_vector(operator: HessianOperator, near: Params | np.ndarray | None, seed: int) -> Float[np.ndarray, "n"]:
    """A random unit vector, or one near `near`, with a tenth of the random one added."""
    v = np.random.default_rng(check_whole("seed", seed, 0)).standard_normal(operator.shape[0])
    v /= np.linalg.norm(v)
    if near is not None:
        if isinstance(near, dict):
            check_params("start", near, operator.params)
            near = operator.vector(near)
        try:
            near = np.asarray(near, float)
        except (TypeError, ValueError):
            raise TypeError(f"start: got {type(near).__name__}, wants a direction, or {len(v)} numbers") from None
        if near.shape != v.shape or not np.isfinite(near).all() or not near.any():
            raise ValueError(f"start: wants a finite direction, or {len(v)} numbers, that are not all zero")
        v = near / np.linalg.norm(near) + 0.1 * v
    return (v / np.linalg.norm(v)).astype(operator.dtype)
