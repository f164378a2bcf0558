"""Both extreme eigenpairs of a symmetric operator from one run of Lanczos with thick restarts.

ARPACK's implicitly restarted Lanczos looks at its Ritz pairs only when a basis is full. Products with a
Hessian are what costs, so here every new vector is followed by a look: the run ends with the product that
made it good enough. Vectors are multiplied by torch: threads of NumPy's BLAS go on spinning for a while after
each product, and a Hessian's next product, in torch's threads, takes twice as long.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

_MOST_BYTES = 256 * 2**20
_LEAST_VECTORS, _MOST_VECTORS = 12, 64
_LEAST_STEPS = 8
_RESTARTS = 100


class NotConvergedError(RuntimeError):
    """Lanczos did not find both ends within its restarts."""


def extreme_pairs(
    operator: LinearOperator, start: Float[np.ndarray, "n"], tolerance: float
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "n 2"]]:
    """The smallest and the largest eigenvalue, and an eigenvector of each.

    With an orthonormal basis V of the Krylov space and T = VᵀAV, each eigenpair (θ, s) of T gives the Ritz
    pair (θ, Vs), whose residual is β·|last entry of s|, β being the length of what the last product added.
    A full basis is replaced by its Ritz vectors at both ends, half of it, and the run goes on.
    New vectors are made orthogonal to all others, twice.

    Args:
        operator: A symmetric operator; it is multiplied with one vector at a time.
        start: Where to start. An end is found if the start has a share of its eigenvector.
        tolerance: Both residuals end at most tolerance · (|λ| + max|λ| / 10): a bound that does not vanish
            at an eigenvalue of zero, as ARPACK's does. A Hessian has a multitude of eigenvalues near zero,
            and a start lies mostly among their vectors: an end that is smaller than its bound has to stay
            so for as many products again.

    Returns:
        The two eigenvalues, ascending, and their vectors as columns, of norm 1.

    Raises:
        NotConvergedError: Not within 100 restarts.

    Example:
        >>> operator = LinearOperator((30, 30), lambda v: np.arange(30.0) * v.ravel(), dtype=float)
        >>> extreme_pairs(operator, np.ones(30), 1e-6)[0].round(4)
        array([ 0., 29.])

    Source: Wu & Simon (2000), thick-restart Lanczos.
    """
    size = min(len(start), max(_LEAST_VECTORS, min(_MOST_VECTORS, _MOST_BYTES // start.nbytes)))
    basis, projected = torch.from_numpy(np.empty((size, len(start)), start.dtype)), np.zeros((size, size))
    new, last, steps = F.normalize(torch.from_numpy(start), dim=0), 0, 0
    seen, since = np.zeros(2), 0
    while True:
        basis[last] = new
        product, steps = torch.from_numpy(operator @ new.numpy()), steps + 1
        rest, shares = orthogonal(product, basis[: last + 1])
        projected[last, : last + 1] = projected[: last + 1, last] = shares
        length = float(rest.norm())
        values, vectors = np.linalg.eigh(projected[: last + 1, : last + 1])
        largest = np.abs(values[[0, -1]]).max()
        bounds = tolerance * (np.abs(values[[0, -1]]) + 0.1 * largest)
        good = steps >= _LEAST_STEPS and bool((length * np.abs(vectors[-1, [0, -1]]) <= bounds).all())
        if good and (np.abs(values[[0, -1]]) <= bounds).any():
            if not since or (np.abs(values[[0, -1]] - seen) > bounds).any():
                seen, since = values[[0, -1]], steps
            good = steps >= 2 * since
        if good or length <= 10 * np.finfo(start.dtype).eps * largest or last + 1 == len(start):
            break
        last += 1
        if last == size:
            if steps > _RESTARTS * size:
                raise NotConvergedError(f"no convergence in {_RESTARTS} restarts")
            last = _restart(basis, projected, values, vectors)
        new = rest / length
    found = basis[: last + 1].T @ torch.from_numpy(vectors[:, [0, -1]]).to(basis)
    return values[[0, -1]], (found / found.norm(dim=0)).numpy()


def orthogonal(
    vector: Float[Tensor, "n"], basis: Float[Tensor, "k n"]
) -> tuple[Float[Tensor, "n"], Float[np.ndarray, "k"]]:
    """What of a vector is orthogonal to an orthonormal basis, and its shares along the basis.

    Example:
        >>> rest, shares = orthogonal(torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 0.0]]))
        >>> rest.tolist(), shares.tolist()
        ([0.0, 2.0], [1.0])
    """
    first = basis @ vector
    rest = vector - first @ basis
    second = basis @ rest
    return rest - second @ basis, (first + second).double().numpy()


def _restart(
    basis: Float[Tensor, "m n"],
    projected: Float[np.ndarray, "m m"],
    values: Float[np.ndarray, "m"],
    vectors: Float[np.ndarray, "m m"],
) -> int:
    """Keep the Ritz vectors at both ends, in place; the number kept."""
    quarter = len(values) // 4
    ends = np.r_[:quarter, len(values) - quarter : len(values)]
    basis[: len(ends)] = torch.from_numpy(vectors[:, ends].T.copy()).to(basis) @ basis
    projected[:] = 0
    projected[range(len(ends)), range(len(ends))] = values[ends]
    return len(ends)
