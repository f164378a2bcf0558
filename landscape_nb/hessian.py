"""The Hessian of the mean loss, through products with vectors: its extremes, its density, a map of them.

A product Hv is the gradient of gᵀv, g the gradient (Pearlmutter, 1994): two backward passes and no
matrix. Batch norm uses its running statistics, as `Objective.batch_losses` does.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from landscape_nb.lanczos import NotConvergedError, extreme_pairs
from landscape_nb.normalization import Direction, Ignore, is_ignored
from landscape_nb.objective import Objective
from landscape_nb.parameters import Params, check_params, flatten, unflatten
from landscape_nb.program import FAILURES
from landscape_nb.streamline import Streamlined

_SAME = 1e-4
_SMALL = 20


class NotFiniteError(ValueError):
    """A loss or a Hessian-vector product is NaN or infinite."""


class HessianOperator(LinearOperator):
    """The Hessian in the parameters that `ignore` leaves, as a matrix that is only multiplied with.

    With a single batch of data the graph of its gradient is built once and kept for all products;
    with more it is rebuilt, batch by batch, at every product, so that memory holds one batch at a time.

    Scaled dot-product attention is computed by its plain formula, the only one that torch differentiates twice.

    Attributes:
        chosen: The parameters that count, in the order of their entries in a vector.
        products: How many Hessian-vector products have been computed.
    """

    def __init__(self, objective: Objective, params: Params, ignore: Ignore):
        self.objective, self.products = objective, 0
        self._differentiated = _folded(objective)
        self.params = {name: params[name].detach() for name in objective.origin}
        self.chosen = {name: p for name, p in self.params.items() if not is_ignored(name, p, ignore)}
        if not self.chosen:
            raise ValueError("ignore: it leaves no parameter")
        weights = flatten(self.chosen)
        self._weights = weights.to(torch.promote_types(weights.dtype, torch.float32)).requires_grad_()
        self._kept = []
        super().__init__(torch.empty(0, dtype=self._weights.dtype).numpy().dtype, (len(weights), len(weights)))

    def vector(self, direction: Params) -> Float[np.ndarray, "n"]:
        """List the entries of a direction in the chosen parameters."""
        return flatten({name: direction[name] for name in self.chosen}).detach().cpu().numpy().astype(self.dtype)

    def direction(self, vector: Float[np.ndarray, "n"], **made: str | int | None) -> Direction:
        """Make the direction with these entries in the chosen parameters and zeros in all others."""
        entries = unflatten(torch.as_tensor(vector, device=self._weights.device), self.chosen)
        return Direction({name: entries.get(name, torch.zeros_like(p)) for name, p in self.params.items()}, **made)

    def _matvec(self, vector: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "n"]:
        self.products += 1
        v = torch.from_numpy(vector.reshape(-1).astype(self.dtype)).to(self._weights.device)
        product = torch.zeros_like(v)
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for gradient in self._gradients():
                if gradient.requires_grad:
                    keep = {"retain_graph": bool(self._kept), "materialize_grads": True}
                    product += torch.autograd.grad(gradient, self._weights, v, **keep)[0]
        if not torch.isfinite(product).all():
            raise NotFiniteError("params: the Hessian has NaN or infinite entries there")
        return product.cpu().numpy()

    def _gradients(self) -> Iterator[Float[Tensor, "n"]]:
        """Each batch's share of the gradient, differentiable."""
        yield from self._kept
        params = self.params | unflatten(self._weights, self.chosen)
        for share, loss in () if self._kept else self._differentiated.batch_losses(params):
            if not torch.isfinite(loss):
                raise NotFiniteError(f"params: the loss is {loss.item()} there")
            gradient = torch.autograd.grad(share * loss, self._weights, create_graph=True, materialize_grads=True)[0]
            if share == 1:
                self._kept.append(gradient)
            yield gradient

    def _adjoint(self) -> "HessianOperator":
        return self


def _folded(objective: Objective) -> Objective:
    """The objective with batch norm folded into convolutions, made once; itself where that changes the gradient.

    Second derivatives of batch norm take as long as those of the convolutions.
    """
    if objective.folded is None:
        try:
            faster = Streamlined(objective, differentiable=True)
            pair = [_gradient(o) for o in (objective, faster)]
            same = torch.dist(*pair) <= _SAME * pair[0].norm()
        except FAILURES:
            same = False
        objective.folded = faster if same else objective
    return objective.folded


def _gradient(objective: Objective) -> Float[Tensor, "n"]:
    weights = flatten(objective.origin).requires_grad_()
    total = torch.zeros_like(weights)
    for share, loss in objective.batch_losses(unflatten(weights, objective.origin)):
        total += torch.autograd.grad(share * loss, weights, materialize_grads=True)[0]
    return total


@dataclass(frozen=True, eq=False)
class Extremes:
    """Both ends of a Hessian's spectrum.

    Attributes:
        min: The smallest eigenvalue.
        max: The largest eigenvalue.
        min_vector: The eigenvector of the smallest eigenvalue, of norm 1, zero in ignored tensors.
        max_vector: The same of the largest.
        products: Hessian-vector products it took, those for the residuals included.
        residuals: ‖Hv − λv‖ / max(|min|, |max|) of both, the smallest first.
    """

    min: float
    max: float
    min_vector: Direction
    max_vector: Direction
    products: int
    residuals: tuple[float, float]

    @property
    def ratio(self) -> float:
        """|min / max|: how large negative curvature is beside positive one; NaN for a zero Hessian."""
        return abs(self.min / self.max) if self.max else np.nan if not self.min else np.inf


def hessian_operator(
    objective: Objective, params: Params | None = None, ignore: Ignore = "one-dimensional"
) -> HessianOperator:
    """The Hessian of the mean loss at a point, for SciPy's iterative solvers.

    The mean is over samples, whatever the batches: the authors' code sums the means of the batches,
    which multiplies every eigenvalue by their number.

    Args:
        objective: Its loss is what is differentiated, in evaluation mode.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `normalize_direction`: tensors of one dimension, the
            names for which a function is True, or none (None).

    Returns:
        A `scipy.sparse.linalg.LinearOperator` that counts its `.products`, in the parameters' precision.

    Raises:
        ValueError: `params` does not fit the model, or `ignore` leaves nothing. A product raises one
            if the loss or the product is not finite.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (2 * torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> hessian_operator(objective) @ np.array([1.0, 3.0])
        array([ 4., 12.], dtype=float32)

    Source: Pearlmutter (1994); Li et al. (2018), section 6.
    """
    if not (ignore is None or ignore == "one-dimensional" or callable(ignore)):
        raise ValueError(f"ignore: got {ignore!r}, wants 'one-dimensional', a function of a parameter's name, or None")
    params = objective.origin if params is None else params
    check_params("params", params, objective.origin)
    return HessianOperator(objective, params, ignore)


def hessian_vector_product(
    objective: Objective, direction: Params, params: Params | None = None, ignore: Ignore = "one-dimensional"
) -> Direction:
    """The Hessian of the mean loss times a direction.

    Args:
        objective: Its loss is what is differentiated.
        direction: The direction, keyed like `objective.origin`; its ignored tensors do not count.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `hessian_operator`.

    Returns:
        The product; ignored tensors are zero.

    Raises:
        ValueError: `direction` or `params` does not fit the model, or the product is not finite.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> objective = Objective(model, (2 * torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> ones = {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
        >>> dict(hessian_vector_product(objective, ones))
        {'weight': tensor([[4., 4.]]), 'bias': tensor([0.])}

    Source: Pearlmutter (1994).
    """
    operator = hessian_operator(objective, params, ignore)
    check_params("direction", direction, objective.origin)
    return operator.direction(operator @ operator.vector(direction), kind="Hessian product", normalization="none")


def extreme_eigenvalues(
    objective: Objective,
    params: Params | None = None,
    ignore: Ignore = "one-dimensional",
    tolerance: float = 1e-3,
    seed: int = 0,
    start: Params | Float[np.ndarray, "n"] | None = None,
) -> Extremes:
    """The smallest and the largest eigenvalue of the Hessian, from one Lanczos run.

    The run (`lanczos.extreme_pairs`) ends with the product that made both residuals small enough, which
    took 15 to 45 products on ResNet-20 and VGG-9. No more than 20 parameters are solved densely.

    Args:
        objective: Its loss is what is differentiated.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `hessian_operator`.
        tolerance: Largest residual, relative to |λ| + max|λ| / 10; the eigenvalue's own error is far smaller.
        seed: Seed of the random start.
        start: A direction (or a vector of the operator's size) near the eigenvectors, such as the sum
            of both from a point nearby. A tenth of the random start is added, so that none is missed.

    Returns:
        Both eigenvalues with their eigenvectors, the products they took and their residuals. Warns
        if a residual, computed by a product of its own, exceeds 2 · tolerance.

    Raises:
        ValueError: A bad tolerance, seed or start, or a loss or Hessian that is not finite.
        RuntimeError: No convergence within 100 restarts.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
        >>> ends = extreme_eigenvalues(Objective(model, data, torch.nn.functional.mse_loss))
        >>> round(ends.min, 4), round(ends.max, 4), ends.max_vector["weight"].abs()
        (4.0, 36.0, tensor([[0., 1.]]))

    Source: Li et al. (2018), section 6 (Figure 7); Wu & Simon (2000).
    """
    check_positive("tolerance", tolerance)
    operator = hessian_operator(objective, params, ignore)
    try:
        return ends_of(operator, tolerance, starting_vector(operator, start, seed))
    except NotConvergedError as error:
        raise RuntimeError(
            f"tolerance: the eigenvalues did not reach {tolerance:g} within {operator.products} Hessian-vector "
            f"products; try a larger one, or float64 ({error})"
        ) from error


def curvature_along(objective: Objective, direction: Params, params: Params | None = None) -> float:
    """The curvature dᵀHd / ‖d‖² of the mean loss along a direction.

    In the Hessian's eigenbasis it is Σ λᵢaᵢ² / Σ aᵢ²: for a Gaussian direction, whose aᵢ are Gaussian
    too, an average of all eigenvalues with χ² weights. Hence a plot that bends down shows a negative
    eigenvalue for sure; one that bends up only says that positive ones dominate.

    Args:
        objective: Its loss is what is differentiated.
        direction: The direction, keyed like `objective.origin`; all its tensors count.
        params: The point; default the objective's origin.

    Raises:
        ValueError: `direction` is zero or does not fit the model, or the product is not finite.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
        >>> objective = Objective(model, data, torch.nn.functional.mse_loss)
        >>> curvature_along(objective, {"weight": torch.tensor([[5.0, 5.0]])})
        20.0

    Source: Li et al. (2018), section 6.
    """
    operator = hessian_operator(objective, params, ignore=None)
    check_params("direction", direction, objective.origin)
    d = operator.vector(direction)
    if not d.any():
        raise ValueError("direction: it is zero")
    product, d = operator @ d, d.astype(float)
    return float(d @ product / (d @ d))


def ends_of(operator: HessianOperator, tolerance: float, start: Float[np.ndarray, "n"]) -> Extremes:
    """Both extreme eigenpairs of an operator, Lanczos starting from `start`."""
    if len(start) <= _SMALL:
        matrix = operator @ np.eye(len(start), dtype=operator.dtype)
        eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        ends, vectors = eigenvalues[[0, -1]].astype(float), vectors[:, [0, -1]]
    else:
        ends, vectors = extreme_pairs(operator, start, tolerance)
    errors = [np.linalg.norm(operator @ v - x * v) for x, v in zip(ends, vectors.T, strict=True)]
    residuals = tuple(float(error / (np.abs(ends).max() or 1)) for error in errors)
    if max(residuals) > 2 * tolerance:
        warnings.warn(f"a residual of {max(residuals):.2g} exceeds twice the tolerance {tolerance:g}", stacklevel=3)
    made = {"kind": "Hessian eigenvector", "normalization": "none"}
    low, high = (operator.direction(v, end=end, **made) for v, end in zip(vectors.T, ("min", "max"), strict=True))
    return Extremes(*map(float, ends), low, high, operator.products, residuals)


def starting_vector(operator: HessianOperator, near: Params | np.ndarray | None, seed: int) -> Float[np.ndarray, "n"]:
    """A random unit vector, or one near `near`, with a tenth of the random one added."""
    v = np.random.default_rng(check_whole("seed", seed, 0)).standard_normal(operator.shape[0])
    v /= np.linalg.norm(v)
    if near is not None:
        if isinstance(near, dict):
            check_params("start", near, operator.params)
            near = operator.vector(near)
        near = np.asarray(near, float)
        if near.shape != v.shape or not np.isfinite(near).all() or not near.any():
            raise ValueError(f"start: wants a finite direction, or {len(v)} numbers, that are not all zero")
        v = near / np.linalg.norm(near) + 0.1 * v
    return (v / np.linalg.norm(v)).astype(operator.dtype)


def check_positive(name: str, value: object) -> None:
    """Raise a `ValueError` that names the argument unless it is a positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise ValueError(f"{name}: got {value!r}, wants a positive number")


def check_whole(name: str, value: object, least: int) -> int:
    """The argument as an int; a `ValueError` that names it unless it is a whole number from `least` up."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: got {value!r}, wants a whole number from {least} up")
    return int(value)
