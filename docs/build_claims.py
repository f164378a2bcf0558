"""Write docs/claims.md: all claims of the course over their seeds.

Usage: python docs/build_claims.py
"""

from pathlib import Path

from landscape_nb.course.claims import shipped_claims
from landscape_nb.course.claims_table import to_markdown

PAGE = Path(__file__).parent / "claims.md"
_HEAD = """# What the course claims

Made from the numbers that the notebooks computed, on scikit-learn's digits, with networks and directions of
seeds 0, 1 and 2 (`notebooks/build.py` keeps them in `landscape_nb/gallery/seeds.json`). `make course` writes the
same table, with the numbers of its own run, into `build/course/claims.html`. The paper's own numbers and statements
are in [Faithful to the paper?](fidelity.md).

"""


def page():
    """The whole page."""
    return _HEAD + to_markdown(shipped_claims(), "../notebooks")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
