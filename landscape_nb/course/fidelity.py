"""What the paper says and prints, beside what came out here, with a verdict that a rule gives.

Each statement has a measure (numbers from a gallery's results) and a rule (numbers to a verdict). Only the paper's
side and the reasons are written by hand.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape_nb._common.schema import REPEAT
from landscape_nb.course.claims import in_markdown
from landscape_nb.diagnosis import local_minima, roughness
from landscape_nb.gallery.shown import MAPS, Shown

MATCHED, WEAKER, FAILED, ABSENT = "matched", "weaker", "not reproduced", "not computed yet"
VERDICTS = (MATCHED, WEAKER, FAILED, ABSENT)

Numbers = Sequence[float]
Rule = Callable[[Numbers, Numbers], str]
Measure = Callable[[Shown], "list[float | None]"]


@dataclass(frozen=True)
class Statement:
    """A statement of the paper, or a row of numbers that it prints.

    Attributes:
        figure: Where, such as `'Figure 5'`.
        says: What, in a sentence.
        paper: The paper's numbers; none where it is a statement about a picture.
        measure: What those numbers are here; None for one that is not computed.
        rule: The verdict on the paper's numbers and ours.
        rule_text: The rule in words.
        digits: Digits after the point.
        why: The reasons for a difference, at the paper's scale and at the quick one.
    """

    figure: str
    says: str
    paper: Numbers
    measure: Measure
    rule: Rule
    rule_text: str
    digits: int = 1
    why: str = ""


def close(paper: Numbers, ours: Numbers) -> str:
    """Matched: all within a quarter of the paper's number; weaker: within a factor of two.

    Example:
        >>> close([8.0], [9.0]), close([8.0], [15.0]), close([8.0], [17.0])
        ('matched', 'weaker', 'not reproduced')
    """
    factors = [max(a, b) / max(min(a, b), 1e-12) for a, b in zip(paper, ours, strict=True)]
    return MATCHED if max(factors) <= 1.25 else WEAKER if max(factors) <= 2 else FAILED


def rising(paper: Numbers, ours: Numbers) -> str:
    """Matched: every number is a fifth above the one before; weaker: above it.

    Example:
        >>> rising([], [1, 2, 3]), rising([], [1.0, 1.1]), rising([], [2, 1])
        ('matched', 'weaker', 'not reproduced')
    """
    pairs = list(itertools.pairwise(ours))
    return MATCHED if all(b >= 1.2 * a for a, b in pairs) else WEAKER if all(b > a for a, b in pairs) else FAILED


def far_above(paper: Numbers, ours: Numbers) -> str:
    """Matched: the second number is three times the first, and so on by pairs; weaker: larger.

    Example:
        >>> far_above([], [5, 55]), far_above([], [5, 8]), far_above([], [5, 5])
        ('matched', 'weaker', 'not reproduced')
    """
    pairs = list(zip(ours[::2], ours[1::2], strict=True))
    return MATCHED if all(b >= 3 * a for a, b in pairs) else WEAKER if all(b > a for a, b in pairs) else FAILED


def above(limit: float) -> Rule:
    """Matched: all numbers are at least `limit`; weaker: half of it.

    Example:
        >>> above(4)([], [5.0, 4.0]), above(4)([], [5.0, 3.0]), above(4)([], [1.0])
        ('matched', 'weaker', 'not reproduced')
    """
    return lambda paper, ours: MATCHED if min(ours) >= limit else WEAKER if min(ours) >= limit / 2 else FAILED


def below(limit: float) -> Rule:
    """Matched: all numbers are at most `limit`; weaker: twice of it.

    Example:
        >>> below(4)([], [3.0]), below(4)([], [7.0]), below(4)([], [9.0])
        ('matched', 'weaker', 'not reproduced')
    """
    return lambda paper, ours: MATCHED if max(ours) <= limit else WEAKER if max(ours) <= 2 * limit else FAILED


def per_role(product: str, number: Callable[[xr.Dataset], float | Sequence[float]], *roles: str) -> Measure:
    """A number, or several, of one product of several networks."""

    def measure(results: Shown) -> list[float | None]:
        found = [results(role, product) for role in roles]
        values = [[None] if each is None else np.ravel(number(each)).tolist() for each in found]
        return [value for row in values for value in row]

    return measure


def error_in_percent(trained: xr.Dataset) -> float:
    """In percent."""
    return 100 * (1 - trained.attrs["final_test_accuracy"])


def final_norm(trained: xr.Dataset) -> float:
    """The norm of the weights at the end."""
    return float(trained.weight_norm[-1])


def rises(line: xr.Dataset) -> list[float]:
    """How much the loss rises on the first fifth of the way from either end to the other."""
    loss = [float(line.loss.sel(alpha=alpha, method="nearest")) for alpha in (0, 0.2, 0.8, 1)]
    return [loss[1] - loss[0], loss[2] - loss[3]]


def rise_at_half(lines: xr.Dataset) -> float:
    """How much the loss rises at half the range, the mean over both sides and all directions."""
    sides = lines.loss.sel(alpha=[-0.5, 0.5], method="nearest")
    return float(sides.mean() - lines.loss.sel(alpha=0, method="nearest").mean())


def spread(lines: xr.Dataset) -> float:
    """How far lines in several directions are apart: the standard deviation of log₁₀ loss, its mean over the line."""
    return float(np.log10(lines.loss).std(REPEAT).mean())


def border(plane: xr.Dataset) -> float:
    """The median loss on the border of a plane."""
    z = plane.loss.values
    return float(np.median(np.concatenate([z[0], z[-1], z[1:-1, 0], z[1:-1, -1]])))


def largest_coordinate(paths: xr.Dataset) -> float:
    """How far a path reaches in two random directions, in lengths of the weights."""
    return float(max(np.abs(paths.random_alpha).max(), np.abs(paths.random_beta).max()))


def shares(path: xr.Dataset) -> list[float]:
    """Of the variance, in percent, that the first two components hold."""
    return [100 * share for share in path.attrs["shares"]]


def _maps(*roles: str, number: Callable[[xr.Dataset], float]) -> Measure:
    def measure(results: Shown) -> list[float | None]:
        found = [results(role, *MAPS) for role in roles]
        return [None if each is None else number(each) for each in found]

    return measure


_SIDES, _DECAYS = ("small", "large"), ("no-decay", "decay")
_SGD = [f"vgg9-sgd-{side}-{decay}" for decay in _DECAYS for side in _SIDES]
_DEEP = ("resnet20", "resnet56", "resnet110")
_WIDE = ("resnet-k1", "resnet-k2", "resnet-k4", "resnet-k8")
_SHORTER = "20 epochs instead of 300, JPEG images, one draw"

_CLOSE = "within a quarter (weaker: a factor of 2)"
_RISING = "each a fifth above the one before (weaker: above)"
_FAR = "three times as many (weaker: more)"


def _with(ending: str, names: Sequence[str]) -> list[str]:
    return [f"{name}-{ending}" for name in names]


def _paths(optimizer: str, decay: str) -> list[str]:
    return [f"vgg9-{optimizer}-{side}-{decay}" for side in _SIDES]


STATEMENTS = (
    Statement(
        "Figure 1",
        "The surface of ResNet-56 is ragged without shortcuts and smooth with them (local minima, with and without).",
        (),
        per_role("plane", local_minima, "resnet56-shortcuts", "resnet56-plain"),
        far_above,
        _FAR,
        0,
        "on digits the plain network does not train",
    ),
    Statement(
        "Figure 1",
        "The same, by the RMS of log loss against its neighbours, with shortcuts and without.",
        (),
        per_role("plane", roughness, "resnet56-shortcuts", "resnet56-plain"),
        far_above,
        "three times as large (weaker: larger)",
        3,
        "on digits the plain network does not train",
    ),
    Statement(
        "Figure 2",
        "VGG-9, test error in %: without decay at batch 128 and 8192, with decay at both.",
        (7.37, 11.07, 6.0, 10.19),
        per_role("training", error_in_percent, *_SGD),
        close,
        _CLOSE,
        2,
        _SHORTER + "; large batches make few updates; half of the width. On digits other batches",
    ),
    Statement(
        "Figure 2",
        "VGG-9, norm of the weights at the end, in the same order.",
        (158, 64, 23, 39.5),
        per_role("training", final_norm, *_SGD),
        close,
        _CLOSE,
        1,
        _SHORTER + "; narrower networks have smaller norms",
    ),
    Statement(
        "Figure 2",
        "Without decay the large-batch end is the sharper one (rise of the loss at the small-batch end, at the other).",
        (),
        per_role("between-interpolated", rises, "vgg9-between-no-decay"),
        rising,
        _RISING,
        2,
        _SHORTER,
    ),
    Statement(
        "Figure 2",
        "With decay the small-batch end is the sharper one (rise at the large-batch end, at the small-batch end).",
        (),
        per_role("between-interpolated", lambda line: rises(line)[::-1], "vgg9-between-decay"),
        rising,
        _RISING,
        2,
        _SHORTER,
    ),
    Statement(
        "Figure 3",
        "Filter-normalized, without decay: small batches are flatter (rise at half the range, small and large).",
        (),
        per_role("lines", rise_at_half, *_SGD[:2]),
        rising,
        _RISING,
        2,
        _SHORTER,
    ),
    Statement(
        "Figure 3",
        "Filter-normalized, with decay: small batches are flatter.",
        (),
        per_role("lines", rise_at_half, *_SGD[2:]),
        rising,
        _RISING,
        2,
        _SHORTER,
    ),
    Statement(
        "Figure 4",
        "ResNet-110 without shortcuts is chaotic (local minima).",
        (),
        per_role("plane", local_minima, "resnet110-plain"),
        above(20),
        "20 or more (weaker: 10)",
        0,
    ),
    Statement(
        "Figure 4",
        "DenseNet-121 has no noticeable non-convexity (local minima).",
        (),
        per_role("plane", local_minima, "densenet"),
        below(5),
        "5 or fewer (weaker: 10)",
        0,
    ),
    Statement(
        "Figure 5",
        "Test error in % with shortcuts, at 20, 56, 110 layers.",
        (7.37, 5.89, 5.79),
        per_role("training", error_in_percent, *_with("shortcuts", _DEEP)),
        close,
        _CLOSE,
        2,
        _SHORTER,
    ),
    Statement(
        "Figure 5",
        "Test error in % without shortcuts, at 20, 56, 110 layers.",
        (8.18, 13.31, 16.44),
        per_role("training", error_in_percent, *_with("plain", _DEEP)),
        close,
        _CLOSE,
        2,
        _SHORTER,
    ),
    Statement(
        "Figure 5",
        "Without shortcuts the surface turns chaotic with depth (local minima at 20 and 56 layers).",
        (),
        per_role("plane", local_minima, *_with("plain", _DEEP[:2])),
        far_above,
        _FAR,
        0,
        "on digits deep plain networks do not train",
    ),
    Statement(
        "Figure 6",
        "Test error in % with shortcuts, k = 1, 2, 4, 8.",
        (5.89, 5.07, 4.34, 3.93),
        per_role("training", error_in_percent, *_with("shortcuts", _WIDE)),
        close,
        _CLOSE,
        2,
        _SHORTER + "; 20 layers",
    ),
    Statement(
        "Figure 6",
        "Test error in % without shortcuts, k = 1, 2, 4, 8.",
        (13.31, 10.26, 9.69, 8.70),
        per_role("training", error_in_percent, *_with("plain", _WIDE)),
        close,
        _CLOSE,
        2,
        _SHORTER + "; 20 layers",
    ),
    Statement(
        "Figure 6",
        "Wider networks have flatter surroundings (rise at half the range, k = 8, 4, 2, 1, with shortcuts).",
        (),
        per_role("lines", rise_at_half, *_with("shortcuts", _WIDE[::-1])),
        rising,
        _RISING,
        2,
    ),
    Statement(
        "Figure 7",
        "DenseNet-121: |λmin / λmax| is below 1 % over a large region (share of the points).",
        (),
        _maps("densenet", number=lambda found: float((found.ratio < 0.01).mean())),
        above(0.25),
        "a quarter of the points or more (weaker: an eighth)",
        2,
    ),
    Statement(
        "Figure 7",
        "Negative curvature is larger beside positive without shortcuts (median ratio, ResNet-56 with, without).",
        (),
        _maps("resnet56-shortcuts", "resnet56-plain", number=lambda found: float(found.ratio.median())),
        far_above,
        "three times as large (weaker: larger)",
        2,
        "on digits the plain network does not train",
    ),
    Statement(
        "Figure 8",
        "In two random directions a trajectory hardly moves (its largest coordinate; the weights' length is 1).",
        (0.001,),
        per_role("random-paths", largest_coordinate, "vgg9-sgd-small-decay"),
        below(0.01),
        "0.01 or less (weaker: 0.02)",
        4,
        "small networks have fewer weights, so that chance is larger",
    ),
    *(
        Statement(
            "Figure 9",
            f"Share of the variance in % of PC1 and PC2, {name}, {words}: batch 128, then 8192.",
            printed,
            per_role("path", shares, *_paths(name.lower(), decay)),
            close,
            _CLOSE,
            1,
            _SHORTER + ": small batches move on for longer in 300 epochs",
        )
        for (name, words, decay), printed in {
            ("SGD", "weight decay", "decay"): (24.57, 15.04, 87.78, 6.33),
            ("Adam", "weight decay", "decay"): (32.80, 17.47, 71.74, 13.03),
            ("SGD", "no decay", "no-decay"): (73.65, 11.04, 81.87, 8.72),
            ("Adam", "no decay", "no-decay"): (77.97, 9.56, 80.31, 9.25),
        }.items()
    ),
    Statement(
        "Figure 9",
        "Two components hold 40 to 94 % of the variance (SGD: sums).",
        (),
        per_role("path", lambda path: sum(shares(path)), *_SGD),
        above(40),
        "40 % or more (weaker: 20 %)",
        1,
    ),
    Statement(
        "Section 6",
        "The initial loss is below 2.5 (VGG-9).",
        (2.5,),
        per_role("path", lambda path: float(path.loss[0]), _SGD[2]),
        below(2.5),
        "2.5 or less (weaker: 5)",
        2,
    ),
    Statement(
        "Section 6",
        "Well-behaved networks have a basin whose rim is at 4 or above (median loss at ±1, ResNet-56 with shortcuts).",
        (4.0,),
        per_role("plane", border, "resnet56-shortcuts"),
        above(4),
        "4 or more (weaker: 2)",
        1,
    ),
    Statement(
        "Appendix",
        "Ten random directions give nearly the same curve (standard deviation of log₁₀ loss, four VGG-9).",
        (),
        per_role("lines", spread, *_SGD),
        below(0.1),
        "0.1 or less (weaker: 0.2)",
        3,
        "a direction has few weights in a small network, so that chance is larger",
    ),
    Statement(
        "Appendix",
        "Repeated planes of ResNet-56 without shortcuts are different, always chaotic (local minima of the fewest).",
        (),
        lambda results: [
            None if plane is None else local_minima(plane)
            for plane in (results("resnet56-plain", name) for name in ("plane", "plane-1", "plane-2", "plane-3"))
        ],
        above(20),
        "20 or more in each (weaker: 10)",
        0,
    ),
    Statement(
        "Appendix",
        "ResNet-56, test error in % at batch 128 and 4096.",
        (5.89, 10.59),
        per_role("training", error_in_percent, "resnet56-shortcuts", "resnet56-large-batch"),
        close,
        _CLOSE,
        2,
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a statement at one scale: the numbers, None where not computed, and the verdict."""

    numbers: Sequence[float | None]
    verdict: str


def outcome(statement: Statement, results: Shown) -> Outcome:
    """The verdict on a statement from some results.

    Args:
        statement: The statement.
        results: The results.

    Example:
        >>> from landscape_nb.gallery.shown import PAPER
        >>> outcome(STATEMENTS[0], Shown(PAPER)).verdict
        'matched'
    """
    found = statement.measure(results)
    known = [number for number in found if number is not None]
    if len(known) < len(found):
        return Outcome(found, ABSENT)
    return Outcome(found, statement.rule(statement.paper, known))


def table(paper: Shown, quick: Shown) -> str:
    """All statements as a Markdown table.

    Args:
        paper: Results at the paper's scale.
        quick: Results of the small networks.
    """
    head = "| where | the paper | its numbers | here, at its scale | | here, on digits | | rule | why |"
    rows = [head, "|---" * 9 + "|"]
    for statement in STATEMENTS:
        scale, small = outcome(statement, paper), outcome(statement, quick)
        differs = {scale.verdict, small.verdict} & {WEAKER, FAILED}
        cells = [
            statement.figure,
            statement.says,
            _texts(statement.paper, statement.digits),
            _texts(scale.numbers, statement.digits),
            f"**{scale.verdict}**",
            _texts(small.numbers, statement.digits),
            f"**{small.verdict}**",
            statement.rule_text,
            statement.why if differs else "",
        ]
        plain = {4, 6}
        rows.append("| " + " | ".join(c if i in plain else in_markdown(c) for i, c in enumerate(cells)) + " |")
    return "\n".join([*rows, ""])


def _texts(numbers: Sequence[float | None], digits: int) -> str:
    return ", ".join("?" if number is None else f"{number:.{digits}f}" for number in numbers)
