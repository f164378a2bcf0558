"""Write `docs/fidelity.md`: the paper's numbers and statements beside what came out here.

Usage: python docs/build_fidelity.py
"""

from pathlib import Path

from landscape_nb.course.fidelity import table
from landscape_nb.gallery.results import SHIPPED
from landscape_nb.gallery.shown import PAPER, QUICK, Shown

PAGE = Path(__file__).parent / "fidelity.md"
_HEAD = """\
# Faithful to the paper?

Numbers and statements of Li et al. (2018) beside what came out here: from networks on the paper's data, as far as they
are computed (the authors' own, or trained here for 20 epochs instead of 300, which each row says), and from small
networks on the digits. A rule gives each verdict (**matched**, **weaker**, **not reproduced**, **not computed yet**,
**not trained well enough to tell**, **not part of this scale**); only the paper's side and the first reason are written
by hand. All networks are single draws (seed 0). Planes are measured at part of their points and interpolated between
them, to an error of 0.02 in the decimal logarithm.
`landscape-nb gallery list` says what there is, and `landscape-nb figure N` draws it.

"""


def page() -> str:
    """The page, from the results that ship with the package."""
    return _HEAD + table(Shown(PAPER, SHIPPED), Shown(QUICK, SHIPPED))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
