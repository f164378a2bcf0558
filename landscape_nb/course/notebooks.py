"""The course's notebooks, the paper's figures they redo, and where their files are."""

from dataclasses import dataclass
from pathlib import Path

from landscape_nb._common.checks import check_kind

_PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Notebook:
    """A notebook of the course.

    Attributes:
        name: Its file's name without the ending, such as `'05_skip_connections'`.
        title: Its subject.
        paper: Which part of the paper it redoes.
    """

    name: str
    title: str
    paper: str

    @property
    def number(self) -> str:
        """The first two characters of the name."""
        return self.name[:2]

    @property
    def path(self) -> Path:
        """Where the notebook's file is."""
        return notebooks_directory() / f"{self.name}.ipynb"


NOTEBOOKS = (
    Notebook("00_start_here", "The whole story in five minutes", "Figure 1"),
    Notebook("01_loss_along_a_line", "The loss along a line, and what it hides", "Section 3"),
    Notebook("02_scale_invariance", "ReLU and batch norm make sharpness arbitrary", "Section 3"),
    Notebook("03_batch_size_flip", "Weight decay flips flat and sharp", "Figure 2"),
    Notebook("04_filter_normalization", "Filter normalization and its rivals", "Figure 3, appendix"),
    Notebook("05_skip_connections", "Depth with and without skip connections", "Figures 1, 4 and 5"),
    Notebook("06_width", "Wide networks have wide, smooth basins", "Figure 6"),
    Notebook("07_initialization_and_generalization", "Where training starts, and what flatness predicts", "Section 6"),
    Notebook("08_hessian", "Is the convexity real?", "Figure 7"),
    Notebook("09_random_directions_fail", "Random directions do not see the path", "Figure 8"),
    Notebook("10_pca_trajectories", "The path in the plane that PCA finds", "Figure 9"),
    Notebook("11_how_plots_lie", "Six ways to make a plot lie", "Sections 3 and 4"),
    Notebook("12_your_own_model", "Your own model", "All of it"),
)


def find_notebook(number: str) -> Notebook:
    """The notebook with this number or name.

    Args:
        number: Such as `'05'`, `'5'` or `'05_skip_connections'`.

    Raises:
        ValueError: The course does not have this notebook.

    Example:
        >>> find_notebook("5").name
        '05_skip_connections'
    """
    check_kind("number", number, str, "a notebook's number or name, such as '05'")
    for notebook in NOTEBOOKS:
        if (number and number.zfill(2) == notebook.number) or number == notebook.name:
            return notebook
    numbers = ", ".join(notebook.number for notebook in NOTEBOOKS)
    raise ValueError(f"number: got {number!r}, the course has {numbers}")


def notebooks_directory() -> Path:
    """Where the notebooks are: inside an installed package, or beside the package in a clone."""
    package = _PACKAGE
    return next(d for d in (package / "notebooks", package.parent / "notebooks") if d.is_dir())
