"""The table of the paper's statements: its rules, its measures, and that the page is what results give now."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import ROOT

from landscape_nb.course.fidelity import (
    ABSENT,
    ELSEWHERE,
    FAILED,
    MATCHED,
    STATEMENTS,
    VERDICTS,
    WEAKER,
    border,
    close,
    far_above,
    outcome,
    rise_at_half,
    rises,
    rising,
    spread,
    table,
)
from landscape_nb.course.paper_figures import FIGURES
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import SHIPPED, write
from landscape_nb.gallery.shown import PAPER, QUICK, Shown


def shipped(scales):
    return Shown(scales, SHIPPED)


def test_the_page_is_what_shipped_results_give():
    page = (ROOT / "docs" / "fidelity.md").read_text()
    assert table(shipped(PAPER), shipped(QUICK)) in page, "run python docs/build_fidelity.py"


def test_every_figure_of_the_paper_has_a_statement():
    stated = {statement.figure for statement in STATEMENTS}
    assert {figure.name for figure in FIGURES if figure.key.isdecimal()} <= stated


def test_nothing_is_stated_of_results_that_are_not_there(tmp_path):
    nothing = Shown(PAPER, tmp_path)
    assert {outcome(statement, nothing).verdict for statement in STATEMENTS} <= {ABSENT, ELSEWHERE}
    assert outcome(STATEMENTS[0], nothing).verdict == ABSENT


def test_a_difference_has_a_reason():
    for statement in STATEMENTS:
        verdicts = {outcome(statement, shipped(scales)).verdict for scales in (PAPER, QUICK)}
        assert verdicts <= set(VERDICTS)
        assert statement.why or not verdicts & {WEAKER, FAILED}, statement.says


@pytest.mark.parametrize("rule", [close, rising])
def test_a_rule_is_not_blind(rule):
    assert rule([1.0, 2.0], [1.0, 2.0]) == MATCHED
    assert rule([1.0, 2.0], [9.0, 0.1]) == FAILED


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_diverged_is_not_matched(bad, tmp_path):
    for kind in ("shortcuts", "plain"):
        loss = np.full((5, 5), bad)
        plane = xr.Dataset({"loss": (("alpha", "beta"), loss)}, attrs={"data": "d", "title": kind})
        write(find_job(f"authors-resnet56-{kind}"), "plane", plane, tmp_path)
    verdicts = {outcome(s, Shown(PAPER, tmp_path)).verdict for s in STATEMENTS[:1]}
    assert verdicts == {FAILED}


@pytest.mark.parametrize("rule", [rising, far_above])
def test_equal_numbers_are_no_order(rule):
    assert rule([], [0.0, 0.0]) == rule([], [-1.0, -1.1]) == FAILED


def test_measures_of_known_curves():
    alpha = np.linspace(-0.5, 1.5, 41)
    line = xr.Dataset({"loss": ("alpha", 3 * alpha)}, {"alpha": alpha})
    assert rises(line) == pytest.approx([0.15, -0.15])
    alpha = np.linspace(-1, 1, 5)
    lines = xr.Dataset({"loss": (("repeat", "alpha"), np.array([[1.0], [3.0]]) * alpha**2 + 1)}, {"alpha": alpha})
    assert rise_at_half(lines) == pytest.approx(0.5)
    flat = xr.Dataset({"loss": (("repeat", "alpha"), [[1.0, 1.0], [100.0, 100.0]])})
    assert spread(flat) == pytest.approx(1.0)
    plane = xr.Dataset({"loss": (("alpha", "beta"), np.pad(np.zeros((3, 3)), 1, constant_values=7.0))})
    assert border(plane) == 7


def test_the_table_escapes_what_markdown_would_take_for_a_cell():
    rows = table(shipped(PAPER), shipped(QUICK)).splitlines()
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert Path(SHIPPED).is_dir()
