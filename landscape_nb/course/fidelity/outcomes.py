"""What came of each statement at each scale, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape_nb.course.claims import in_markdown
from landscape_nb.course.fidelity.rules import (
    ABSENT,
    ELSEWHERE,
    FAILED,
    MATCHED,
    UNTRAINED,
    WEAKER,
    Numbers,
)
from landscape_nb.course.fidelity.statements import STATEMENTS, Statement
from landscape_nb.gallery.jobs import JOBS
from landscape_nb.gallery.results import read
from landscape_nb.gallery.shown import QUICK, Shown

TRAINED = 0.9
"""The training accuracy below which a network's surroundings say nothing about a trained network's."""


@dataclass(frozen=True)
class Outcome:
    """What came of a statement at one scale.

    Attributes:
        numbers: Ours; None for what is not computed.
        verdict: One of `VERDICTS`.
        made_by: The networks, their training and data, in words.
    """

    numbers: Sequence[float | None]
    verdict: str
    made_by: str = ""


def outcome(statement: Statement, results: Shown) -> Outcome:
    """The verdict on a statement from some results.

    Args:
        statement: The statement.
        results: Where to look.

    Example:
        >>> from landscape_nb.gallery.shown import PAPER
        >>> outcome(STATEMENTS[0], Shown(PAPER)).verdict
        'matched'
    """
    results = Shown(results.scales, results.folder)  # what is compared here need not be what another statement compares
    if results.scales == QUICK and not statement.on_digits:
        return Outcome([], ELSEWHERE)
    found = statement.measure(results)
    known = [number for number in found if number is not None]
    if len(known) < len(found):
        possible = all(any(what in job.products for job in results.jobs(role)) for role, what in results.absent)
        return Outcome(found, ABSENT if possible else ELSEWHERE)
    return Outcome(found, _verdict(statement, known, results), _made_by(results))


def _verdict(statement: Statement, numbers: Numbers, results: Shown) -> str:
    if statement.of_trained and not _all_trained(results):
        return UNTRAINED
    if not np.isfinite(numbers).all():
        return FAILED
    verdict = statement.rule(statement.paper, numbers)
    return WEAKER if verdict == MATCHED and statement.coarse(results) else verdict


def _all_trained(results: Shown) -> bool:
    """Whether all networks whose results were read know most of their training images; released ones do."""
    jobs = [JOBS[name] for name, _ in results.drawn]
    ends = [JOBS[f"{job.scale}-{role}"] for job in jobs for role in job.ends]
    trained = [read(job, "training", results.folder) for job in (*jobs, *ends) if job.training]
    return all(each is not None and each.attrs["final_accuracy"] >= TRAINED for each in trained)


def _made_by(results: Shown) -> str:
    """Such as "VGG-9 of half the width, 20 epochs, CIFAR-10 (JPEG q75)"."""
    made = []
    for (name, _), found in results.drawn.items():
        job = JOBS[name]
        ends = [JOBS[f"{job.scale}-{role}"] for role in job.ends]
        epochs = [f"{each.training.epochs} epochs" for each in (job, *ends[:1]) if each.training]
        made.append(", ".join([job.network, *epochs, found.attrs["data"]]))
    return "; ".join(dict.fromkeys(made))


def table(paper: Shown, quick: Shown) -> str:
    """All statements as a Markdown table.

    Args:
        paper: Results at the paper's scale.
        quick: Results of the small networks.
    """
    head = "| where | the paper | its numbers | here, on its data | | here, on digits | | rule | why, and of what |"
    rows = [head, "|---" * 9 + "|"]
    for statement in STATEMENTS:
        scale, small = outcome(statement, paper), outcome(statement, quick)
        differs = {scale.verdict, small.verdict} & {WEAKER, FAILED}
        made = [f"on its data: {scale.made_by}"] * bool(scale.made_by)
        made += [f"on digits: {small.made_by}"] * bool(small.made_by)
        cells = [
            statement.figure,
            statement.says,
            _texts(statement.paper, statement.digits),
            _texts(scale.numbers, statement.digits),
            f"**{scale.verdict}**",
            _texts(small.numbers, statement.digits),
            f"**{small.verdict}**",
            statement.rule_text,
            ". ".join([statement.why] * bool(differs and statement.why) + made),
        ]
        plain = {4, 6}
        rows.append("| " + " | ".join(c if i in plain else in_markdown(c) for i, c in enumerate(cells)) + " |")
    return "\n".join([*rows, ""])


def _texts(numbers: Sequence[float | None], digits: int) -> str:
    return ", ".join("?" if number is None else f"{number:.{digits}f}" for number in numbers)
