"""Checks of exercises about misleading plots: which one misleads, is it repaired, whose scale it has."""

from collections.abc import Collection, Mapping

import xarray as xr

from landscape_nb._common.schema import OBJECTIVE
from landscape_nb.course.exercises.feedback import OPEN, Feedback
from landscape_nb.diagnosis.diagnose import diagnose
from landscape_nb.weights.normalization import relative_steps
from landscape_nb.weights.params import Params, norm

_LONGEST = 1.01


def check_which_mislead(answer: str | Collection[str], plots: Mapping[str, xr.Dataset]) -> Feedback:
    """Check which of several plots mislead, as `diagnose` sees it (problems and warnings count, notes do not).

    Args:
        answer: The name of the plot, or names, or `...`.
        plots: Lines or planes by name.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [9.0, 0.0, 9.0])}, {"alpha": [-1.0, 0.0, 1.0]}, {"samples": 500})
        >>> check_which_mislead("b", {"a": line, "b": line * 1e-9}).right
        True
    """
    if answer is ...:
        return OPEN
    named = {answer} if isinstance(answer, str) else set(answer)
    if unknown := named - set(plots):
        return Feedback(False, f"There is no plot {', '.join(sorted(map(repr, unknown)))}; wants {', '.join(plots)}.")
    codes = {name: [f.code for f in diagnose(plot) if f.severity != "note"] for name, plot in plots.items()}
    wanted = {name for name in plots if codes[name]}
    if named == wanted:
        return Feedback(True, "; ".join(f"{name}: {', '.join(codes[name])}" for name in sorted(wanted)) + ".")
    if named == set(plots) - wanted:
        return Feedback(False, "Those are the honest ones.")
    if wrong := named - wanted:
        return Feedback(False, f"About {' and '.join(sorted(wrong))} there are notes at most. Look at the axes.")
    return Feedback(False, "Right so far, but there is more than that.")


def check_repaired(answer: xr.Dataset, lie: xr.Dataset) -> Feedback:
    """Check a plot that a reader measured anew, in place of a misleading one.

    Args:
        answer: What was measured, or `...`.
        lie: The misleading plot of the same loss.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> line = xr.Dataset({"loss": ("alpha", [9.0, 0.0, 9.0])}, {"alpha": [-1.0, 0.0, 1.0]}, {"samples": 500})
        >>> check_repaired(line, line * 1e-9).right
        True
    """
    if answer is ...:
        return OPEN
    if not isinstance(answer, xr.Dataset):
        return Feedback(False, "The answer is what `lnb.evaluate_line` or `lnb.evaluate_plane` returns.")
    if answer.attrs.get(OBJECTIVE) != lie.attrs.get(OBJECTIVE):
        return Feedback(False, "That is another loss: measure the same objective.")
    left = [f for f in diagnose(answer) if f.severity != "note"]
    if not left:
        return Feedback(True, "Nothing but notes is left.")
    first, before = left[0], [f.code for f in diagnose(lie)]
    start = "Still" if first.code in before else "Now it is"
    return Feedback(False, f"{start} {first.code}. {first.text} {first.suggestion}")


def check_foreign_direction(answer: str, directions: Mapping[str, Params], weights: Params) -> Feedback:
    """Check which direction was normalized to the weights of another network.

    Args:
        answer: The direction's name, or `...`.
        directions: Directions by name; all but one have filters as long as those of `weights`.
        weights: The point around which the plot is drawn.

    Returns:
        Whether the answer is right, with praise or a hint.

    Example:
        >>> import torch
        >>> w = {"w": torch.tensor([[3.0, 4.0]])}
        >>> check_foreign_direction("b", {"a": {"w": torch.tensor([[5.0, 0.0]])}, "b": w | {"w": w["w"] / 2}}, w).right
        True
    """
    if answer is ...:
        return OPEN
    if answer not in directions:
        return Feedback(False, f"The answer is a name: {', '.join(map(repr, directions))}.")
    steps = {name: relative_steps(direction, weights) for name, direction in directions.items()}
    foreign = {name for name, (low, high) in steps.items() if high > _LONGEST or low < 1 / _LONGEST}
    low, high = steps[answer]
    if answer in foreign:
        return Feedback(True, f"Its filters are between {low:.2g} and {high:.2g} times as long as the weights'.")
    if answer == max(directions, key=lambda name: norm(directions[name])):
        return Feedback(False, "The longest as a whole is not the one: compare filter by filter.")
    return Feedback(False, "Each of its filters is as long as the filter that it moves: it is normalized to them.")
