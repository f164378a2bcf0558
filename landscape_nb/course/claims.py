"""What a notebook says a reader will see, checked on the numbers computed beside it."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from landscape_nb._common import settings
from landscape_nb._common.checks import check_kind
from landscape_nb.course.presets import GALLERY

SEEDS_FILE = GALLERY / "seeds.json"


class ClaimFailedError(AssertionError):
    """A claim did not hold, under `LANDSCAPE_NB_STRICT=1`."""


@dataclass(frozen=True)
class Claim:
    """A claim and whether it held.

    Attributes:
        id: The notebook's number and a name, such as `'05-shortcuts'`.
        holds: Whether it held.
        text: What was claimed.
        numbers: The numbers that it was decided on, by name.
        seed: The seed that the notebook ran with.
        others: The same claim of the same notebook run with other seeds, as shipped with the package.
        shipped: Whether its numbers come from a shipped result: one draw, whatever seed the notebook runs with.
    """

    id: str
    holds: bool
    text: str
    numbers: dict[str, float | list[float]] = field(default_factory=dict)
    seed: int = 0
    others: list["Claim"] = field(default_factory=list, repr=False)
    shipped: bool = False

    def _repr_markdown_(self) -> str:
        sign, verdict = ("✅", "holds") if self.holds else ("❌", "**does not hold here**")
        lines = [f"{sign} **Claim {in_markdown(self.id)}** {verdict}: {in_markdown(self.text)}"]
        draw = " (shipped with the course: the same with every seed)" if self.shipped else ""
        lines.append(f"*{in_markdown(self.shown)}{draw}*")
        for other in self.others:
            held = "holds" if other.holds else "fails"
            lines.append(f"*run before with seed {in_markdown(str(other.seed))}, {held}: {in_markdown(other.shown)}*")
        return "  \n".join(line for line in lines if line != "**")

    @property
    def shown(self) -> str:
        """The numbers as text."""
        return "; ".join(f"{name.replace('_', ' ')}: {_text(value)}" for name, value in self.numbers.items())


def in_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line: never as HTML, a table's cell, code or a formula.

    Example:
        >>> print(in_markdown("a|b"))
        a\\|b
        >>> in_markdown("<b>")
        '&lt;b&gt;'
    """
    return escape(re.sub(r"([\\`*_\[\]|$~])", r"\\\1", " ".join(text.split())), quote=False)


def claim(id: str, condition: bool, text: str, shipped: bool = False, **numbers: object) -> Claim:
    """State what a reader will see, and check it; make this the last line of a cell.

    A claim that fails is shown as failed in a class, and is an error where the environment variable
    `LANDSCAPE_NB_STRICT` is 1. Where `LANDSCAPE_NB_LEDGER` names a file, the claim is appended to it
    as a line of JSON.

    Args:
        id: The notebook's number and a name, such as `'05-shortcuts'`.
        condition: Whether the claim holds.
        text: The claim, in a sentence.
        shipped: Whether it was decided on a result that ships with the course, and not on this run.
        **numbers: The numbers it was decided on, by name: each a number, or a list with one for each seed.

    Returns:
        The claim, which a notebook displays.

    Raises:
        TypeError: `condition` or `shipped` is not a bool, or one of `numbers` is neither a number nor a list of
            numbers.
        ClaimFailedError: The claim does not hold, in strict mode.

    Example:
        >>> claim("00-sum", 1 + 1 == 2, "One and one make two.", sum=1 + 1).holds
        True
    """
    check_kind("id", id, str, "a name such as '05-shortcuts'")
    check_kind("text", text, str, "a sentence")
    check_kind("condition", condition, (bool, np.bool_), "True or False")
    check_kind("shipped", shipped, bool, "True or False")
    decisive = {name: _plain(name, value) for name, value in numbers.items()}
    seed = settings.seed()
    others = [] if shipped else [run for run in shipped_claims(id) if run.seed != seed]
    made = Claim(id, bool(condition), text, decisive, seed, others, shipped)
    if ledger := settings.ledger():
        with ledger.open("a") as file:
            file.write(json.dumps(asdict(made) | {"others": []}) + "\n")
    if settings.strict() and not all(run.holds for run in (made, *made.others)):
        raise ClaimFailedError(f"claim {id} does not hold: {text} ({made.numbers})")
    return made


def read_ledger(path: str | os.PathLike[str]) -> Iterator[Claim]:
    """Read the claims that notebooks appended to a ledger.

    Example:
        >>> list(read_ledger("/dev/null"))
        []
    """
    for line in Path(path).read_text().splitlines():
        yield Claim(**json.loads(line))


def shipped_claims(id: str | None = None) -> list[Claim]:
    """Claims as they came out with several seeds: one live run is not evidence, and class time is short.

    Args:
        id: The claim's; default all claims of the course.

    Example:
        >>> [claim.seed for claim in shipped_claims("05-depth-without-shortcuts")]
        [0, 1, 2]
    """
    content = json.loads(SEEDS_FILE.read_text())
    chosen = content.values() if id is None else [content.get(id, [])]
    return [Claim(**entry) for entries in chosen for entry in entries]


def _plain(name: str, value: object) -> float | list[float]:
    wants = "wants a number or a list of numbers"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: got {value!r}, {wants}") from None
    if array.dtype.kind not in "biuf":  # NumPy would make a float of a text, and NaN of None
        raise TypeError(f"{name}: got {value!r}, {wants}")
    array = array.astype(float)
    return array.ravel().tolist() if array.ndim else array.item()


def _text(value: float | list[float]) -> str:
    return ", ".join(f"{v:.3g}" for v in value) if isinstance(value, list) else f"{value:.3g}"
