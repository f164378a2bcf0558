"""The Hessian's whole spectrum, as a density: stochastic Lanczos quadrature."""

import time

import numpy as np
import torch
import torch.nn.functional as F
import xarray as xr
from jaxtyping import Float
from scipy.linalg import eigh_tridiagonal
from scipy.special import ndtr

from landscape_nb._common.checks import check_positive, check_whole
from landscape_nb._common.provenance import fingerprint, ran_since
from landscape_nb._common.schema import ENGINE, KIND, OBJECTIVE, PARAMETERS, PRODUCTS, REDUCTION, SAMPLES, SEED
from landscape_nb.hessian.lanczos import orthogonal
from landscape_nb.hessian.operator import HessianOperator, hessian_operator
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.normalization import Ignore
from landscape_nb.weights.params import Params

_MARGIN = 6


def spectral_density(
    objective: Objective,
    params: Params | None = None,
    ignore: Ignore = "one-dimensional",
    steps: int = 60,
    probes: int = 4,
    seed: int = 0,
    grid: int = 400,
    width: float | None = None,
    engine: str = "auto",
) -> xr.Dataset:
    """How the Hessian's eigenvalues are distributed, by stochastic Lanczos quadrature.

    A random unit vector v weighs eigenvalue λᵢ by (qᵢᵀv)², 1/n on average. Lanczos from v gives a
    tridiagonal T whose eigenvalues θ, with the squared first entries of T's eigenvectors as weights,
    are the Gauss quadrature of that measure: Σ weight · θᵏ = vᵀHᵏv for all k < 2 · steps.

    Args:
        objective: Its loss is what is differentiated.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `hessian_operator`.
        steps: Products, and nodes, for each probe. All vectors are kept and made orthogonal again: that
            takes the memory of `steps` times the parameters.
        probes: Random vectors to average over, 10,000 at most.
        seed: Seed of the probes.
        grid: Points of `density`, from 2 up.
        width: Standard deviation of the Gaussian that stands for a node; default a hundredth of the nodes' range.
        engine: As in `hessian_operator`.

    Returns:
        `nodes` and `weights` over `probe` and `node`, where each probe's weights sum to 1 (a probe that
        ends early repeats its last node with weight 0), and `density` over `eigenvalue`, which
        integrates to 1.

    Raises:
        ValueError: A bad number, or a loss or Hessian that is not finite.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> data = torch.tensor([[2.0, 0.0], [0.0, 6.0]]), torch.zeros(2, 1)
        >>> density = spectral_density(Objective(model, data, torch.nn.functional.mse_loss), probes=2)
        >>> density.nodes.values.round(3)
        array([[ 4., 36.],
               [ 4., 36.]])

    Source: Golub & Welsch (1969); Lin, Saad & Yang (2016), section 3.2.1; Ghorbani et al. (2019), section 2.
    """
    for name, value, least, most in (("steps", steps, 1, None), ("probes", probes, 1, 10**4), ("grid", grid, 2, 10**7)):
        check_whole(name, value, least, most)
    if width is not None:
        check_positive("width", width)
    began = time.perf_counter()
    operator = hessian_operator(objective, params, ignore, engine)
    starts = np.random.default_rng(check_whole("seed", seed, 0)).standard_normal((probes, operator.shape[0]))
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
    made = {"steps": steps, "probes": probes, SEED: int(seed), "width": width, PRODUCTS: operator.products}
    attrs = {KIND: "spectral density"} | _provenance(operator, began) | made
    return xr.Dataset(values, {"eigenvalue": (edges[:-1] + edges[1:]) / 2}, attrs)


def _quadrature(
    operator: HessianOperator, start: Float[np.ndarray, "n"], steps: int
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Nodes and weights from m ≤ `steps` Lanczos steps, fewer where the Krylov space ends."""
    basis = torch.from_numpy(np.empty((steps, len(start)), operator.dtype))
    new = F.normalize(torch.from_numpy(start), dim=0)
    diagonal, beside = [], []
    for step in range(steps):
        basis[step] = new
        rest, shares = orthogonal(torch.from_numpy(operator @ new.numpy()), basis[: step + 1])
        diagonal.append(float(shares[-1]))
        length = float(rest.norm())
        # What is left of a product is rounding where the Krylov space ends: some ε of the matrix's size, of which the
        # largest entry so far is a measure. Made a unit vector, it would go on in a direction at random, with nodes
        # that are not the start's. The quadrature is exact by then. Where products are less exact than ten ε, such
        # nodes do come, but hardly count: their weights are as small as the length that leads to them, squared.
        if step + 1 == steps or length <= 10 * torch.finfo(basis.dtype).eps * np.abs(diagonal + beside).max():
            break
        beside.append(length)
        new = rest / length
    nodes, vectors = eigh_tridiagonal(diagonal, beside)
    return np.asarray(nodes), vectors[0] ** 2


def _provenance(operator: HessianOperator, began: float) -> dict[str, str | int | float]:
    return {
        PARAMETERS: operator.shape[0],
        ENGINE: operator.engine,
        SAMPLES: operator.objective.samples,
        REDUCTION: operator.objective.reductions["loss"],
        OBJECTIVE: operator.objective.fingerprint,
        "point": fingerprint(operator.params),
        **ran_since(began),
    }
