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
from landscape_nb.gallery.jobs import JOBS
from landscape_nb.gallery.results import read
from landscape_nb.gallery.shown import MAPS, QUICK, Shown

MATCHED, WEAKER, FAILED, ABSENT = "matched", "weaker", "not reproduced", "not computed yet"
UNTRAINED, ELSEWHERE = "not trained well enough to tell", "not part of this scale"
VERDICTS = (MATCHED, WEAKER, FAILED, ABSENT, UNTRAINED, ELSEWHERE)
TRAINED = 0.9
"""The training accuracy below which a network's surroundings say nothing about a trained network's."""

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
        why: The reason for a difference, besides that of training, networks and data, which is made from the jobs.
        of_trained: Whether it is about the surroundings of trained networks.
        on_digits: Whether it can hold of small networks on the digits: test errors in percent cannot.
        coarse: Whether the results are coarser than the paper's, so that more than "weaker" cannot be said.
    """

    figure: str
    says: str
    paper: Numbers
    measure: Measure
    rule: Rule
    rule_text: str
    digits: int = 1
    why: str = ""
    of_trained: bool = True
    on_digits: bool = True
    coarse: Callable[[Shown], bool] = lambda results: False


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
    return (
        MATCHED if all(b > a and b >= 1.2 * a for a, b in pairs) else WEAKER if all(b > a for a, b in pairs) else FAILED
    )


def far_above(paper: Numbers, ours: Numbers) -> str:
    """Matched: the second number is three times the first, and so on by pairs; weaker: larger.

    Example:
        >>> far_above([], [5, 55]), far_above([], [5, 8]), far_above([], [5, 5])
        ('matched', 'weaker', 'not reproduced')
    """
    pairs = list(zip(ours[::2], ours[1::2], strict=True))
    return (
        MATCHED if all(b > a and b >= 3 * a for a, b in pairs) else WEAKER if all(b > a for a, b in pairs) else FAILED
    )


def above(limit: float) -> Rule:
    """Matched: all numbers are at least `limit`; weaker: half of it.

    Example:
        >>> above(4)([], [5.0, 4.0]), above(4)([], [5.0, 3.0]), above(4)([], [1.0])
        ('matched', 'weaker', 'not reproduced')
    """
    return lambda paper, ours: MATCHED if min(ours) >= limit else WEAKER if min(ours) >= limit / 2 else FAILED


def within(low: float, high: float) -> Rule:
    """Matched: all numbers lie between two others; weaker: most do.

    Example:
        >>> within(1, 2)([], [1.5, 1.6]), within(1, 2)([], [1.5, 1.6, 3.0]), within(1, 2)([], [3.0])
        ('matched', 'weaker', 'not reproduced')
    """

    def rule(paper: Numbers, ours: Numbers) -> str:
        share = float(np.mean([low <= number <= high for number in ours]))
        return MATCHED if share == 1 else WEAKER if share > 0.5 else FAILED

    return rule


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
        results.compare(roles, product)
        found = [results(role, product) for role in roles]
        if len(results.scales_in(roles)) > 1:  # networks that were trained otherwise are not compared
            found = [None for _ in roles]
        values = [[None] if each is None else np.ravel(number(each)).tolist() for each in found]
        return [value for row in values for value in row]

    return measure


def error_in_percent(trained: xr.Dataset) -> float:
    """In percent."""
    return 100 * (1 - trained.attrs["final_test_accuracy"])


def minima(plane: xr.Dataset) -> float:
    """Local minima; NaN where nothing is finite."""
    return float(local_minima(plane)) if np.isfinite(plane.loss).any() else np.nan


def final_norm(trained: xr.Dataset) -> float:
    """The norm of the weights at the end."""
    return float(trained.weight_norm[-1])


def rises(line: xr.Dataset) -> list[float]:
    """How much the loss rises on the first twentieth of the way from either end to the other."""
    loss = [float(line.loss.sel(alpha=alpha, method="nearest")) for alpha in (0, 0.05, 0.95, 1)]
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


def _is_coarse(results: Shown) -> bool:
    """Whether a curvature map that was read has fewer than 15 × 15 points."""
    return any(found.sizes["alpha"] < 15 for (_, product), found in results.drawn.items() if product in MAPS)


def _maps(*roles: str, number: Callable[[xr.Dataset], float]) -> Measure:
    def measure(results: Shown) -> list[float | None]:
        found = [results(role, *MAPS) for role in roles]
        return [None if each is None else number(each) for each in found]

    return measure


_SIDES, _DECAYS = ("small", "large"), ("no-decay", "decay")
_SGD = [f"vgg9-sgd-{side}-{decay}" for decay in _DECAYS for side in _SIDES]
_DEEP = ("resnet20", "resnet56", "resnet110")
_WIDE = ("resnet-k1", "resnet-k2", "resnet-k4", "resnet-k8")

_EIGHT = [f"vgg9-{name}-{side}-{decay}" for name in ("sgd", "adam") for decay in _DECAYS[::-1] for side in _SIDES]
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
        per_role("plane", minima, "resnet56-shortcuts", "resnet56-plain"),
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
        "large batches make few updates in few epochs",
        of_trained=False,
        on_digits=False,
    ),
    Statement(
        "Figure 2",
        "VGG-9, norm of the weights at the end, in the same order.",
        (158, 64, 23, 39.5),
        per_role("training", final_norm, *_SGD),
        close,
        _CLOSE,
        1,
        "narrower networks have smaller norms",
        of_trained=False,
        on_digits=False,
    ),
    Statement(
        "Figure 2",
        "Without decay the large-batch end is the sharper one (rise of the loss at the small-batch end, at the other).",
        (),
        per_role("between-interpolated", rises, "vgg9-between-no-decay"),
        rising,
        _RISING,
        2,
    ),
    Statement(
        "Figure 2",
        "With decay the small-batch end is the sharper one (rise at the large-batch end, at the small-batch end).",
        (),
        per_role("between-interpolated", lambda line: rises(line)[::-1], "vgg9-between-decay"),
        rising,
        _RISING,
        2,
    ),
    Statement(
        "Figure 3",
        "Filter-normalized, without decay: small batches are flatter (rise at half the range, small and large).",
        (),
        per_role("lines", rise_at_half, *_SGD[:2]),
        rising,
        _RISING,
        2,
    ),
    Statement(
        "Figure 3",
        "Filter-normalized, with decay: small batches are flatter.",
        (),
        per_role("lines", rise_at_half, *_SGD[2:]),
        rising,
        _RISING,
        2,
    ),
    Statement(
        "Figure 4",
        "ResNet-110 without shortcuts is chaotic (local minima).",
        (),
        per_role("plane", minima, "resnet110-plain"),
        above(20),
        "20 or more (weaker: 10)",
        0,
    ),
    Statement(
        "Figure 4",
        "DenseNet-121 has no noticeable non-convexity (local minima).",
        (),
        per_role("plane", minima, "densenet"),
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
        of_trained=False,
        on_digits=False,
    ),
    Statement(
        "Figure 5",
        "Test error in % without shortcuts, at 20, 56, 110 layers.",
        (8.18, 13.31, 16.44),
        per_role("training", error_in_percent, *_with("plain", _DEEP)),
        close,
        _CLOSE,
        2,
        of_trained=False,
        on_digits=False,
    ),
    Statement(
        "Figure 5",
        "Without shortcuts the surface turns chaotic with depth (local minima at 20 and 56 layers).",
        (),
        per_role("plane", minima, *_with("plain", _DEEP[:2])),
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
        of_trained=False,
        on_digits=False,
    ),
    Statement(
        "Figure 6",
        "Test error in % without shortcuts, k = 1, 2, 4, 8.",
        (13.31, 10.26, 9.69, 8.70),
        per_role("training", error_in_percent, *_with("plain", _WIDE)),
        close,
        _CLOSE,
        2,
        of_trained=False,
        on_digits=False,
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
        "the map has 5 × 5 points on 100 images, the paper's 31 × 31",
        coarse=_is_coarse,
    ),
    Statement(
        "Figure 8",
        "In two random directions a trajectory hardly moves (its largest coordinate; the weights' length is 1).",
        (0.001,),
        per_role("random-paths", largest_coordinate, "vgg9-sgd-small-decay"),
        below(0.003),
        "three times the paper's or less (weaker: six times)",
        4,
        "small networks have fewer weights, so that chance is larger",
        of_trained=False,
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
            "small batches move on for longer in 300 epochs",
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
        "Two components hold 40 to 94 % of the variance (sums; SGD with decay, without, Adam with, without).",
        (39.61, 94.11, 84.69, 90.59, 50.27, 84.77, 87.53, 89.56),
        per_role("path", lambda path: sum(shares(path)), *_EIGHT),
        within(39.6, 94.2),
        "between the paper's lowest and highest (weaker: most)",
        1,
        "short runs turn less, so that two components hold more",
        of_trained=False,
    ),
    Statement(
        "Section 6",
        "The initial loss is below 2.5 (VGG-9).",
        (2.5,),
        per_role("path", lambda path: float(path.loss[0]), _SGD[2]),
        below(2.5),
        "2.5 or less (weaker: 5)",
        2,
        of_trained=False,
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
        "Appendix, ten directions",
        "Ten random directions give nearly the same curve (standard deviation of log₁₀ loss, four VGG-9).",
        (),
        per_role("lines", spread, *_SGD),
        below(0.1),
        "0.1 or less (weaker: 0.2)",
        3,
        "a direction has few weights in a small network, so that chance is larger",
    ),
    Statement(
        "Appendix, repeated planes",
        "Repeated planes of ResNet-56 without shortcuts are different, always chaotic (local minima of the fewest).",
        (),
        lambda results: [
            None if plane is None else minima(plane)
            for plane in (results("resnet56-plain", name) for name in ("plane", "plane-1", "plane-2", "plane-3"))
        ],
        above(20),
        "20 or more in each (weaker: 10)",
        0,
    ),
    Statement(
        "Appendix, large batch",
        "ResNet-56, test error in % at batch 128 and 4096.",
        (5.89, 10.59),
        per_role("training", error_in_percent, "resnet56-shortcuts", "resnet56-large-batch"),
        close,
        _CLOSE,
        2,
        of_trained=False,
        on_digits=False,
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a statement at one scale.

    Attributes:
        numbers: Ours; None for what is not computed.
        verdict: One of `VERDICTS`.
        made_by: The networks, their training and data, in words.
    """

    numbers: Sequence[float | None]
    verdict: str
    made_by: str = ""


def outcome(statement: Statement, results: Shown) -> Outcome:
    """The verdict on a statement from some results.

    Args:
        statement: The statement.
        results: Where to look.

    Example:
        >>> from landscape_nb.gallery.shown import PAPER
        >>> outcome(STATEMENTS[0], Shown(PAPER)).verdict
        'matched'
    """
    results = Shown(results.scales, results.folder)  # what is compared here need not be what another statement compares
    if results.scales == QUICK and not statement.on_digits:
        return Outcome([], ELSEWHERE)
    found = statement.measure(results)
    known = [number for number in found if number is not None]
    if len(known) < len(found):
        possible = all(any(what in job.products for job in results.jobs(role)) for role, what in results.absent)
        return Outcome(found, ABSENT if possible else ELSEWHERE)
    return Outcome(found, _verdict(statement, known, results), _made_by(results))


def _verdict(statement: Statement, numbers: Numbers, results: Shown) -> str:
    if statement.of_trained and not _all_trained(results):
        return UNTRAINED
    if not np.isfinite(numbers).all():
        return FAILED
    verdict = statement.rule(statement.paper, numbers)
    return WEAKER if verdict == MATCHED and statement.coarse(results) else verdict


def _all_trained(results: Shown) -> bool:
    """Whether all networks whose results were read know most of their training images; released ones do."""
    jobs = [JOBS[name] for name, _ in results.drawn]
    ends = [JOBS[f"{job.scale}-{role}"] for job in jobs for role in job.ends]
    trained = [read(job, "training", results.folder) for job in (*jobs, *ends) if job.training]
    return all(each is not None and each.attrs["final_accuracy"] >= TRAINED for each in trained)


def _made_by(results: Shown) -> str:
    """Such as "VGG-9 of half the width, 20 epochs, CIFAR-10 (JPEG q75)"."""
    made = []
    for (name, _), found in results.drawn.items():
        job = JOBS[name]
        ends = [JOBS[f"{job.scale}-{role}"] for role in job.ends]
        epochs = [f"{each.training.epochs} epochs" for each in (job, *ends[:1]) if each.training]
        made.append(", ".join([job.network, *epochs, found.attrs["data"]]))
    return "; ".join(dict.fromkeys(made))


def table(paper: Shown, quick: Shown) -> str:
    """All statements as a Markdown table.

    Args:
        paper: Results at the paper's scale.
        quick: Results of the small networks.
    """
    head = "| where | the paper | its numbers | here, at its scale | | here, on digits | | rule | why, and of what |"
    rows = [head, "|---" * 9 + "|"]
    for statement in STATEMENTS:
        scale, small = outcome(statement, paper), outcome(statement, quick)
        differs = {scale.verdict, small.verdict} & {WEAKER, FAILED}
        made = [f"at its scale: {scale.made_by}"] * bool(scale.made_by)
        made += [f"on digits: {small.made_by}"] * bool(small.made_by)
        cells = [
            statement.figure,
            statement.says,
            _texts(statement.paper, statement.digits),
            _texts(scale.numbers, statement.digits),
            f"**{scale.verdict}**",
            _texts(small.numbers, statement.digits),
            f"**{small.verdict}**",
            statement.rule_text,
            ". ".join([statement.why] * bool(differs and statement.why) + made),
        ]
        plain = {4, 6}
        rows.append("| " + " | ".join(c if i in plain else in_markdown(c) for i, c in enumerate(cells)) + " |")
    return "\n".join([*rows, ""])


def _texts(numbers: Sequence[float | None], digits: int) -> str:
    return ", ".join("?" if number is None else f"{number:.{digits}f}" for number in numbers)
