"""Statements of the paper: each figure has one."""

from landscape_nb.course.fidelity import STATEMENTS
from landscape_nb.course.paper_figures import FIGURES


def test_every_figure_of_the_paper_has_a_statement():
    stated = {statement.figure for statement in STATEMENTS}
    assert {figure.name for figure in FIGURES if figure.key.isdecimal()} <= stated
