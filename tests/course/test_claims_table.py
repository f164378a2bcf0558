"""The table of claims: ranges over seeds, and a failure that is seen."""

import html
import re

import pytest
from nbconvert.filters.markdown import markdown2html_mistune

from landscape_nb.course import claims_table as ledger
from landscape_nb.course.claims import Claim, in_markdown


def runs(*, second_holds=True):
    return [
        Claim("99-b", second_holds, "B < 1.", {"x": [0.25, 0.75], "y": 2.0}, seed=1),
        Claim("99-b", True, "B < 1.", {"x": 0.5, "y": 2.0}, seed=0),
        Claim("98-a", True, "A.", {"z": 1.0}, seed=0),
    ]


def test_lines_are_ranges_over_seeds():
    first, second = ledger.lines(runs())
    assert first == ("98", "98-a", "A.", "z: 1", "holds for seeds 0")
    assert second == ("99", "99-b", "B < 1.", "x: 0.25 to 0.75; y: 2", "holds for seeds 0, 1")


def test_a_failure_is_told_with_its_seed(tmp_path):
    claims = runs(second_holds=False)
    assert "fails for seeds 1 of 0, 1" in ledger.to_markdown(claims)
    page = ledger.write_claims(claims, tmp_path).read_text()
    assert page.count('<tr class="no">') == 1
    assert page.count('<tr class="yes">') == 1
    assert "B &lt; 1." in page


def test_a_claim_leads_to_its_notebook(tmp_path):
    (tmp_path / "05_skip_connections.html").touch()
    claims = [Claim("05-a", True, "A."), Claim("06-b", True, "B.")]
    page = ledger.write_claims(claims, tmp_path).read_text()
    assert '<td><a href="05_skip_connections.html">05</a></td>' in page
    assert "<td>06</td>" in page
    assert "| [06](here/06_width.ipynb) | B. |" in ledger.to_markdown(claims, "here")


def test_shipped_seeds_join_a_live_run(monkeypatch):
    shipped = [Claim("99-b", True, "B < 1.", {"x": 9.0}, seed=s) for s in (0, 2)] + [Claim("97-c", True, "C.")]
    monkeypatch.setattr(ledger, "shipped_claims", lambda: shipped)
    joined = ledger.with_shipped([Claim("99-b", True, "B < 1.", {"x": 1.0}, seed=0)])
    assert [(claim.id, claim.seed, claim.numbers["x"]) for claim in joined] == [("99-b", 0, 1.0), ("99-b", 2, 9.0)]


EVIL = "a | b\n\n<script>alert(1)</script> `code` [link](javascript:x) *bold* _it_ $x$ \\| & <img src=x onerror=y>"


def test_a_claim_cannot_break_the_table_or_bring_html():
    claims = [Claim(EVIL, True, EVIL, {EVIL: 1.0}, seed=EVIL), Claim("98-a", True, "A.", {"z": 1.0})]
    head, rule, *rows = ledger.to_markdown(claims).splitlines()
    assert len(rows) == 2
    for row in (head, rule, *rows):
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 5, row
    for shown in (*rows, claims[0]._repr_markdown_()):
        assert "<" not in shown


@pytest.mark.parametrize("text", [EVIL, "x_i < 3 & y", "1. A list", "a\\", "~~gone~~", "``", "|||"])
def test_markdown_shows_a_claim_as_it_was_written(text):
    """The renderer of nbconvert, as a reader of the table has it: a table of one row, one cell of it the text."""
    page = markdown2html_mistune(f"| a | b |\n|---|---|\n| {in_markdown(text)} | c |\n")
    cells = [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page, re.DOTALL)]
    assert cells == [" ".join(text.split()), "c"]


def test_one_shipped_draw_is_not_told_as_several_seeds():
    claims = [Claim("99-b", True, "B.", {"x": 1.0}, seed, shipped=True) for seed in (0, 2)]
    (line,) = ledger.lines(claims)
    assert line[3:] == ("x: 1", "holds for one shipped draw")
