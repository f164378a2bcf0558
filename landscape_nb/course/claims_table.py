"""The claims of all notebooks in one table: what was claimed, what came out over seeds, and whether it held."""

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from landscape_nb.course.claims import Claim, in_markdown, shipped_claims
from landscape_nb.course.html_page import write_html
from landscape_nb.course.notebooks import NOTEBOOKS


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


def to_markdown(claims: Iterable[Claim], notebooks: str = "notebooks") -> str:
    """The table as Markdown, with links to the notebooks.

    Args:
        claims: The claims.
        notebooks: The notebooks' directory, as the page finds it.

    Example:
        >>> to_markdown([Claim("05-x", True, "X.", {"part": 0.25})], "..").splitlines()[2]
        '| [05](../05_skip_connections.ipynb) | X. | part: 0.25 | holds for seeds 0 |'
    """
    head = ["| notebook | claim | observed over seeds | verdict |", "|---|---|---|---|"]
    files = {notebook.number: f"{notebooks}/{notebook.name}.ipynb" for notebook in NOTEBOOKS}
    rows = []
    for line in lines(claims):
        number, *cells = map(in_markdown, (line.notebook, line.text, line.observed, line.verdict))
        link = f"[{number}]({files[number]})" if number in files else number
        rows.append(f"| {' | '.join([link, *cells])} |")
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
        + f"<td>{_link(line.notebook, out)}</td>"
        + "".join(f"<td>{escape(text)}</td>" for text in (line.text, line.observed, line.verdict))
        + "</tr>"
        for line in lines(claims)
    )
    return write_html(out / "claims.html", "what the course claims", 1300, _STYLE, _BODY.format(rows=rows))


def _link(number: str, out: Path) -> str:
    """A notebook's number, with a link to its page if that has been written."""
    pages = sorted(out.glob(f"{number}_*.html"))
    return f'<a href="{pages[0].name}">{escape(number)}</a>' if pages else escape(number)


_STYLE = """\
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid #ccc; padding: .4em .8em; }
td, th { text-align: left; vertical-align: top; } tr.no { font-weight: bold; }"""

_BODY = """\
<h1>What the course claims</h1>
<p>Each claim was decided on numbers: those of this run, and those that earlier runs gave with other seeds.</p>
<table><thead><tr><th>notebook</th><th>claim</th><th>observed over seeds</th><th>verdict</th></tr></thead>
<tbody>
{rows}
</tbody></table>"""
