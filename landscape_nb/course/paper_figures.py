"""The paper's figures: what each shows, which notebook redoes it, and how it is drawn at each scale."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from landscape_nb._common.checks import check_choice, check_positive
from landscape_nb._common.devices import find_device
from landscape_nb.course.figure_panels import FIGURE_DRAWERS, with_caption
from landscape_nb.course.presets import PRESETS
from landscape_nb.gallery.build import build, in_words, missing
from landscape_nb.gallery.jobs import JOBS, Job, ScaleName
from landscape_nb.gallery.results import SHIPPED, read, user_folder
from landscape_nb.gallery.shown import Shown, scales_of


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper.

    Attributes:
        key: Its number, or a name for those of the appendix.
        notebook: The number of the notebook that redoes it.
        section: The heading in the notebook under which it does.
        paper: What the paper shows, with its numbers.
    """

    key: str
    notebook: str
    section: str
    paper: str

    @property
    def name(self) -> str:
        """Such as `'Figure 2'`."""
        return f"Figure {self.key}" if self.key.isdecimal() else f"Appendix, {self.key.replace('-', ' ')}"


FIGURES = (
    PaperFigure("1", "00", "1 · The picture", "ResNet-56 in 3-D: ragged without shortcuts, a smooth bowl with them."),
    PaperFigure(
        "2",
        "03",
        "2 · From one minimum to the other",
        "VGG-9, from batch 128 to 8192: the small-batch end is the flat one without weight decay, the sharp one with it. "
        "Test errors 7.37 and 11.07 % without, 6.0 and 10.19 % with decay; norms 158 and 64, 23 and 39.5.",
    ),
    PaperFigure(
        "3",
        "04",
        "4 · In two dimensions",
        "The same four networks, filter-normalized: small batches are the flatter ones with and without decay.",
    ),
    PaperFigure(
        "4",
        "05",
        "1 · The picture that made the paper famous",
        "3-D surfaces of ResNet-110 without shortcuts and of DenseNet-121.",
    ),
    PaperFigure(
        "5",
        "05",
        "3 · Four planes",
        "Depth 20, 56, 110: test errors 7.37, 5.89, 5.79 % with shortcuts, 8.18, 13.31, 16.44 % without, and ever "
        "rougher planes.",
    ),
    PaperFigure(
        "6",
        "06",
        "2 · Eight planes",
        "Wide ResNet-56, k = 1, 2, 4, 8: test errors 5.89, 5.07, 4.34, 3.93 % with shortcuts, 13.31, 10.26, 9.69, "
        "8.70 % without; the wider, the smoother.",
    ),
    PaperFigure(
        "7",
        "08",
        "4 · The map",
        "abs(λmin / λmax) over the plane: near 0 where the plot looks convex, large in the chaotic one.",
    ),
    PaperFigure(
        "8",
        "09",
        "3 · A path on two random directions",
        "The path in two random directions moves about 1e-3; from start to end × random it looks straight.",
    ),
    PaperFigure(
        "9",
        "10",
        "2 · The path over its contours",
        "PCA of trajectories: two components hold 40 to 94 % of the variance; paths turn at learning-rate drops.",
    ),
    PaperFigure("ten-directions", "04", "2 · In relative steps", "Lines in ten random directions are nearly the same."),
    PaperFigure(
        "repeated-planes",
        "05",
        "5 · How rough is it?",
        "Planes of ResNet-56 without shortcuts differ, and are always chaotic.",
    ),
    PaperFigure(
        "layer-normalized", "04", "3 · The rivals", "Normalized by layer, a flatter minimum may generalize worse."
    ),
    PaperFigure(
        "large-batch",
        "03",
        "2 · From one minimum to the other",
        "ResNet-56 at batch 128 and 4096: test errors 5.89 and 10.59 %.",
    ),
)


def find_figure(name: str) -> PaperFigure:
    """The figure with this number or name.

    Args:
        name: Such as `'5'`, `'Figure 5'` or `'ten-directions'`.

    Raises:
        ValueError: The course does not redo it.

    Example:
        >>> find_figure("5").notebook
        '05'
    """
    wanted = str(name).lower().removeprefix("figure").strip()
    for figure in FIGURES:
        if wanted == figure.key:
            return figure
    raise ValueError(f"name: got {name!r}, the course redoes figures {', '.join(figure.key for figure in FIGURES)}")


def paper_figure(
    name: str | int, preset: str = "gallery", device: str | None = None, seconds: float | None = None
) -> Figure:
    """Draw a figure of the paper, in its arrangement, with a caption of networks, data and seeds.

    Args:
        name: Its number, or `'ten-directions'`, `'repeated-planes'`, `'layer-normalized'` or `'large-batch'`.
        preset: `'quick'` computes it from small networks on the digits (seconds to two minutes, then kept),
            `'gallery'` draws what is computed at the paper's scale (what is not says so), `'full'` first computes
            all of it that is missing (hours; it goes on where it was).
        device: Where to compute; default a GPU if there is one.
        seconds: When to stop computing; what is there by then is drawn.

    Returns:
        The figure.

    Raises:
        ValueError: The figure or preset does not exist.
        FileNotFoundError: Images, or networks that the authors released, are not there.

    Example:
        >>> len(paper_figure(1).axes)
        2
    """
    figure = find_figure(str(name))
    check_choice("preset", preset, PRESETS)
    if device is not None:
        find_device(device)
    if seconds is not None:
        check_positive("seconds", seconds)
    if preset != "gallery":
        build([job.name for job in jobs_of(figure, preset)], device=device, seconds=seconds)
    results = Shown(scales_of(preset))
    drawn = FIGURE_DRAWERS[figure.key](results)
    return with_caption(drawn, f"{figure.name}. {results.caption()}")


def jobs_of(figure: PaperFigure, preset: str) -> list[Job]:
    """The jobs that a figure needs at a preset and that are not done.

    Args:
        figure: The figure.
        preset: `'quick'` or `'full'`.

    Example:
        >>> [job.name for job in jobs_of(find_figure("4"), "full")]
        ['gpu-resnet110-plain', 'gpu-densenet']
    """
    return [job for job in all_jobs_of(figure, preset) if missing(job, user_folder())]


def all_jobs_of(figure: PaperFigure, preset: str) -> list[Job]:
    """The jobs that a figure needs at a preset, done or not.

    The drawing function is called with no results at all: what it asks for is what it draws. So there is no second
    list of a figure's networks, which could differ from the first.

    Example:
        >>> len(all_jobs_of(find_figure("6"), "quick"))
        6
    """
    with TemporaryDirectory() as empty:
        asked = Shown(scales_of(preset), Path(empty))
        plt.close(FIGURE_DRAWERS[figure.key](asked))
    scales: tuple[ScaleName, ...] = ("quick",) if preset == "quick" else ("gpu", "authors")
    roles = dict.fromkeys(role for role, _ in asked.absent)
    found = [jobs[0] for role in roles if (jobs := asked.jobs(role, scales))]
    ends = [JOBS[f"{job.scale}-{role}"] for job in found for role in job.ends]
    return list({job.name: job for job in (*ends, *found)}.values())


def costs_of(figure: PaperFigure) -> str:
    """What a figure takes at each preset, in words: measured when the shipped results were computed, or counted.

    Example:
        >>> costs_of(find_figure("large-batch")).split("; ")[2]
        'full hours (2 × 100 epochs, on a GPU)'
    """
    products = [(job, product) for job in all_jobs_of(figure, "quick") for product in job.products]
    found = [read(*product, SHIPPED) for product in products]
    quick = sum(each.attrs["computed_in_seconds"] for each in found if each is not None)
    epochs = [job.training.epochs for job in all_jobs_of(figure, "full") if job.training]
    return f"gallery seconds; quick {in_words(quick)}; full hours ({len(epochs)} × {max(epochs)} epochs, on a GPU)"


def checked_file(path: Path) -> Path:
    """The file that a figure is drawn into, before hours are spent on it.

    Raises:
        ValueError: Its directory is not there, it is a directory, or matplotlib does not know its format.

    Example:
        >>> checked_file(Path("figure")).name
        'figure.png'
    """
    path = path if path.suffix or path.is_dir() else path.with_name(f"{path.name}.png")
    if path.is_dir() or not path.absolute().parent.is_dir():
        kind = "is a directory" if path.is_dir() else "is in a directory that is not there"
        raise ValueError(f"out: got {path}, which {kind}")
    known = plt.gcf().canvas.get_supported_filetypes()
    plt.close()
    if path.suffix[1:] not in known:
        raise ValueError(f"out: got {path.name}, wants a name that ends with one of {', '.join(sorted(known))}")
    return path
