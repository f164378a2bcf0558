"""A reader's predictions: voted before a result is seen, and shown beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from landscape_nb._common.checks import check_choice, check_kind
from landscape_nb.course.claims import in_markdown
from landscape_nb.course.widget_view import widget_view

if TYPE_CHECKING:
    import ipywidgets

_KEPT: dict[str, "Prediction"] = {}
"""The predictions of this kernel, by question: as many as a notebook asks. A cell that runs again keeps its vote."""


def predict(question: str, choices: Sequence[str]) -> "Prediction":
    """Ask for a vote before the cell that gives the answer; make this the last line of a cell.

    Readers without a kernel see the question and the choices as text.

    Args:
        question: The question, in a sentence.
        choices: Two or more answers.

    Returns:
        What the notebook displays; `reveal` shows the result beside the vote.

    Raises:
        TypeError: The question or a choice is not a text.
        ValueError: There are fewer than two choices, or two are the same.

    Example:
        >>> prediction = predict("Is 2 a prime number?", ["yes", "no"])
        >>> prediction.vote = "yes"
        >>> prediction.reveal("yes").is_right
        True
    """
    check_kind("question", question, str, "a sentence")
    if isinstance(choices, str) or not isinstance(choices, Sequence):
        raise TypeError(f"choices: got {type(choices).__name__}, wants a list of texts")
    for choice in choices:
        check_kind("choices", choice, str, "texts")
    if len(set(choices)) < max(2, len(choices)):
        raise ValueError(f"choices: got {list(choices)}, wants two or more different ones")
    kept = _KEPT.get(question)
    if kept is None or kept.choices != tuple(choices):
        kept = _KEPT[question] = Prediction(question, tuple(choices))
    return kept


def predictions() -> "Summary":
    """All predictions of a notebook so far beside their results; make this the last line of a cell.

    Returns:
        What the notebook displays: a table, and how many predictions came true.

    Example:
        >>> isinstance(predictions(), Summary)
        True
    """
    return Summary(list(_KEPT.values()))


@dataclass
class Prediction:
    """A question, its choices, the reader's vote and the result.

    Attributes:
        question: The question.
        choices: The answers to choose from.
        vote: The reader's; None before there is one. It no longer changes once the result is known.
        result: The right one; None before it is known.
    """

    question: str
    choices: tuple[str, ...]
    vote: str | None = None
    result: str | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "vote" and value is not None:
            check_choice("vote", value, self.choices)
            if self.result is not None:
                raise ValueError("vote: the result is known, and the vote no longer changes")
        super().__setattr__(name, value)

    def reveal(self, result: str) -> "Verdict":
        """Show the result beside the vote; make this the last line of a cell.

        Args:
            result: One of the choices, as measured.

        Raises:
            ValueError: It is not one of the choices.
        """
        check_choice("result", result, self.choices)
        self.result = result
        return Verdict(self.question, self.vote, result)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """The buttons, and the same as text for a reader without a kernel."""
        text = "\n".join([f"**Your prediction.** {in_markdown(self.question)}", "", *map(_bullet, self.choices)])
        plain = f"{self.question} ({', '.join(self.choices)})"
        return widget_view(self.widget()) | {"text/markdown": text, "text/plain": plain}

    def widget(self) -> "ipywidgets.Widget":
        """The question above a button for each choice; none is pressed before there is a vote."""
        import ipywidgets as widgets

        question = widgets.HTML(f"<b>Your prediction.</b> {escape(self.question)}")
        layout = {"width": "max-content"}
        buttons = widgets.RadioButtons(
            options=self.choices, value=self.vote, disabled=self.result is not None, layout=layout
        )
        buttons.observe(self._voted, "value")
        return widgets.VBox([question, buttons])

    def _voted(self, change: Any) -> None:
        if self.result is None:
            self.vote = change["new"]


@dataclass(frozen=True)
class Verdict:
    """A vote beside the result.

    Attributes:
        question: The question.
        vote: The reader's; None if there was none.
        result: The right one.
    """

    question: str
    vote: str | None
    result: str

    @property
    def is_right(self) -> bool:
        """Whether the vote was the result."""
        return self.vote == self.result

    def _repr_markdown_(self) -> str:
        if self.vote is None:
            said = "You have not voted."
        elif self.is_right:
            said = f"You predicted it: *{in_markdown(self.vote)}*."
        else:
            said = f"You predicted *{in_markdown(self.vote)}*."
        return f"{in_markdown(self.question)} {said} It is **{in_markdown(self.result)}**."


@dataclass(frozen=True)
class Summary:
    """Votes beside results.

    Attributes:
        predictions: In the order in which they were asked.
    """

    predictions: list[Prediction] = field(default_factory=list)

    def _repr_markdown_(self) -> str:
        known = [each for each in self.predictions if each.vote is not None and each.result is not None]
        right = sum(each.vote == each.result for each in known)
        told = f"{right} of {len(known)} predictions came true." if known else "No prediction was made here."
        return "\n".join([told, "", "| question | you | measured |", "|---|---|---|", *self._rows(), ""])

    def _rows(self) -> Iterator[str]:
        for each in self.predictions:
            cells = (each.question, each.vote or "–", each.result or "not yet")
            yield f"| {' | '.join(map(in_markdown, cells))} |"


def _bullet(choice: str) -> str:
    return f"- {in_markdown(choice)}"
