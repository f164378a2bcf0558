"""The paper's figures: what each shows, where the course redoes it, and what came of it at this scale."""

from dataclasses import dataclass

VERDICTS = ("matched", "weaker", "not reproduced")


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper beside ours.

    Attributes:
        name: Such as `'Figure 2'`.
        notebook: The number of the notebook that redoes it.
        paper: What the paper shows, with its numbers.
        ours: What comes out here.
        verdict: `'matched'` (orderings and ratios), `'weaker'` or `'not reproduced'`.
        why: Why the verdict is not better.
    """

    name: str
    notebook: str
    paper: str
    ours: str
    verdict: str
    why: str = ""


FIGURES = (
    PaperFigure(
        "Figure 1",
        "00",
        "ResNet-56 in 3-D: ragged without shortcuts, a smooth bowl with them.",
        "The same two networks trained on digits; and in notebook 05 the planes of the paper's own networks on CIFAR-10.",
        "matched",
    ),
    PaperFigure(
        "Figure 2",
        "03",
        "VGG-9, from batch 128 to 8192: the small-batch end is the flat one without weight decay, the sharp one with it. "
        "Norm of the weights 158 and 64 without, 23 and 39.5 with decay.",
        "VGG-9 of a quarter of the width, batches of 36 and 180: the flat end flips, and so does the order of the norms.",
        "matched",
    ),
    PaperFigure(
        "Figure 3",
        "04",
        "The same four networks, filter-normalized: small batches are the flatter ones with and without decay.",
        "No flip: the small-batch network is the flatter one both times.",
        "matched",
    ),
    PaperFigure(
        "Figure 4",
        "05",
        "3-D surfaces of ResNet-110 without shortcuts and of DenseNet-121.",
        "ResNet-20 and ResNet-56 with and without shortcuts, in 3-D; in notebook 06 a DenseNet of 28 layers.",
        "weaker",
        "neither of the two networks trains in a minute; the DenseNet is drawn as contours",
    ),
    PaperFigure(
        "Figure 5",
        "05",
        "Depth 20, 56, 110: test errors 5.8 to 7.4 % with shortcuts, 8.2, 13.3, 16.4 % without, and ever rougher planes.",
        "Depths 20 and 56 on digits: without shortcuts the deeper plane bends down at more points; with them neither does.",
        "weaker",
        "the plain ResNet-56 does not train in six epochs, and depth 110 is left out",
    ),
    PaperFigure(
        "Figure 6",
        "06",
        "Wide ResNet-56, k = 1 to 8: test errors 5.89 to 3.93 % with shortcuts, 13.31 to 8.70 % without; wider, smoother planes.",
        "ResNet-20 of k times 4 channels: the basin of loss below 1 grows with k, and plain planes get smoother.",
        "weaker",
        "20 layers and small widths, since eight networks have to train in a minute",
    ),
    PaperFigure(
        "Figure 7",
        "08",
        "abs(λmin / λmax) over the plane: near 0 where the plot looks convex, large in the chaotic one.",
        "The authors' ResNet-56 at 25 points: median 0.10 with shortcuts, 0.45 without. Live on digits: no contrast.",
        "weaker",
        "live, the plain networks do not train to a comparable loss; the shipped maps are of 100 images",
    ),
    PaperFigure(
        "Figure 8",
        "09",
        "The path in two random directions moves about 1e-3; from start to end × random it looks straight.",
        "A random plane shows less than a twentieth of the way, two principal components nearly all of it.",
        "matched",
    ),
    PaperFigure(
        "Figure 9",
        "10",
        "PCA of trajectories: two components hold 40 to 94 % of the variance; paths turn at learning-rate drops.",
        "Eight runs of a small VGG-9: two components hold more than 85 %; much of that is there in a random walk as well.",
        "weaker",
        "the low first component of small batches with weight decay (24.6 % and 32.8 %) is 78 % and 85 % here",
    ),
)


def find_figure(name: str) -> PaperFigure:
    """The figure with this number.

    Args:
        name: Such as `'5'` or `'Figure 5'`.

    Raises:
        ValueError: The course does not redo it.

    Example:
        >>> find_figure("5").notebook
        '05'
    """
    for figure in FIGURES:
        if name.lower().removeprefix("figure").strip() == figure.name.lower().removeprefix("figure").strip():
            return figure
    raise ValueError(f"name: got {name!r}, the course redoes {', '.join(figure.name for figure in FIGURES)}")


def figures_table() -> str:
    """All figures as a Markdown table.

    Example:
        >>> figures_table().splitlines()[0]
        '| figure | notebook | paper | here | verdict |'
    """
    rows = [
        f"| {f.name} | {f.notebook} | {f.paper} | {f.ours} | **{f.verdict}**{': ' + f.why if f.why else ''} |"
        for f in FIGURES
    ]
    return "\n".join(["| figure | notebook | paper | here | verdict |", "|---|---|---|---|---|", *rows, ""])
