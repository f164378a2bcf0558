"""A better extent for a line or plane that is too wide or too narrow."""

import numpy as np
from jaxtyping import Float

from landscape_nb.diagnosis.view import View

_TOO_FAR = 100


def narrower(view: View) -> str:
    """An extent that ends about where the loss crosses the last level, in words.

    Example:
        >>> import xarray as xr
        >>> from landscape_nb.diagnosis.view import read
        >>> a = np.linspace(-4, 4, 9)
        >>> narrower(read(xr.Dataset({"loss": ("alpha", a**2)}, {"alpha": a}), [1, 2, 4]))
        'extent=(-2, 2)'
    """
    last, nearest = view.levels[-1], float(view.loss[view.start])
    if view.centre is not None and view.lowest == view.centre and not nearest <= last:  # only the centre lies low
        share = np.sqrt(len(view.dims) * (last - view.centre) / (nearest - view.centre)) if nearest < np.inf else 0.5
        return in_words([(-reach, reach) for reach in (share * np.abs(axis).min() for axis in view.axes)])
    floor = nearest if np.isfinite(nearest) else view.lowest
    pairs = _pairs(view, [[_crossing(*ray, floor, last) for ray in rays] for rays in view.rays()])
    spans = [(high - low) / (b - a) for (low, high), (a, b) in zip(pairs, view.extent, strict=True)]
    if max(spans) > 0.95:  # the axes themselves lie low: the loss rises beside them
        pairs = [(low / 2, high / 2) for low, high in view.extent]
    return in_words(pairs)


def wider(view: View) -> str:
    """A wider extent, from the quadratic growth along each axis, or ten times as wide; and why.

    Example:
        >>> import xarray as xr
        >>> from landscape_nb.diagnosis.view import read
        >>> a = np.linspace(-1, 1, 9)
        >>> wider(read(xr.Dataset({"loss": ("alpha", a**2)}, {"alpha": a}), [1, 2, 4]))
        'extent=(-2, 2), where quadratic growth would reach the last level, 4'
    """
    reaches = []
    for rays in view.rays():
        distances, losses = (np.concatenate(part) for part in zip(*rays, strict=True))
        reaches.append(_growing_to(distances, losses, view))
    present = [np.abs(axis - axis[begin]).max() for axis, begin in zip(view.axes, view.start, strict=True)]
    if any(reach > _TOO_FAR * size for reach, size in zip(reaches, present, strict=True)):
        tenfold = in_words([(10 * low, 10 * high) for low, high in view.extent])
        return f"{tenfold}, ten times as wide, and look again, for the growth is too small to tell more"
    both = [
        [reach if len(distances) > 1 else 0.0 for distances, _ in rays]
        for reach, rays in zip(reaches, view.rays(), strict=True)
    ]
    return f"{in_words(_pairs(view, both))}, where quadratic growth would reach the last level, {view.levels[-1]:.3g}"


def _growing_to(distances: Float[np.ndarray, "_"], losses: Float[np.ndarray, "_"], view: View) -> float:
    """The distance at which the parabola of best fit, with its bottom in the centre, reaches the last level."""
    rise = losses - losses[0]
    growth = (rise * distances**2).sum() / (distances**4).sum()
    return float(np.sqrt(max(0.0, view.levels[-1] - losses[0]) / growth)) if growth > 0 else np.inf


def _crossing(distances: Float[np.ndarray, "_"], losses: Float[np.ndarray, "_"], floor: float, top: float) -> float:
    """The distance along a ray at which the loss first reaches `top`.

    The square root of its height above the floor is interpolated: in a quadratic bowl, that is linear in the distance.
    """
    heights = np.sqrt(np.where(np.isfinite(losses), losses - floor, np.inf).clip(0))
    goal = np.sqrt(max(top - floor, 0))
    (reached,) = np.nonzero(heights >= goal)
    if not len(reached) or reached[0] == 0:
        return float(distances[-1])
    after = reached[0]
    before = after - 1
    if np.isinf(heights[after]):
        return float(distances[before] + distances[after]) / 2
    share = (goal - heights[before]) / (heights[after] - heights[before])
    return float(distances[before] + share * (distances[after] - distances[before]))


def _pairs(view: View, reaches: list[list[float]]) -> list[tuple[float, float]]:
    """Extents that reach that far down and up from the centre; symmetric where the present ones are."""
    pairs = []
    for axis, begin, (down, up) in zip(view.axes, view.start, reaches, strict=True):
        low, high = axis[begin] - down, axis[begin] + up
        if abs(axis[0] + axis[-1]) < 1e-6 * (axis[-1] - axis[0]):
            low, high = -max(-low, high), max(-low, high)
        pairs.append((low, high))
    return pairs


def in_words(pairs: list[tuple[float, float]]) -> str:
    """Extents as an argument of `evaluate_line` or `evaluate_plane`.

    Example:
        >>> in_words([(-1, 1), (-1, 1)]), in_words([(-1, 1), (0, 2)])
        ('extent=(-1, 1)', 'extent=[(-1, 1), (0, 2)]')
    """
    texts = [f"({low:.2g}, {high:.2g})" for low, high in pairs]
    return f"extent={texts[0]}" if len(set(texts)) == 1 else f"extent=[{', '.join(texts)}]"
