"""The claims of all notebooks in one table: what was claimed, what came out over seeds, and whether it held."""

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from landscape_nb.course.claims import Claim, in_markdown, shipped_claims
from landscape_nb.course.html_page import write_html


class Line(NamedTuple):
    """A claim over all its seeds: its notebook's number, its text, the range of its numbers, and the verdict."""

    notebook: str
    id: str
    text: str
    observed: str
    verdict: str


def with_shipped(claims: Iterable[Claim]) -> list[Claim]:
    """Claims of a run, and the shipped ones of the same names with other seeds.

    Args:
        claims: What notebooks claimed, as `Report.claims` has it.

    Example:
        >>> with_shipped([])
        []
    """
    live = list(claims)
    known = {(claim.id, claim.seed) for claim in live}
    ids = {claim.id for claim in live}
    return live + [claim for claim in shipped_claims() if claim.id in ids and (claim.id, claim.seed) not in known]


def lines(claims: Iterable[Claim]) -> Iterator[Line]:
    """One line for each claim, in the order of their names.

    Args:
        claims: The same claims over several seeds.

    Example:
        >>> runs = [Claim("05-x", True, "X.", {"part": part}, seed) for seed, part in enumerate((0.25, 0.5))]
        >>> next(lines(runs))[3:]
        ('part: 0.25 to 0.5', 'holds for seeds 0, 1')
    """
    for id, group in groupby(sorted(claims, key=lambda claim: (claim.id, claim.seed)), key=lambda claim: claim.id):
        runs = list(group)
        if runs[0].shipped:
            verdict = f"{'holds' if runs[0].holds else 'fails'} for one shipped draw"
            yield Line(id[:2], id, runs[0].text, "; ".join(_ranges(runs[:1])), verdict)
            continue
        failed = [str(run.seed) for run in runs if not run.holds]
        seeds = ", ".join(str(run.seed) for run in runs)
        verdict = f"fails for seeds {', '.join(failed)} of {seeds}" if failed else f"holds for seeds {seeds}"
        yield Line(id[:2], id, runs[0].text, "; ".join(_ranges(runs)), verdict)


def _ranges(runs: list[Claim]) -> Iterator[str]:
    for name in runs[0].numbers:
        values = [run.numbers[name] for run in runs if name in run.numbers]
        flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
        low, high = f"{min(flat):.3g}", f"{max(flat):.3g}"
        yield f"{name.replace('_', ' ')}: {low if low == high else f'{low} to {high}'}"


def to_markdown(claims: Iterable[Claim]) -> str:
    """The table as Markdown.

    Example:
        >>> to_markdown([Claim("05-x", True, "X.", {"part": 0.25})]).splitlines()[2]
        '| 05 | X. | part: 0.25 | holds for seeds 0 |'
    """
    head = ["| notebook | claim | observed over seeds | verdict |", "|---|---|---|---|"]
    cells = [[in_markdown(cell) for cell in (c.notebook, c.text, c.observed, c.verdict)] for c in lines(claims)]
    rows = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([*head, *rows, ""])


def write_claims(claims: Iterable[Claim], out: Path) -> Path:
    """Write the table as a page, `claims.html`.

    Args:
        claims: The claims.
        out: The directory.

    Returns:
        The page.

    Example:
        >>> import tempfile
        >>> write_claims([], Path(tempfile.mkdtemp())).name
        'claims.html'
    """
    rows = "\n".join(
        f'<tr class="{"no" if line.verdict.startswith("fails") else "yes"}">'
        + "".join(f"<td>{escape(text)}</td>" for text in (line.notebook, line.text, line.observed, line.verdict))
        + "</tr>"
        for line in lines(claims)
    )
    return write_html(out / "claims.html", "what the course claims", 1300, _STYLE, _BODY.format(rows=rows))


_STYLE = """\
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ccc; padding: .4em .8em; }
td, th { text-align: left; vertical-align: top; } tr.no { font-weight: bold; }"""

_BODY = """\
<h1>What the course claims</h1>
<p>Each claim was decided on numbers: those of this run, and those that earlier runs gave with other seeds.</p>
<table><thead><tr><th>notebook</th><th>claim</th><th>observed over seeds</th><th>verdict</th></tr></thead>
<tbody>
{rows}
</tbody></table>"""
