"""Write docs/claims.md: the paper's figures beside ours, and all claims of the course over their seeds.

Usage: python docs/build_claims.py
"""

from pathlib import Path

from landscape_nb.course.claims import shipped_claims
from landscape_nb.course.claims_table import to_markdown
from landscape_nb.course.paper_figures import figures_table

PAGE = Path(__file__).parent / "claims.md"
_HEAD = """# What the course claims

Made from the numbers that the notebooks computed, on scikit-learn's digits, with networks and directions of
seeds 0, 1 and 2 (`notebooks/build.py` keeps them in `landscape_nb/gallery/seeds.json`). `make course` writes the
same table, with the numbers of its own run, into `build/course/claims.html`.

## The paper's figures

"Matched" means orderings and ratios, not digits: the paper trains on CIFAR-10 for 300 epochs.

"""


def page():
    """The whole page."""
    return _HEAD + figures_table() + "\n## All claims\n\n" + to_markdown(shipped_claims())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
