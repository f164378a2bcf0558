"""Where a training run went: the plane that holds most of it, and how far it leaves that plane.

A plane through principal components always shows more of a path than a random plane does, and it
does so for a random walk too: hence the distances, the gap between the loss on the path and the
loss in the plane, and the null model.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb._common.provenance import versions
from landscape_nb._common.schema import DIMS, DIRECTIONS, DISTANCE, EPOCH, IN_PLANE, KIND, LR_DROPS, POINT
from landscape_nb.objective.objective import Objective
from landscape_nb.trajectories.difference_rows import (
    Points,
    Rows,
    Stacked,
    as_vector,
    final_point,
    own_buffers,
    parameters_in,
    points_of,
)
from landscape_nb.trajectories.random_walk import centred, check_count
from landscape_nb.trajectories.trajectory import Trajectory
from landscape_nb.weights.normalization import Direction, made_of
from landscape_nb.weights.params import Affine, Params, check_directions, check_params, formatted_like

_COLUMNS = 2**18


@dataclass(frozen=True, eq=False)
class PCA:
    """Principal components of points in weight space.

    Attributes:
        directions: The components, of norm 1 and orthogonal, the one with the largest variance first.
        explained_variance_ratio: The share of the variance that each of them carries.
        origin: The point at coordinates 0, in float32 or better.
    """

    directions: list[Direction]
    explained_variance_ratio: Float[np.ndarray, "count"]
    origin: Params


def pca_directions(
    trajectory: Points,
    count: int = 2,
    center: Literal["final", "mean"] = "final",
    model: nn.Module | None = None,
) -> PCA:
    """The principal components of a training run.

    They are those of the matrix whose rows are the points minus the final one (the last row is zero), with
    columns centred. For m points only the m×m inner products of the rows are needed: the points are read a few
    at a time, several times, and are never in memory all at once.

    Args:
        trajectory: A run, or points: any sequence, for instance one that reads a checkpoint when it is
            indexed. float16 points are converted to float32. Points may be whole `state_dict`s; with `model`
            only its parameters count.
        count: How many components.
        center: The origin of the plane: `'final'`, the last point, as in the paper; or `'mean'`, the mean of
            all points, through which the plane of best fit runs. The components are the same.
        model: The model of these points, which tells parameters from buffers.

    Returns:
        The components, their shares of the variance and the origin. The largest entry of each
        component is positive.

    Raises:
        ValueError: Fewer than `count` + 1 points, points that are all equal or span fewer directions, a point
            that does not fit the last one, or points with buffers where `model` is not given.
        TypeError: `trajectory` is neither a run nor a sequence.

    Example:
        >>> line = [{"w": torch.tensor([3.0 * t, 4.0 * t])} for t in (2, 1, 0)]
        >>> pca = pca_directions(line, 1)
        >>> pca.directions[0]["w"], pca.explained_variance_ratio
        (tensor([0.6000, 0.8000]), array([1.]))

    Source: Li et al. (2018), section 7.
    """
    check_choice("center", center, ("final", "mean"))
    points = parameters_in("trajectory", points_of("trajectory", trajectory), model)
    check_count(count, len(points))
    return _principal(Rows("trajectory", points, final_point("trajectory", points)), count, center)


def shared_plane(trajectories: Sequence[Points], count: int = 2, model: nn.Module | None = None) -> PCA:
    """The principal components of several runs together, to draw them in one plane.

    Args:
        trajectories: Runs of one network, each as in `pca_directions`.
        count: How many components.
        model: The model of these points, as in `pca_directions`.

    Returns:
        The components of all points; the origin is the final point of the first run.

    Raises:
        ValueError: No runs, or points that `pca_directions` refuses.
        TypeError: An item is neither a run nor a sequence.

    Example:
        >>> along = [{"w": torch.tensor([t, 0.0])} for t in (2.0, 1.0, 0.0)]
        >>> across = [{"w": torch.tensor([0.0, t])} for t in (9.0, 0.0)]
        >>> pca = shared_plane([along, across])
        >>> [d["w"].abs().argmax().item() for d in pca.directions]
        [1, 0]
    """
    if isinstance(trajectories, Trajectory | Mapping | str) or not isinstance(trajectories, Iterable):
        raise TypeError(f"trajectories: got {type(trajectories).__name__}, wants a list of runs")
    named = [(f"trajectories[{number}]", run) for number, run in enumerate(trajectories)]
    if not named:
        raise ValueError("trajectories: got none, wants one or more")
    runs = [parameters_in(name, points_of(name, run), model) for name, run in named]
    stacked = Stacked(runs)
    check_count(count, len(stacked))
    return _principal(Rows("trajectories", stacked, final_point("trajectories[0]", runs[0])), count, "final")


def project(points: Points, directions: Sequence[Params], origin: Params) -> xr.Dataset:
    """The point of a plane that is closest to each point, in the plane's own coordinates.

    Coordinates solve the least-squares problem with the directions as they are, of any length and
    at any angle: origin + α · d₁ + β · d₂ is the closest point, and (α, β) is where `evaluate_plane`
    draws it.

    Args:
        points: A run, or points, as in `pca_directions`; of whole `state_dict`s only the tensors that `origin` has.
        directions: One direction for each coordinate, keyed like `origin`.
        origin: The point at coordinates 0.

    Returns:
        Over the dimension `point`: `alpha` and `beta` (one direction: `alpha`; more than two:
        `coordinate`, over `direction` too), `distance`, how far the point is from the plane, and
        `in_plane`, how far its projection is from the origin. The points of a run have an `epoch`.

    Raises:
        ValueError: No points, directions that are linearly dependent, or tensors that do not fit `origin`.
        TypeError: `points` is neither a run nor a sequence.

    Example:
        >>> origin = {"w": torch.zeros(3)}
        >>> d1, d2 = ({"w": torch.tensor(d)} for d in ([2.0, 0.0, 0.0], [1.0, 1.0, 0.0]))
        >>> xy = project([{"w": torch.tensor([5.0, 1.0, 7.0])}], (d1, d2), origin)
        >>> [round(float(xy[name][0]), 6) for name in ("alpha", "beta", "distance")]
        [2.0, 1.0, 7.0]

    Source: Li et al. (2018), section 7; for directions that are not orthogonal, least squares.
    """
    sequence = points_of("points", points)
    if not len(sequence):
        raise ValueError("points: got none, wants one or more")
    check_params("origin", origin, origin)
    basis, triangle = _factors(directions, origin)
    rows = Rows("points", sequence, origin)
    found = np.array([_closest(row.double(), basis, triangle) for row in rows])
    coords, distances, in_plane = found[:, :-2], found[:, -2], found[:, -1]
    if len(directions) <= len(DIMS):
        values = {name: (POINT, column) for name, column in zip(DIMS, coords.T, strict=False)}
    else:
        values = {"coordinate": ((POINT, "direction"), coords)}
    values |= {DISTANCE: (POINT, distances), IN_PLANE: (POINT, in_plane)}
    made = list(map(made_of, directions))
    attrs = {KIND: "projection", DIRECTIONS: json.dumps(made), "versions": versions()}
    if not isinstance(points, Trajectory):
        return xr.Dataset(values, attrs=attrs)
    return xr.Dataset(values, {EPOCH: (POINT, points.epochs)}, attrs | {LR_DROPS: points.lr_drops})


def plane_gap(objective: Objective, trajectory: Points, directions: Sequence[Params], origin: Params) -> xr.Dataset:
    """How much the loss on a path differs from the loss in the plane below it.

    A path drawn on a contour plot seems to have the loss of the contours that it crosses. It does
    not: the network at epoch t is off the plane.

    Args:
        objective: What is measured.
        trajectory: A run, or points, as in `pca_directions`. A run, and points that are whole state dicts, are
            measured with their own buffers (batch norm's running statistics), unless the objective recalibrates
            them; other points with the objective's.
        directions: The plane, as in `project`.
        origin: The point at coordinates 0.

    Returns:
        What `project` returns, and over `point`: `loss`, the loss of the network itself;
        `plane_loss`, the loss at its projection with the objective's buffers, which is what a
        contour plot shows there; and `gap`, `loss` minus `plane_loss`.

    Raises:
        ValueError: As in `project`, or points that do not fit the objective's model.
        TypeError: `trajectory` is neither a run nor a sequence.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (2 * torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> off, d1, d2 = ({"weight": torch.tensor([w])} for w in ([3.0, 1.0], [1.0, 0.0], [0.0, 1.0]))
        >>> zero = {"weight": torch.zeros(1, 2)}
        >>> [float(plane_gap(objective, [off], plane, zero).gap[0]) for plane in ([d1, d2], [d1])]
        [0.0, 2.0]
    """
    check_kind("objective", objective, Objective, "an Objective")
    check_params("origin", origin, objective.origin)
    points = points_of("trajectory", trajectory)
    path = project(trajectory, directions, origin)
    if len(directions) <= len(DIMS):
        coords = np.stack([path[name] for name in DIMS[: len(directions)]], axis=1)
    else:
        coords = path.coordinate.values
    plane = Affine(origin, directions, objective.origin)
    buffers = own_buffers(objective, trajectory)
    loss = [objective(formatted_like(points[i], objective.origin), buffers(i))["loss"] for i in range(len(points))]
    plane_loss = [objective(plane(*map(float, at)))["loss"] for at in coords]
    values = {"loss": loss, "plane_loss": plane_loss, "gap": np.subtract(loss, plane_loss)}
    return path.assign({name: (POINT, np.asarray(value)) for name, value in values.items()})


# With m points of n weights, m ≪ n, the n×n covariance XᵀX of the centred rows X could never be stored. XXᵀ, of
# m×m inner products, has the same eigenvalues; from each of its eigenvectors v, Xᵀv is a component, a weighted sum
# of rows. Centring takes place in the products, for the rows are read one by one. It fails where rounding decides:
# squaring halves the digits, so inner products are summed in float64, and eigenvalues below 10⁻¹² of the largest
# count as zero. Rows are differences from the final point, as products of the points themselves would nearly cancel.
def _principal(rows: Rows, count: int, center: str) -> PCA:
    gram = centred(_gram(rows))
    total = np.trace(gram)
    if not total > 0:
        raise ValueError(f"{rows.name}: all {len(rows)} points are equal, so there is no direction to find")
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(gram))
    spanned = int((values > 1e-12 * values[0]).sum())
    if spanned < count:
        raise ValueError(f"count: got {count}, the {len(rows)} points span {spanned} direction(s)")
    mean = np.full(len(rows), 1 / len(rows))
    # Weights that sum to zero give the same sum of rows as of centred rows; the last weights give the mean row.
    weights = np.vstack([vectors[:, :count].T - vectors[:, :count].mean(axis=0)[:, None], mean])
    *found, shift = _combine(rows, weights)
    directions = [
        Direction(rows.params(_oriented(vector)), kind="principal component", number=number, normalization="none")
        for number, vector in enumerate(found)
    ]
    origin = rows.origin if center == "final" else rows.params(rows.zero + shift)
    return PCA(directions, values[:count] / total, origin)


def _gram(rows: Rows) -> Float[np.ndarray, "m m"]:
    """All inner products of the rows, block by block, summed in float64."""
    gram = np.zeros((len(rows), len(rows)))
    for part, left in rows.blocks():
        gram[part, part] = _products(left, left)
        for other, right in rows.blocks(part.stop):
            gram[part, other] = _products(left, right)
    return np.triu(gram) + np.triu(gram, 1).T


def _products(left: Float[Tensor, "a n"], right: Float[Tensor, "b n"]) -> Float[np.ndarray, "a b"]:
    pairs = zip(left.split(_COLUMNS, dim=1), right.split(_COLUMNS, dim=1), strict=True)
    zero = left.new_zeros(len(left), len(right), dtype=torch.float64)
    return sum((x.double() @ y.double().T for x, y in pairs), zero).numpy()


def _combine(rows: Rows, weights: Float[np.ndarray, "k m"]) -> Float[Tensor, "k n"]:
    """Weighted sums of the rows, in float64, reading each row once."""
    total = torch.zeros(len(weights), len(rows.zero), dtype=torch.float64)
    for column, row in zip(weights.T, rows, strict=True):
        for sums, weight in zip(total, column, strict=True):
            sums.add_(row, alpha=float(weight))
    return total


def _oriented(vector: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The vector with norm 1 and the sign with which its largest entry is positive."""
    return vector / (vector.norm() * vector[vector.abs().argmax()].sign())


def _factors(directions: Sequence[Params], origin: Params) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k k"]]:
    """An orthonormal basis of the plane, and the directions in that basis: the QR decomposition."""
    if not len(check_directions(directions, origin)):
        raise ValueError("directions: got none, wants one or more")
    matrix = torch.stack([as_vector({name: d[name] for name in origin}).double() for d in directions], dim=1)
    basis, triangle = torch.linalg.qr(matrix)
    lengths = torch.linalg.vector_norm(matrix, dim=0)
    if not lengths.all() or torch.linalg.matrix_rank(triangle / lengths, rtol=1e-6) < len(directions):
        raise ValueError(f"directions: the {len(directions)} are linearly dependent, they do not span a plane")
    return basis, triangle


def _closest(
    row: Float[Tensor, "n"], basis: Float[Tensor, "n k"], triangle: Float[Tensor, "k k"]
) -> Float[np.ndarray, "columns"]:
    """The coordinates of the closest point, its distance from the row and from the origin."""
    inside = basis.T @ row
    coords = torch.linalg.solve_triangular(triangle, inside[:, None], upper=True)[:, 0]
    return torch.cat([coords, (row - basis @ inside).norm()[None], inside.norm()[None]]).numpy()
