"""Both extreme eigenpairs of a symmetric operator from one run of Lanczos with thick restarts.

ARPACK's implicitly restarted Lanczos checks its Ritz pairs only when a basis is full. Products with a
Hessian are what takes time, so here they are checked after every product, and the run ends as soon as they are
good enough. Vectors are multiplied by torch: threads of NumPy's BLAS go on spinning for a while after each
product, and the Hessian's next product, in torch's threads, would take twice as long.
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
    A full basis is replaced by its Ritz vectors at both ends, half as many, and the run goes on.
    Each new vector is made orthogonal to all others, twice.

    Args:
        operator: A symmetric operator; it is multiplied with one vector at a time.
        start: The first vector. An end is found if the start is not orthogonal to its eigenvector.
        tolerance: Each residual ends at or below tolerance · (|λ| + max|λ| / 10), a bound that does not vanish
            at an eigenvalue of zero, as ARPACK's does. An end that is itself within its bound of zero has to
            stay there for as many products again.

    Returns:
        The two eigenvalues, ascending, and their vectors as columns, of norm 1.

    Raises:
        NotConvergedError: The residuals are still larger after 100 restarts.

    Example:
        >>> operator = LinearOperator((30, 30), lambda v: np.arange(30.0) * v.ravel(), dtype=float)
        >>> extreme_pairs(operator, np.ones(30), 1e-6)[0].round(4)
        array([ 0., 29.])

    Source: Wu & Simon (2000), thick-restart Lanczos.
    """
    size = min(len(start), max(_LEAST_VECTORS, min(_MOST_VECTORS, _MOST_BYTES // start.nbytes)))
    basis, projected = torch.from_numpy(np.empty((size, len(start)), start.dtype)), np.zeros((size, size))
    new, last, steps = F.normalize(torch.from_numpy(start), dim=0), 0, 0
    ends_then, steps_then = np.zeros(2), 0
    while True:
        basis[last] = new
        product, steps = torch.from_numpy(operator @ new.numpy()), steps + 1
        rest, coefficients = orthogonal(product, basis[: last + 1])
        projected[last, : last + 1] = projected[: last + 1, last] = coefficients
        length = float(rest.norm())
        values, vectors = np.linalg.eigh(projected[: last + 1, : last + 1])
        largest = np.abs(values[[0, -1]]).max()
        bounds = tolerance * (np.abs(values[[0, -1]]) + 0.1 * largest)
        # A small residual says that some eigenvalue is near, not that it is the last one on its side. Most of a
        # Hessian's eigenvalues are near zero, and so a random start lies mostly among their vectors: the lower end may
        # look settled at zero before the run has found the few negative ones. An end near zero therefore counts only
        # after as many products again without a change. Still missed is an eigenvector of which the start has a
        # share so small that twice the products do not bring it out.
        good = steps >= _LEAST_STEPS and bool((length * np.abs(vectors[-1, [0, -1]]) <= bounds).all())
        if good and (np.abs(values[[0, -1]]) <= bounds).any():
            if not steps_then or (np.abs(values[[0, -1]] - ends_then) > bounds).any():
                ends_then, steps_then = values[[0, -1]], steps
            good = steps >= 2 * steps_then
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
    """The part of a vector that is orthogonal to an orthonormal basis, and its coefficients in that basis.

    Twice, for once is not enough: where the vector lies almost in the basis, subtraction leaves mostly rounding, which
    is not orthogonal to it. Then converged eigenvectors come back, and each eigenvalue is found several times.

    Example:
        >>> rest, coefficients = orthogonal(torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 0.0]]))
        >>> rest.tolist(), coefficients.tolist()
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
    """Replace the basis in place by the Ritz vectors at both ends; returns how many.

    They diagonalize the operator among themselves. How they couple with the next vector is not written down here: the
    coefficients of the next product, taken with the whole basis, contain it.
    """
    quarter = len(values) // 4
    ends = np.r_[:quarter, len(values) - quarter : len(values)]
    basis[: len(ends)] = torch.from_numpy(vectors[:, ends].T.copy()).to(basis) @ basis
    projected[:] = 0
    projected[range(len(ends)), range(len(ends))] = values[ends]
    return len(ends)
