"""Is my plot right? What can be told from the measured values alone, in plain words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from landscape_nb._common import schema
from landscape_nb._common.drawable import Plot, check_path
from landscape_nb._common.levels import Levels, limits
from landscape_nb.diagnosis.suggest_extent import in_words, narrower, wider
from landscape_nb.diagnosis.view import SIGNS, Measured, read

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

    Nothing is measured: only the values, their standard errors (`loss_stderr`, if there) and the
    attributes are looked at. The codes:

    - `off-centre`: a point of the grid is lower than the centre, which thus is no minimum;
    - `below-zero`: the loss goes below zero, so the paper's levels and logarithmic heights do not apply;
    - `too-high`: even the lowest loss is above the last contour level;
    - `too-wide`: more than two thirds of the grid lie above the last level, or its rim a hundredfold;
    - `too-narrow`: fewer than two levels are crossed;
    - `not-finite`: the loss is NaN or infinite somewhere;
    - `zero-direction`: a direction is zero, so that nothing changes along its axis;
    - `parallel-directions`: both directions are (almost) the same or opposite, so that the plane is a line;
    - `noise`: the data are too few for levels that close;
    - `un-normalized`: random directions that are not rescaled to the weights;
    - `borrowed-scale`: directions that were rescaled to other weights than those they start from;
    - `wrong-statistics`: an interpolation that misses its ends' own losses, for its batch-norm statistics
      are not theirs;
    - `off-plane`: a path that is farther from the plane than from the centre, or leaves the grid;
    - `one-seed`: the directions are one random draw;
    - `frozen-batch-norm`: running statistics are those of the centre, far away too.

    Args:
        dataset: What `evaluate_line`, `evaluate_plane` or `interpolate` returned; of several draws
            (`repeats=`) the first is looked at. Of its variable `loss` alone less can be said: how it was
            measured stands in the Dataset's `attrs`.
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
    plot = read(dataset, levels)
    found = [finding for check in _CHECKS for finding in check(plot)]
    found += _below_zero(plot, levels is None)
    if path is not None:
        found += _off_plane(plot, path)
    if all(finding.severity == "note" for finding in found):
        found += _frozen_batch_norm(plot)
    return Diagnosis(sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity)))


def _off_centre(plot: Measured) -> Iterator[Finding]:
    if plot.centre is None or not np.isfinite(plot.centre) or not plot.finite.any():
        return
    index = np.unravel_index(np.where(plot.finite, plot.loss, np.inf).argmin(), plot.loss.shape)
    lowest = plot.lowest
    drop, rounding = plot.centre - lowest, 1e-6 * abs(plot.centre)
    noise = 1e-3 * abs(plot.centre) if plot.stderr is None else np.nan_to_num(plot.stderr[index])
    if drop <= max(noise, rounding):
        return
    height = min(float(plot.loss[plot.finite].max()), plot.levels[-1]) - lowest
    visible = drop > _VISIBLE * height or np.ptp(np.searchsorted(plot.levels, [lowest, plot.centre])) > 0
    yield Finding(
        "off-centre",
        "problem" if visible else "note",
        f"The centre is not the lowest point: its loss is {plot.centre:.3g}, and {lowest:.3g} at {plot.place(index)} "
        f"({drop:.2g} lower){'' if visible else ', which is too little to be seen at this height'}.",
        "The network is not at a minimum of this loss: train longer, measure on the data (and with the loss and the "
        "batch-norm statistics) that it was trained with, or do not call the centre a minimum.",
    )


def _below_zero(plot: Measured, by_default: bool) -> Iterator[Finding]:
    if not plot.below_zero or not (by_default or plot.levels[0] > 0):
        return
    low, high = limits([plot.loss])
    index = np.unravel_index(np.where(plot.finite, plot.loss, np.inf).argmin(), plot.loss.shape)
    drawn = (
        "The plots have levels between its lowest and its highest value, and linear heights, in their place."
        if by_default
        else f"What is below the first level, {plot.levels[0]:.3g}, has one colour."
    )
    yield Finding(
        "below-zero",
        "note" if by_default else "problem",
        f"The loss goes below zero (it is {low:.3g} at {plot.place(index)}): the paper's levels, and logarithmic "
        f"heights, do not apply to it. {drawn}",
        f"Compare such planes on common levels of their own between {low:.3g} and {high:.3g}, such as levels=10, or "
        "measure a loss that is bounded by zero.",
    )


def _too_high(plot: Measured) -> Iterator[Finding]:
    if plot.finite.any() and plot.levels[-1] < plot.lowest < np.inf:
        top = float(plot.loss[plot.finite].max())
        yield Finding(
            "too-high",
            "problem",
            f"The lowest loss, {plot.lowest:.3g}, is above the last level, {plot.levels[-1]:.3g}: there is nothing to "
            "draw.",
            f"Choose levels between {plot.lowest:.3g} and {top:.3g}, or check that the trained weights were loaded.",
        )


def _too_wide(plot: Measured) -> Iterator[Finding]:
    last, values = plot.levels[-1], np.where(plot.finite, plot.loss, np.inf)
    above, rim = float((values > last).mean()), float(np.median(values[plot.rim]))
    steep = rim > last + (_FAR_ABOVE - 1) * (last - min(plot.lowest, 0.0))
    if plot.between or not plot.lowest <= last or not (above > _TOO_MUCH or steep):
        return
    height = f"{rim:.3g}" if np.isfinite(rim) else "not finite"
    yield Finding(
        "too-wide",
        "warning",
        f"{above:.0%} of the {plot.noun} lie above the last level, {last:.3g}, and the loss at the rim is {height}: "
        "what matters is a small part of the picture.",
        f"Zoom in: {narrower(plot)}, about where the loss crosses the last level.",
    )


def _too_narrow(plot: Measured) -> Iterator[Finding]:
    highest = float(plot.loss[plot.finite].max(initial=-np.inf))
    crossed = int(((plot.levels > plot.lowest) & (plot.levels <= highest)).sum())
    hidden = plot.below_zero and plot.levels[0] > 0
    still = {*plot.lengths} == {0}
    if hidden or still:  # a wider extent would show no more
        return
    if plot.between or crossed >= 2 or plot.lowest > plot.levels[-1] or not plot.finite.all():
        return
    yield Finding(
        "too-narrow",
        "warning",
        f"The loss goes from {plot.lowest:.3g} to {highest:.3g} and crosses {crossed or 'none'} of the levels "
        f"({plot.levels[0]:.3g}, {plot.levels[1]:.3g}, …): the {plot.noun} looks flat on them.",
        f"Widen it: {wider(plot)}.",
    )


def _not_finite(plot: Measured) -> Iterator[Finding]:
    bad = ~plot.finite
    if not bad.any():
        return
    if bad.all():
        yield _nothing_finite(plot)
        return
    sizes = [max(abs(low), abs(high)) for low, high in plot.extent]
    scaled = [np.abs(axis) / size for axis, size in zip(plot.axes, sizes, strict=True)]
    radius = np.max(np.meshgrid(*scaled, indexing="ij"), axis=0)
    nearest = np.unravel_index(np.where(bad, radius, np.inf).argmin(), bad.shape)
    negative = 0 if plot.negative is None else int((bad & plot.negative.astype(bool)).sum())
    explained = negative == bad.sum()
    text = f"The loss is not finite at {bad.mean():.1%} of the points, the nearest of them at {plot.place(nearest)}."
    if negative:
        text += f" At {'all' if explained else negative} of them a running variance of batch norm is negative, "
        text += "so there is no such network."
    advice = (
        "This is no property of the loss: extrapolate less, or use interpolate(..., batch_norm='recalibrated')."
        if explained
        else "The plots mark these points; do not read a height there. The loss overflows, or the network cannot be "
        "evaluated: make the extent smaller, or measure in float64."
    )
    shares = [(0.9 * radius[nearest] * low, 0.9 * radius[nearest] * high) for low, high in plot.extent]
    if not plot.between and radius[nearest] > 0:
        advice += f" All is finite within about {in_words(shares)}."
    grave = not explained and (bad.mean() > _NOISY or radius[nearest] < _FAR)
    yield Finding("not-finite", "problem" if grave else "warning", text, advice)


def _nothing_finite(plot: Measured) -> Finding:
    return Finding(
        "not-finite",
        "problem",
        f"There is no finite loss: at 100.0% of the points of this {plot.noun} it is NaN or infinite, so there is "
        "nothing to draw.",
        "Look at the loss of the network itself, objective(): if it is not finite either, the weights, the data or "
        "the loss are broken; if it is, make the extent much smaller, or measure in float64.",
    )


def _zero_direction(plot: Measured) -> Iterator[Finding]:
    for dim, length in zip(plot.dims, plot.lengths, strict=False):
        if length == 0:
            yield Finding(
                "zero-direction",
                "problem",
                f"The direction of {SIGNS[dim]} is zero: nothing moves along it, and the loss stays what it is.",
                "Give a direction that is not zero: random_directions(model, 2) draws some; with ignore= or "
                "frozen weights, see that something is left to move.",
            )


def _parallel_directions(plot: Measured) -> Iterator[Finding]:
    for cosine in np.ravel(plot.attrs.get(schema.DIRECTION_COSINE, [])):
        if abs(cosine) <= _ALMOST:
            continue
        line = abs(cosine) > 1 - _PARALLEL
        shown = "it shows one line, drawn as stripes" if line else "it is squeezed: what looks round is long and thin"
        yield Finding(
            "parallel-directions",
            "problem" if line else "warning",
            f"Both directions are {'' if line else 'almost '}{'the same' if cosine > 0 else 'opposite'} up to their "
            f"lengths (the cosine of their angle is {cosine:.4g}): they span no plane of their own, and {shown}.",
            "Give two different directions, such as random_directions(model, 2), or make them orthogonal "
            "(orthogonal=True, or orthogonalized).",
        )


def _noise(plot: Measured) -> Iterator[Finding]:
    """Whether contours are closer to each other than the error of what they are drawn through."""
    samples = plot.attrs.get(schema.SAMPLES)
    if plot.stderr is None:
        if samples is not None and samples < _FEW_SAMPLES:
            yield Finding(
                "noise",
                "note",
                f"The loss is a mean over {samples} samples, and its standard error is not known.",
                f"Measure on {_FEW_SAMPLES} samples or more, or compare two halves of the data.",
            )
        return
    drawn = plot.finite & (plot.loss <= plot.levels[-1]) & np.isfinite(plot.stderr)
    if not drawn.any():
        return
    bands = np.searchsorted(plot.levels, plot.loss[drawn]).clip(1, len(plot.levels) - 1) - 1
    ratio = 2 * plot.stderr[drawn] / np.diff(plot.levels)[bands]
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


def _un_normalized(plot: Measured) -> Iterator[Finding]:
    made, normalization = plot.made, str(plot.attrs.get(schema.NORMALIZATION, ""))
    plain = any(d.get("kind") == "random" and d.get("normalization") in _PLAIN for d in made)
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


def _borrowed_scale(plot: Measured) -> Iterator[Finding]:
    steps = plot.attrs.get(schema.RELATIVE_STEPS, [])
    if any(abs(step - 1) > _OTHER for step in steps):
        yield Finding(
            "borrowed-scale",
            "warning",
            f"The directions say that they are {plot.attrs.get('normalization')}-normalized, but their steps are "
            f"{steps[0]:.3g} to {steps[1]:.3g} times as long as the weights they start from: they were rescaled to "
            "another network, so the width of the picture says nothing about this one.",
            "Draw them for this network, or rescale them: normalize_direction(direction, parameters_of(model), ...).",
        )


def _wrong_statistics(plot: Measured) -> Iterator[Finding]:
    finite = plot.loss[plot.finite]
    if len(plot.axes) > 1:
        return
    for end, own in enumerate(plot.attrs.get(schema.END_LOSSES, [])):
        (axis,) = plot.axes
        at = int(np.abs(axis - end).argmin())
        drawn = float(plot.loss[at])
        if not (np.isclose(axis[at], end) and np.isfinite(drawn) and np.isfinite(own)):
            continue
        crossed = np.ptp(np.searchsorted(plot.levels, [own, drawn])) > 0
        if crossed and abs(drawn - own) > _VISIBLE * (min(finite.max(), plot.levels[-1]) - finite.min()):
            yield Finding(
                "wrong-statistics",
                "problem",
                f"At α = {end} the curve has a loss of {drawn:.3g}; that network's own loss is {own:.3g}. The "
                f"batch-norm statistics ({plot.attrs.get('batch_norm')}) are not its own there.",
                "Interpolate them with the weights (batch_norm='interpolated') or find them anew from the data "
                "(batch_norm='recalibrated').",
            )


def _dead_filters(plot: Measured) -> Iterator[Finding]:
    dead = max((made.get("dead_filters", 0) for made in plot.made), default=0)
    if dead:
        yield Finding(
            "dead-filters",
            "note",
            f"{dead} filter{'s' * (dead > 1)} of the network {'are' if dead > 1 else 'is'} zero, and the directions "
            "leave them where they are: filter normalization has no scale for them.",
            "dead_filters(parameters_of(model)) lists them; weight decay may have emptied them.",
        )


def _one_seed(plot: Measured) -> Iterator[Finding]:
    if plot.repeats == 1 and any(direction.get("kind") == "random" for direction in plot.made):
        yield Finding(
            "one-seed",
            "note",
            f"The directions are a single random draw (seed {plot.attrs.get('seed', 'unknown')}).",
            "Draw it again (repeats=3, or other seeds), and believe only what all of them show.",
        )


def _off_plane(plot: Measured, path: xr.Dataset) -> Iterator[Finding]:
    check_path("path", path, (*plot.dims, "distance"))
    places = [path[dim].values for dim in plot.dims]
    distance = path.distance.values
    inside = path.in_plane.values if "in_plane" in path else np.linalg.norm(places, axis=0)
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
    out = np.any([(x < low) | (x > high) for x, (low, high) in zip(places, plot.extent, strict=True)], axis=0)
    if out.any():
        ends = [(min(x.min(), low), max(x.max(), high)) for x, (low, high) in zip(places, plot.extent, strict=True)]
        margins = [0.1 * (high - low) for low, high in ends]
        wanted = [(low - margin, high + margin) for (low, high), margin in zip(ends, margins, strict=True)]
        yield Finding(
            "off-plane",
            "warning",
            f"{out.mean():.0%} of the path's points are outside of the {plot.noun}.",
            f"Measure {in_words(wanted)}.",
        )


def _frozen_batch_norm(plot: Measured) -> Iterator[Finding]:
    frozen = plot.attrs.get(schema.BATCH_NORM) == "frozen" and plot.attrs.get(schema.BATCH_NORM_LAYERS) != 0
    if frozen and np.abs(plot.extent).max() > _FAR:
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


_CHECKS: tuple[Callable[[Measured], Iterator[Finding]], ...] = (
    _off_centre, _too_high, _too_wide, _too_narrow, _not_finite, _zero_direction, _parallel_directions, _noise,
    _un_normalized, _borrowed_scale, _wrong_statistics, _dead_filters, _one_seed,
)  # fmt: skip
