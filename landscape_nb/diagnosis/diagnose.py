"""Is my plot right? What the measured values alone can tell, in plain words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from landscape_nb._common import schema
from landscape_nb._common.drawable import Plot, check_path
from landscape_nb._common.levels import Levels, limits
from landscape_nb.diagnosis.suggest_extent import in_words, narrower, wider
from landscape_nb.diagnosis.view import SIGNS, View, read

_SEVERITIES = ("problem", "warning", "note")
_TOO_MUCH = 2 / 3
_FAR_ABOVE = 100
_VISIBLE = 0.02
_NOISY = 0.1
_FEW_SAMPLES = 100
_FAR = 0.5
_NEARBY = 0.01
_OTHER = 0.01
_PARALLEL = 1e-6
_ALMOST = 0.99
_PLAIN = ("none", "unit-filter", "unit-layer")


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of the plot should know.

    Attributes:
        code: Its name, such as `'too-wide'`.
        severity: `'problem'`: the plot misleads; `'warning'`: it may; `'note'`: good to know.
        text: What was found, with the numbers.
        suggestion: What to do about it.
    """

    code: str
    severity: Literal["problem", "warning", "note"]
    text: str
    suggestion: str


class Diagnosis(list[Finding]):
    """Findings, the gravest first; a notebook shows them as text."""

    @property
    def codes(self) -> list[str]:
        """The names of the findings."""
        return [finding.code for finding in self]

    @property
    def summary(self) -> str:
        """How many findings of which severity there are, in words."""
        counts = {severity: sum(f.severity == severity for f in self) for severity in _SEVERITIES}
        named = [f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count]
        if not named:
            return "Nothing wrong was found in the measured values."
        if counts["problem"] or counts["warning"]:
            return f"{', '.join(named)}."
        return f"Nothing wrong was found in the measured values; {named[0]}."

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"{f.severity} ({f.code}): {f.text} {f.suggestion}" for f in self)])

    def _repr_markdown_(self) -> str:
        rows = [f"- **{f.severity}** (`{f.code}`): {f.text}  \n  *{f.suggestion}*" for f in self]
        return "\n".join([f"**{self.summary}**", "", *rows])


def diagnose(dataset: Plot, levels: Levels = None, path: xr.Dataset | None = None) -> Diagnosis:
    """Look for what makes a plot of a loss landscape misleading.

    Nothing is measured: only the values, their standard errors (`loss_stderr`, if it is there) and the
    attributes are looked at. The codes:

    - `off-centre`: a point of the grid is lower than the centre, which is therefore not a minimum;
    - `below-zero`: the loss goes below zero, so the paper's levels and logarithmic heights do not apply;
    - `too-high`: even the lowest loss is above the last contour level;
    - `too-wide`: more than two thirds of the grid lie above the last level, or its rim lies a hundred times as high;
    - `too-narrow`: fewer than two levels are crossed;
    - `levels-too-coarse`: the same, though two or more of the paper's levels would be: not the extent is at fault;
    - `not-finite`: the loss is NaN or infinite somewhere;
    - `zero-direction`: a direction is zero, so that nothing changes along its axis;
    - `parallel-directions`: both directions are (almost) the same or opposite, so that the plane is a line;
    - `noise`: the samples are too few for levels so close to each other;
    - `un-normalized`: random directions that are not rescaled to the weights;
    - `borrowed-scale`: directions that were rescaled to other weights than those they start from;
    - `wrong-statistics`: an interpolation misses the losses of the networks at its ends, as its batch-norm
      statistics are not theirs;
    - `off-plane`: a path that is farther from the plane than from the centre, or leaves the grid;
    - `one-seed`: the directions are one random draw;
    - `frozen-batch-norm`: running statistics are those of the centre, far away too.

    Args:
        dataset: What `evaluate_line`, `evaluate_plane` or `interpolate` returned; of several draws
            (`repeats=`) the first is looked at. Its variable `loss` alone will do, but tells less: how it was
            measured is in the Dataset's `attrs`.
        levels: The contour levels that are drawn, or how many, as in `plot_contours`; for a line, the
            heights that matter.
        path: What `project` or `plane_gap` returned, if a path is drawn on the plane.

    Returns:
        The findings, problems first.

    Raises:
        TypeError: Something else than Datasets, or levels that are not numbers.
        ValueError: A Dataset without a loss on a line or a plane, a path without coordinates, or
            levels that are fewer than two or do not increase.

    Example:
        >>> a = np.linspace(-0.2, 0.2, 5)
        >>> loss = 1 + a[:, None] ** 2 + a**2
        >>> flat = xr.Dataset({"loss": (("alpha", "beta"), loss)}, {"alpha": a, "beta": a}, {"samples": 500})
        >>> diagnose(flat).codes
        ['too-narrow']
        >>> diagnose(flat)[0].suggestion
        'Widen it: extent=(-2.9, 2.9), where quadratic growth would reach the last level, 9.6.'
    """
    view = read(dataset, levels)
    found = [finding for check in _CHECKS for finding in check(view)]
    found += _below_zero(view, levels is None)
    if path is not None:
        found += _off_plane(view, path)
    if all(finding.severity == "note" for finding in found):
        found += _frozen_batch_norm(view)
    return Diagnosis(sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity)))


def _off_centre(view: View) -> Iterator[Finding]:
    if view.centre is None or not np.isfinite(view.centre) or not view.finite.any():
        return
    index = np.unravel_index(np.where(view.finite, view.loss, np.inf).argmin(), view.loss.shape)
    lowest = view.lowest
    drop, rounding = view.centre - lowest, 1e-6 * abs(view.centre)
    noise = 1e-3 * abs(view.centre) if view.stderr is None else np.nan_to_num(view.stderr[index])
    if drop <= max(noise, rounding):
        return
    height = min(float(view.loss[view.finite].max()), view.levels[-1]) - lowest
    visible = drop > _VISIBLE * height or np.ptp(np.searchsorted(view.levels, [lowest, view.centre])) > 0
    yield Finding(
        "off-centre",
        "problem" if visible else "note",
        f"The centre is not the lowest point: its loss is {view.centre:.3g}, and {lowest:.3g} at {view.where(index)} "
        f"({drop:.2g} lower){'' if visible else ', which is too little to be seen at this height'}.",
        "The network is not at a minimum of this loss: train longer, measure on the data (and with the loss and the "
        "batch-norm statistics) that it was trained with, or do not call the centre a minimum.",
    )


def _below_zero(view: View, by_default: bool) -> Iterator[Finding]:
    if not view.below_zero or not (by_default or view.levels[0] > 0):
        return
    low, high = limits([view.loss])
    index = np.unravel_index(np.where(view.finite, view.loss, np.inf).argmin(), view.loss.shape)
    drawn = (
        "The plots have levels between its lowest and its highest value, and linear heights, in their place."
        if by_default
        else f"What is below the first level, {view.levels[0]:.3g}, has one colour."
    )
    yield Finding(
        "below-zero",
        "note" if by_default else "problem",
        f"The loss goes below zero (it is {low:.3g} at {view.where(index)}): the paper's levels, and logarithmic "
        f"heights, do not apply to it. {drawn}",
        f"Compare such planes on common levels of their own between {low:.3g} and {high:.3g}, such as levels=10, or "
        "measure a loss that is bounded by zero.",
    )


def _too_high(view: View) -> Iterator[Finding]:
    if view.finite.any() and view.levels[-1] < view.lowest < np.inf:
        top = float(view.loss[view.finite].max())
        yield Finding(
            "too-high",
            "problem",
            f"The lowest loss, {view.lowest:.3g}, is above the last level, {view.levels[-1]:.3g}: there is nothing to "
            "draw.",
            f"Choose levels between {view.lowest:.3g} and {top:.3g}, or check that the trained weights were loaded.",
        )


def _too_wide(view: View) -> Iterator[Finding]:
    last, values = view.levels[-1], np.where(view.finite, view.loss, np.inf)
    above, rim = float((values > last).mean()), float(np.median(values[view.rim]))
    steep = rim > last + (_FAR_ABOVE - 1) * (last - min(view.lowest, 0.0))
    if view.between or not view.lowest <= last or not (above > _TOO_MUCH or steep):
        return
    height = f"{rim:.3g}" if np.isfinite(rim) else "not finite"
    yield Finding(
        "too-wide",
        "warning",
        f"{above:.0%} of the {view.noun} lie above the last level, {last:.3g}, and the loss at the rim is {height}: "
        "what matters is a small part of the picture.",
        f"Zoom in: {narrower(view)}, about where the loss crosses the last level.",
    )


def _few_levels(view: View) -> Iterator[Finding]:
    highest = float(view.loss[view.finite].max(initial=-np.inf))
    crossed, crossed_of_paper = (
        sum(view.lowest < level <= highest for level in levels) for levels in (view.levels, schema.PAPER_LEVELS)
    )
    hidden = view.below_zero and view.levels[0] > 0
    still = {*view.lengths} == {0}
    if hidden or still:  # a wider extent would show no more
        return
    if view.between or crossed >= 2 or view.lowest > view.levels[-1] or not view.finite.all():
        return
    coarse = crossed_of_paper >= 2
    others = f"Choose others: the paper's, of which {crossed_of_paper} are crossed, or levels=10."
    yield Finding(
        "levels-too-coarse" if coarse else "too-narrow",
        "warning",
        f"The loss goes from {view.lowest:.3g} to {highest:.3g} and crosses {crossed or 'none'} of the levels "
        f"({view.levels[0]:.3g}, {view.levels[1]:.3g}, …): the {view.noun} looks flat on them.",
        others if coarse else f"Widen it: {wider(view)}.",
    )


def _not_finite(view: View) -> Iterator[Finding]:
    bad = ~view.finite
    if not bad.any():
        return
    if bad.all():
        yield _nothing_finite(view)
        return
    sizes = [max(abs(low), abs(high)) for low, high in view.extent]
    scaled = [np.abs(axis) / size for axis, size in zip(view.axes, sizes, strict=True)]
    radius = np.max(np.meshgrid(*scaled, indexing="ij"), axis=0)
    nearest = np.unravel_index(np.where(bad, radius, np.inf).argmin(), bad.shape)
    negative = 0 if view.negative is None else int((bad & view.negative.astype(bool)).sum())
    explained = negative == bad.sum()
    text = f"The loss is not finite at {bad.mean():.1%} of the points, the nearest of them at {view.where(nearest)}."
    if negative:
        text += f" At {'all' if explained else negative} of them a running variance of batch norm is negative, "
        text += "so there is no such network."
    advice = (
        "This is not a property of the loss: extrapolate less, or use interpolate(..., batch_norm='recalibrated')."
        if explained
        else "The plots mark these points; do not read a height there. The loss overflows, or the network cannot be "
        "evaluated: make the extent smaller, or measure in float64."
    )
    shares = [(0.9 * radius[nearest] * low, 0.9 * radius[nearest] * high) for low, high in view.extent]
    if not view.between and radius[nearest] > 0:
        advice += f" All is finite within about {in_words(shares)}."
    grave = not explained and (bad.mean() > _NOISY or radius[nearest] < _FAR)
    yield Finding("not-finite", "problem" if grave else "warning", text, advice)


def _nothing_finite(view: View) -> Finding:
    return Finding(
        "not-finite",
        "problem",
        f"There is no finite loss: at 100.0% of the points of this {view.noun} it is NaN or infinite, so there is "
        "nothing to draw.",
        "Look at the loss of the network itself, objective(): if it is not finite either, the weights, the data or "
        "the loss are broken; if it is, make the extent much smaller, or measure in float64.",
    )


def _zero_direction(view: View) -> Iterator[Finding]:
    for dim, length in zip(view.dims, view.lengths, strict=False):
        if length == 0:
            yield Finding(
                "zero-direction",
                "problem",
                f"The direction of {SIGNS[dim]} is zero: nothing moves along it, and the loss stays what it is.",
                "Give a direction that is not zero: random_directions(model, 2) draws some; with ignore= or "
                "frozen weights, see that something is left to move.",
            )


def _parallel_directions(view: View) -> Iterator[Finding]:
    for cosine in np.ravel(view.attrs.get(schema.DIRECTION_COSINE, [])):
        if abs(cosine) <= _ALMOST:
            continue
        line = abs(cosine) > 1 - _PARALLEL
        shown = "it shows one line, drawn as stripes" if line else "it is squeezed: what looks round is long and thin"
        yield Finding(
            "parallel-directions",
            "problem" if line else "warning",
            f"Both directions are {'' if line else 'almost '}{'the same' if cosine > 0 else 'opposite'} up to their "
            f"lengths (the cosine of their angle is {cosine:.4g}): they do not span a plane, and {shown}.",
            "Give two different directions, such as random_directions(model, 2), or make them orthogonal "
            "(orthogonal=True, or orthogonalized).",
        )


def _noise(view: View) -> Iterator[Finding]:
    """Whether levels are closer to each other than twice the standard error of the loss, where they are drawn."""
    samples = view.attrs.get(schema.SAMPLES)
    if view.stderr is None:
        if samples is not None and samples < _FEW_SAMPLES:
            yield Finding(
                "noise",
                "note",
                f"The loss is a mean over {samples} samples, and its standard error is not known.",
                f"Measure on {_FEW_SAMPLES} samples or more, or compare two halves of the data.",
            )
        return
    # A contour between two levels may move by a whole level where twice the error exceeds their distance. The error
    # falls with the root of the number of samples: the ratio at the quantile that must come down to 1, squared, is the
    # factor of samples that is wanted.
    drawn = view.finite & (view.loss <= view.levels[-1]) & np.isfinite(view.stderr)
    if not drawn.any():
        return
    bands = np.searchsorted(view.levels, view.loss[drawn]).clip(1, len(view.levels) - 1) - 1
    ratio = 2 * view.stderr[drawn] / np.diff(view.levels)[bands]
    noisy = float((ratio > 1).mean())
    if noisy <= _NOISY:
        return
    factor = float(np.quantile(ratio, 1 - _NOISY, method="higher")) ** 2
    wanted = f"{factor:.1f} times as many" if samples is None else f"about {_round_up(samples * factor)}"
    yield Finding(
        "noise",
        "problem" if noisy > _FAR else "warning",
        f"At {noisy:.0%} of the points twice the standard error of the loss exceeds the distance between two levels: "
        f"contours may wiggle because of the data sample{'' if samples is None else f' ({samples})'} alone.",
        f"Measure on {wanted} samples, or draw fewer levels.",
    )


def _un_normalized(view: View) -> Iterator[Finding]:
    made, normalization = view.made, str(view.attrs.get(schema.NORMALIZATION, ""))
    plain = any(d.get(schema.KIND) == schema.RANDOM and d.get(schema.NORMALIZATION) in _PLAIN for d in made)
    if plain or (not made and normalization in _PLAIN):
        yield Finding(
            "un-normalized",
            "warning",
            "The random directions are not rescaled to the weights: the same network with larger weights looks "
            "flatter, though it computes the same.",
            "Use random_directions(model, 2, normalize='filter') before comparing two networks.",
        )
    elif "unknown" in normalization:
        yield Finding(
            "un-normalized",
            "warning",
            "How the directions were normalized is not known.",
            "If they are random, rescale them with normalize_direction(direction, parameters, 'filter'); without that "
            "the width of the picture follows the scale of the weights.",
        )


def _borrowed_scale(view: View) -> Iterator[Finding]:
    steps = view.attrs.get(schema.RELATIVE_STEPS, [])
    if any(abs(step - 1) > _OTHER for step in steps):
        yield Finding(
            "borrowed-scale",
            "warning",
            f"The directions say that they are {view.attrs.get(schema.NORMALIZATION)}-normalized, but their steps are "
            f"{steps[0]:.3g} to {steps[1]:.3g} times as long as the weights they start from: they were rescaled to "
            "another network, so the width of the picture says nothing about this one.",
            "Draw them for this network, or rescale them: normalize_direction(direction, parameters_of(model), ...).",
        )


def _wrong_statistics(view: View) -> Iterator[Finding]:
    finite = view.loss[view.finite]
    if len(view.axes) > 1:
        return
    for end, own in enumerate(view.attrs.get(schema.END_LOSSES, [])):
        (axis,) = view.axes
        at = int(np.abs(axis - end).argmin())
        drawn = float(view.loss[at])
        if not (np.isclose(axis[at], end) and np.isfinite(drawn) and np.isfinite(own)):
            continue
        crossed = np.ptp(np.searchsorted(view.levels, [own, drawn])) > 0
        if crossed and abs(drawn - own) > _VISIBLE * (min(finite.max(), view.levels[-1]) - finite.min()):
            yield Finding(
                "wrong-statistics",
                "problem",
                f"At α = {end} the curve has a loss of {drawn:.3g}; that network's own loss is {own:.3g}. The "
                f"batch-norm statistics ({view.attrs.get(schema.BATCH_NORM)}) are not its own there.",
                "Interpolate them with the weights (batch_norm='interpolated') or find them anew from the data "
                "(batch_norm='recalibrated').",
            )


def _dead_filters(view: View) -> Iterator[Finding]:
    dead = max((made.get("dead_filters", 0) for made in view.made), default=0)
    if dead:
        yield Finding(
            "dead-filters",
            "note",
            f"{dead} filter{'s' * (dead > 1)} of the network {'are' if dead > 1 else 'is'} zero, and the directions "
            "leave them where they are: filter normalization has no scale for them.",
            "dead_filters(parameters_of(model)) lists them; weight decay may have emptied them.",
        )


def _one_seed(view: View) -> Iterator[Finding]:
    if view.repeats == 1 and any(direction.get(schema.KIND) == schema.RANDOM for direction in view.made):
        yield Finding(
            "one-seed",
            "note",
            f"The directions are a single random draw (seed {view.attrs.get(schema.SEED, 'unknown')}).",
            "Draw it again (repeats=3, or other seeds), and believe only what all of them show.",
        )


def _off_plane(view: View, path: xr.Dataset) -> Iterator[Finding]:
    check_path("path", path, (*view.dims, schema.DISTANCE))
    coords = [path[dim].values for dim in view.dims]
    distance = path[schema.DISTANCE].values
    inside = path[schema.IN_PLANE].values if schema.IN_PLANE in path else np.linalg.norm(coords, axis=0)
    moved = distance + inside > _NEARBY * (distance + inside).max()
    off = float((distance > inside)[moved].mean()) if moved.any() else 0.0
    if off > 0:
        yield Finding(
            "off-plane",
            "problem" if off > _FAR else "warning" if off > _NOISY else "note",
            f"{off:.0%} of the path's points are farther from the plane than from the centre within it (by up to "
            f"{float(distance.max()):.3g}): the contours under them are not their loss.",
            "Draw the path in the plane of its own principal components (pca_directions), and say how large the gap "
            "between both losses is (plane_gap).",
        )
    out = np.any([(x < low) | (x > high) for x, (low, high) in zip(coords, view.extent, strict=True)], axis=0)
    if out.any():
        ends = [(min(x.min(), low), max(x.max(), high)) for x, (low, high) in zip(coords, view.extent, strict=True)]
        margins = [0.1 * (high - low) for low, high in ends]
        wanted = [(low - margin, high + margin) for (low, high), margin in zip(ends, margins, strict=True)]
        yield Finding(
            "off-plane",
            "warning",
            f"{out.mean():.0%} of the path's points are outside of the {view.noun}.",
            f"Measure {in_words(wanted)}.",
        )


def _frozen_batch_norm(view: View) -> Iterator[Finding]:
    frozen = view.attrs.get(schema.BATCH_NORM) == "frozen" and view.attrs.get(schema.BATCH_NORM_LAYERS) != 0
    if frozen and np.abs(view.extent).max() > _FAR:
        yield Finding(
            "frozen-batch-norm",
            "note",
            "Batch norm, if the network has it, uses the running statistics of the centre everywhere, as in the "
            "paper; far away, part of the height is theirs.",
            "Compare with Objective(..., batch_norm='recalibrate') at a few points.",
        )


def _round_up(samples: float) -> int:
    """A whole number with two digits that are not zero, not below `samples`."""
    step = 10 ** max(0, int(np.floor(np.log10(samples))) - 1)
    return int(np.ceil(samples / step) * step)


_CHECKS: tuple[Callable[[View], Iterator[Finding]], ...] = (
    _off_centre, _too_high, _too_wide, _few_levels, _not_finite, _zero_direction, _parallel_directions, _noise,
    _un_normalized, _borrowed_scale, _wrong_statistics, _dead_filters, _one_seed,
)  # fmt: skip
