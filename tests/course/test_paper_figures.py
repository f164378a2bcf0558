"""Every figure of the paper has a notebook and a verdict."""

from landscape_nb.course.notebooks import NOTEBOOKS
from landscape_nb.course.paper_figures import FIGURES, VERDICTS


def test_the_papers_figures_have_a_notebook_and_a_verdict():
    numbers = {notebook.number for notebook in NOTEBOOKS}
    assert {f"Figure {n}" for n in range(1, 10)} <= {figure.name for figure in FIGURES}
    for figure in FIGURES:
        assert figure.notebook in numbers
        assert figure.verdict in VERDICTS
        assert (figure.verdict == "matched") == (not figure.why), figure.name
