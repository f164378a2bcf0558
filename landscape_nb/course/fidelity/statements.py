"""What the paper says and prints: the paper's side, and how ours is measured and judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from landscape_nb.course.fidelity.measures import (
    Measure,
    border,
    change_with_the_sample,
    error_in_percent,
    final_norm,
    is_coarse,
    largest_coordinate,
    minima,
    on_maps,
    per_role,
    rise_at_half,
    rises,
    shares,
    spread,
)
from landscape_nb.course.fidelity.rules import Numbers, Rule, above, below, close, far_above, rising, within
from landscape_nb.diagnosis import roughness
from landscape_nb.gallery.shown import Shown


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
        "The same, by what a local smooth fit of log loss leaves over (`roughness`), with shortcuts and without.",
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
        on_maps("densenet", number=lambda found: float((found.ratio < 0.01).mean())),
        above(0.25),
        "a quarter of the points or more (weaker: an eighth)",
        2,
    ),
    Statement(
        "Figure 7",
        "Negative curvature is larger beside positive without shortcuts (median ratio, ResNet-56 with, without).",
        (),
        on_maps("resnet56-shortcuts", "resnet56-plain", number=lambda found: float(found.ratio.median())),
        far_above,
        "three times as large (weaker: larger)",
        2,
        "the map has 5 × 5 points on 100 images, the paper's 31 × 31",
        coarse=is_coarse,
    ),
    Statement(
        "Figure 7",
        "The ratio is the network's, not the images' (its RMS change with 100 others, ResNet-56 with, without).",
        (),
        change_with_the_sample("resnet56-shortcuts", "resnet56-plain"),
        below(0.1),
        "0.1 or less (weaker: 0.2)",
        2,
        "what a sample of 100 images costs",
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
