"""The Hessian of the mean loss, through products with vectors: its extremes, its density, a map of them.

A product Hv is the gradient of gᵀv, g the gradient (Pearlmutter, 1994): two backward passes and no
matrix. Batch norm uses its running statistics, as `Objective.batch_losses` does.
"""

import json
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from scipy.special import ndtr
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm.auto import tqdm

from landscape_nb.grid import Extent, Resolution, make_axes
from landscape_nb.normalization import Direction, Ignore, is_ignored
from landscape_nb.objective import Objective
from landscape_nb.parameters import Affine, Params, add, check_params, flatten, unflatten
from landscape_nb.provenance import fingerprint, versions

_RESTARTS = 100
_SHIFT = 0.1
_MARGIN = 6


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
        batches = () if self._kept else self.objective.batch_losses(self.params | unflatten(self._weights, self.chosen))
        for share, loss in batches:
            if not torch.isfinite(loss):
                raise NotFiniteError(f"params: the loss is {loss.item()} there")
            gradient = torch.autograd.grad(share * loss, self._weights, create_graph=True, materialize_grads=True)[0]
            if share == 1:
                self._kept.append(gradient)
            yield gradient

    def _adjoint(self) -> "HessianOperator":
        return self


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
    """The smallest and the largest eigenvalue of the Hessian, from one implicitly restarted Lanczos run.

    ARPACK stops when ‖Hv − λv‖ ≤ tolerance · |λ|, which a convex loss (smallest eigenvalue 0) never
    meets and which then even returned wrong values. So it is given H − s·I with s about a tenth of
    max|λ|, estimated by two products: same eigenvectors, and a bound that does not vanish. A basis of
    20 vectors (12 from a tolerance of 0.01) took about the fewest products, 15 to 45, on ResNet-20 and VGG-9;
    no more than 20 parameters are solved densely.

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

    Source: Li et al. (2018), section 6 (Figure 7); Lehoucq, Sorensen & Yang (1998).
    """
    _check_positive("tolerance", tolerance)
    operator = hessian_operator(objective, params, ignore)
    try:
        return _extremes(operator, tolerance, _start(operator, start, seed))
    except ArpackError as error:
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


def spectral_density(
    objective: Objective,
    params: Params | None = None,
    ignore: Ignore = "one-dimensional",
    steps: int = 60,
    probes: int = 4,
    seed: int = 0,
    grid: int = 400,
    width: float | None = None,
) -> xr.Dataset:
    """How the Hessian's eigenvalues are distributed, by stochastic Lanczos quadrature.

    A random unit vector v weighs eigenvalue λᵢ by (qᵢᵀv)², 1/n on average. Lanczos from v gives a
    tridiagonal T whose eigenvalues θ, with the squared first entries of T's eigenvectors as weights,
    are the Gauss quadrature of that measure: Σ weight · θᵏ = vᵀHᵏv for all k < 2 · steps.

    Args:
        objective: Its loss is what is differentiated.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `hessian_operator`.
        steps: Products, and nodes, a probe. All of them are kept and reorthogonalized: memory for
            `steps` times the parameters.
        probes: Random vectors to average over.
        seed: Seed of the probes.
        grid: Points of `density`.
        width: Standard deviation of the Gaussian that stands for a node; default a hundredth of the nodes' range.

    Returns:
        `nodes` and `weights` over `probe` and `node`, where each probe's weights sum to 1 (a probe that
        ends early repeats its last node with weight 0), and `density` over `eigenvalue`, which
        integrates to 1.

    Raises:
        ValueError: A bad number, or a loss or Hessian that is not finite.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
        >>> density = spectral_density(Objective(model, data, torch.nn.functional.mse_loss), probes=2)
        >>> density.nodes.values.round(3)
        array([[ 4., 36.],
               [ 4., 36.]])

    Source: Golub & Welsch (1969); Lin, Saad & Yang (2016), section 3.2.1; Ghorbani et al. (2019), section 2.
    """
    for name, value in (("steps", steps), ("probes", probes), ("grid", grid)):
        _check_whole(name, value, 1)
    if width is not None:
        _check_positive("width", width)
    began = time.perf_counter()
    operator = hessian_operator(objective, params, ignore)
    starts = np.random.default_rng(_check_whole("seed", seed, 0)).standard_normal((probes, operator.shape[0]))
    found = [_quadrature(operator, start, min(steps, operator.shape[0])) for start in starts]
    longest = max(len(nodes) for nodes, _ in found)
    nodes = np.stack([np.pad(nodes, (0, longest - len(nodes)), "edge") for nodes, _ in found])
    weights = np.stack([np.pad(weights, (0, longest - len(weights))) for _, weights in found])
    width = width or 0.01 * float(np.ptp(nodes) or np.abs(nodes).max() or 1)
    edges = np.linspace(nodes.min() - _MARGIN * width, nodes.max() + _MARGIN * width, grid + 1)
    below = np.einsum("pn,pne->e", weights / probes, ndtr((edges - nodes[..., None]) / width))
    values = {
        "nodes": (("probe", "node"), nodes),
        "weights": (("probe", "node"), weights),
        "density": ("eigenvalue", np.diff(below) / np.diff(edges)),
    }
    made = {"steps": steps, "probes": probes, "seed": int(seed), "width": width, "products": operator.products}
    attrs = {"kind": "spectral density"} | _provenance(operator, began) | made
    return xr.Dataset(values, {"eigenvalue": (edges[:-1] + edges[1:]) / 2}, attrs)


def curvature_map(
    objective: Objective,
    directions: Sequence[Params],
    extent: Extent = (-1, 1),
    resolution: Resolution = 31,
    origin: Params | None = None,
    ignore: Ignore = "one-dimensional",
    tolerance: float = 1e-2,
    progress: bool = True,
) -> xr.Dataset:
    """The extreme eigenvalues of the Hessian on a plane: where the loss is convex in all directions, not two.

    Rows are walked to and fro, and each point starts from its neighbour's eigenvectors.

    Args:
        objective: Its loss is what is differentiated.
        directions: Two directions that span the plane, keyed like `objective.origin`.
        extent: The first and last coordinate, one pair for both axes or one pair each.
        resolution: The number of points along an axis, one for both or one each.
        origin: The point at (0, 0); default the objective's.
        ignore: Parameters held constant in the Hessian, as in `hessian_operator`.
        tolerance: As in `extreme_eigenvalues`.
        progress: Whether to show a progress bar.

    Returns:
        `lambda_min`, `lambda_max`, `ratio` = |λmin / λmax|, `products` and the larger `residual` over
        `alpha` and `beta`. Where the loss or the Hessian is not finite, or nothing converged, all but
        `products` are NaN.

    Raises:
        ValueError: A bad extent, resolution or tolerance, or directions that are not two or do not fit the model.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> d1, d2 = ({"weight": torch.tensor([w])} for w in ([1.0, 0.0], [0.0, 1.0]))
        >>> curvature_map(objective, (d1, d2), resolution=(2, 3), progress=False).lambda_max.values
        array([[1., 1., 1.],
               [1., 1., 1.]])

    Source: Li et al. (2018), section 6 and Figure 7.
    """
    if len(directions) != 2:
        raise ValueError(f"directions: got {len(directions)}, a plane has two")
    _check_positive("tolerance", tolerance)
    began = time.perf_counter()
    origin = objective.origin if origin is None else origin
    check_params("origin", origin, objective.origin)
    operator = hessian_operator(objective, origin, ignore)
    for number, direction in enumerate(directions):
        check_params(f"directions[{number}]", direction, objective.origin)
    axes = make_axes(extent, resolution, 2)
    point = Affine(operator.params, directions)
    shape = tuple(map(len, axes))
    values = {name: np.full(shape, np.nan) for name in ("lambda_min", "lambda_max", "ratio", "residual")}
    values["products"] = np.zeros(shape, int)
    start = _start(operator, None, 0)
    for i, j in tqdm(_to_and_fro(*shape), "Measuring", leave=False, disable=not progress):
        there = HessianOperator(objective, point(axes[0][i], axes[1][j]), ignore)
        try:
            ends = _extremes(there, tolerance, start)
        except (NotFiniteError, ArpackError):
            values["products"][i, j] = there.products
            continue
        found = (ends.min, ends.max, ends.ratio, max(ends.residuals), ends.products)
        for name, value in zip(values, found, strict=True):
            values[name][i, j] = value
        start = _start(there, add(ends.min_vector, ends.max_vector), 0)
    made = [getattr(direction, "made", {}) for direction in directions]
    attrs = {
        "kind": "curvature map",
        "normalization": ", ".join(dict.fromkeys(str(m.get("normalization", "unknown")) for m in made)),
        "directions": json.dumps(made),
        "extent": [float(end) for axis in axes for end in (axis[0], axis[-1])],
        "resolution": list(shape),
        "tolerance": tolerance,
    }
    grids = {name: (("alpha", "beta"), grid) for name, grid in values.items()}
    return xr.Dataset(grids, dict(zip(("alpha", "beta"), axes, strict=True)), attrs | _provenance(operator, began))


def _extremes(operator: HessianOperator, tolerance: float, start: Float[np.ndarray, "n"]) -> Extremes:
    size, basis = operator.shape[0], 12 if tolerance >= 1e-2 else 20
    if size <= 20:
        matrix = operator @ np.eye(size, dtype=operator.dtype)
        eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    else:
        eigenvalues, vectors = _lanczos_ends(operator, tolerance, start, basis)
    ends, vectors = eigenvalues[[0, -1]].astype(float), vectors[:, [0, -1]]
    errors = [np.linalg.norm(operator @ v - x * v) for x, v in zip(ends, vectors.T, strict=True)]
    residuals = tuple(float(error / (np.abs(ends).max() or 1)) for error in errors)
    if max(residuals) > 2 * tolerance:
        warnings.warn(f"a residual of {max(residuals):.2g} exceeds twice the tolerance {tolerance:g}", stacklevel=3)
    made = {"kind": "Hessian eigenvector", "normalization": "none"}
    low, high = (operator.direction(v, end=end, **made) for v, end in zip(vectors.T, ("min", "max"), strict=True))
    return Extremes(*map(float, ends), low, high, operator.products, residuals)


def _lanczos_ends(
    operator: HessianOperator, tolerance: float, start: Float[np.ndarray, "n"], basis: int
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "n 2"]]:
    once = operator @ start
    if not once.any():
        return np.zeros(2), np.stack([start, start], 1)
    shift = operator.dtype.type(_SHIFT * np.linalg.norm(operator @ once) / np.linalg.norm(once))
    shifted = LinearOperator(operator.shape, lambda v: operator @ v - shift * v, dtype=operator.dtype)
    ends, vectors = eigsh(shifted, 2, which="BE", v0=start, ncv=basis, tol=tolerance, maxiter=_RESTARTS)
    return ends.astype(float) + float(shift), vectors


def _start(operator: HessianOperator, near: Params | np.ndarray | None, seed: int) -> Float[np.ndarray, "n"]:
    """A random unit vector, or one near `near`, with a tenth of the random one added."""
    v = np.random.default_rng(_check_whole("seed", seed, 0)).standard_normal(operator.shape[0])
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


def _quadrature(
    operator: HessianOperator, start: Float[np.ndarray, "n"], steps: int
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Nodes and weights from m ≤ `steps` Lanczos steps, fewer where the Krylov space ends."""
    basis = np.empty((steps, len(start)), operator.dtype)
    basis[0] = start / np.linalg.norm(start)
    diagonal, beside = [], []
    for step in range(steps):
        known, w = basis[: step + 1], operator @ basis[step]
        diagonal.append(float(np.vdot(basis[step], w)))
        for _ in range(2):
            w = w - known.T @ (known @ w)
        rest = float(np.linalg.norm(w))
        if step + 1 == steps or rest <= 10 * np.finfo(operator.dtype).eps * np.abs(diagonal + beside).max():
            break
        beside.append(rest)
        basis[step + 1] = w / rest
    nodes, vectors = eigh_tridiagonal(diagonal, beside)
    return nodes, vectors[0] ** 2


def _to_and_fro(rows: int, columns: int) -> list[tuple[int, int]]:
    """All places of a grid, odd rows backwards, so that each is next to the one before."""
    return [(i, j if i % 2 == 0 else columns - 1 - j) for i in range(rows) for j in range(columns)]


def _provenance(operator: HessianOperator, began: float) -> dict[str, str | int | float]:
    return {
        "parameters": operator.shape[0],
        "samples": operator.objective.samples,
        "objective": operator.objective.fingerprint,
        "point": fingerprint(operator.params),
        "versions": versions(),
        "wall_time": round(time.perf_counter() - began, 3),
    }


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise ValueError(f"{name}: got {value!r}, wants a positive number")


def _check_whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: got {value!r}, wants a whole number from {least} up")
    return int(value)
