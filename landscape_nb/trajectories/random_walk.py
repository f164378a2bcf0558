"""PCA of a random walk, which does not follow a loss: the null model to compare a trajectory's PCA with.

The path of a random walk also looks low-dimensional: in the limit of many dimensions its first two principal
components carry 76 % of the variance, whatever the loss. Only what a training run has beyond that is the loss's
doing. The null model's steps are i.i.d.; those of training differ in length (the learning rate drops) and are
correlated (momentum), which changes the shares, too, without a landscape.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from landscape_nb._common.checks import check_whole

_ENTRIES_AT_ONCE = 2**22


def random_walk(points: int, dimension: int, seed: int = 0) -> Float[np.ndarray, "points dimension"]:
    """A path without a loss to follow: the steps are Gaussian and i.i.d.

    Args:
        points: How many points; the first is 0.
        dimension: How many entries each has.
        seed: Seed of the steps.

    Returns:
        One point a row.

    Raises:
        ValueError: Fewer than 2 points or 1 dimension, or a negative seed.

    Example:
        >>> random_walk(3, 2).shape
        (3, 2)
    """
    return np.concatenate(list(_walks(points, dimension, seed)), axis=1)


def random_walk_variance_ratio(
    points: int, dimension: int, count: int = 5, seed: int = 0
) -> Float[np.ndarray, "count"]:
    """The share of the variance that each principal component carries on one random walk.

    To be drawn beside `pca_directions(run).explained_variance_ratio`, with as many points and
    dimensions: only what exceeds it is the loss's doing. The walk is that of `random_walk`, made a few
    dimensions at a time, so that memory does not grow with their number.

    Args:
        points: How many points.
        dimension: How many entries each has.
        count: How many components.
        seed: Seed of the walk.

    Returns:
        The shares, the largest first.

    Raises:
        ValueError: Fewer than `count` + 1 points, less than 1 dimension, or a negative seed.

    Example:
        >>> random_walk_variance_ratio(100, 5000, 2).round(1)
        array([0.6, 0.2])

    Source: Antognini and Sohl-Dickstein (2018), section 3.
    """
    check_count(count, check_whole("points", points, 2))
    gram = sum(centred(walk @ walk.T) for walk in _walks(points, dimension, seed))
    return np.linalg.eigvalsh(gram)[::-1][:count] / np.trace(gram)


def random_walk_ratios(count: int, points: int | None = None) -> Float[np.ndarray, "count"]:
    """The same shares in the limit of many dimensions: 6/(π²k²) for a long walk's k-th component.

    In many dimensions steps are orthogonal and of one length, say 1. The centred inner products of the m points
    of a walk then have the eigenvalues 1/(4 sin²(πk/2m)), which sum to (m² − 1)/6.

    Args:
        count: How many components.
        points: How many points the walk has; default infinitely many.

    Returns:
        The shares, the largest first.

    Raises:
        ValueError: A count below 1, or fewer than `count` + 1 points.

    Example:
        >>> random_walk_ratios(3).round(3)
        array([0.608, 0.152, 0.068])

    Source: Antognini and Sohl-Dickstein (2018), section 3.
    """
    check_whole("count", count, 1)
    check_count(count, count + 1 if points is None else check_whole("points", points, 2))
    number = np.arange(1, count + 1)
    if points is None:
        return 6 / (np.pi * number) ** 2
    return 6 / (points**2 - 1) / (4 * np.sin(np.pi * number / (2 * points)) ** 2)


def _walks(points: int, dimension: int, seed: int) -> Iterator[Float[np.ndarray, "points some"]]:
    """A random walk, some of its dimensions at a time."""
    for name, value, least in (("points", points, 2), ("dimension", dimension, 1), ("seed", seed, 0)):
        check_whole(name, value, least)
    rng = np.random.default_rng(seed)
    size = max(1, _ENTRIES_AT_ONCE // points)
    for start in range(0, dimension, size):
        steps = rng.standard_normal((min(size, dimension - start), points - 1))
        yield np.pad(steps.cumsum(axis=1).T, ((1, 0), (0, 0)))


def centred(gram: Float[np.ndarray, "m m"]) -> Float[np.ndarray, "m m"]:
    """The inner products of the rows after the mean row was subtracted from each."""
    return gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()


def check_count(count: int, points: int) -> None:
    """Raise a `ValueError` if there are too few points for so many principal components."""
    if points < check_whole("count", count, 1) + 1:
        raise ValueError(f"count: got {count}, which takes {count + 1} points or more; there are {points}")
