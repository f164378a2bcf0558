"""Verdicts on results that are there, missing, diverged or untrained; and that the page is what results give now."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import ROOT

from landscape_nb.course.fidelity import STATEMENTS, outcome, table
from landscape_nb.course.fidelity.outcomes import UNTRAINED
from landscape_nb.course.fidelity.rules import ABSENT, ELSEWHERE, FAILED, VERDICTS, WEAKER
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import SHIPPED, write
from landscape_nb.gallery.shown import PAPER, QUICK, Shown


def shipped(scales):
    return Shown(scales, SHIPPED)


def test_the_page_is_what_shipped_results_give():
    page = (ROOT / "docs" / "fidelity.md").read_text()
    assert table(shipped(PAPER), shipped(QUICK)) in page, "run python docs/build_fidelity.py"


def test_nothing_is_stated_of_results_that_are_not_there(tmp_path):
    nothing = Shown(PAPER, tmp_path)
    assert {outcome(statement, nothing).verdict for statement in STATEMENTS} <= {ABSENT, ELSEWHERE}
    assert outcome(STATEMENTS[0], nothing).verdict == ABSENT


def test_a_difference_has_a_reason():
    for statement in STATEMENTS:
        verdicts = {outcome(statement, shipped(scales)).verdict for scales in (PAPER, QUICK)}
        assert verdicts <= set(VERDICTS)
        assert statement.why or not verdicts & {WEAKER, FAILED}, statement.says


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_diverged_is_not_matched(bad, tmp_path):
    for kind in ("shortcuts", "plain"):
        loss = np.full((5, 5), bad)
        plane = xr.Dataset({"loss": (("alpha", "beta"), loss)}, attrs={"data": "d", "title": kind})
        write(find_job(f"authors-resnet56-{kind}"), "plane", plane, tmp_path)
    verdicts = {outcome(s, Shown(PAPER, tmp_path)).verdict for s in STATEMENTS[:1]}
    assert verdicts == {FAILED}


def test_the_table_escapes_what_markdown_would_take_for_a_cell():
    rows = table(shipped(PAPER), shipped(QUICK)).splitlines()
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert Path(SHIPPED).is_dir()


def test_networks_that_did_not_train_say_nothing():
    plain = next(statement for statement in STATEMENTS if statement.figure == "Figure 1")
    assert outcome(plain, shipped(QUICK)).verdict == UNTRAINED


def test_a_coarse_map_is_not_a_match():
    contrast = next(s for s in STATEMENTS if s.figure == "Figure 7" and "without shortcuts" in s.says)
    found = outcome(contrast, shipped(PAPER))
    assert found.numbers[1] > 3 * found.numbers[0]
    assert found.verdict == WEAKER
