"""Votes are kept, do not change once the result is known, and are text where there is no kernel."""

import pytest

import landscape_nb as lnb
from landscape_nb.course import predict

QUESTION, CHOICES = "Which is wider | flatter?", ["small", "large", "<neither>"]


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(predict, "_KEPT", {})


def press(prediction, choice):
    buttons = prediction.widget().children[1]
    buttons.value = choice
    return buttons


def test_a_vote_is_kept_when_its_cell_runs_again():
    first = lnb.predict(QUESTION, CHOICES)
    assert first.widget().children[1].value is None
    press(first, "large")
    again = lnb.predict(QUESTION, CHOICES)
    assert again.vote == "large"
    assert again.widget().children[1].value == "large"


def test_the_result_stands_beside_the_vote():
    prediction = lnb.predict(QUESTION, CHOICES)
    assert "You have not voted. It is **small**." in prediction.reveal("small")._repr_markdown_()
    prediction = lnb.predict("Another?", CHOICES)
    press(prediction, "large")
    assert "You predicted *large*. It is **small**." in prediction.reveal("small")._repr_markdown_()
    assert "You predicted it: *large*." in prediction.reveal("large")._repr_markdown_()


def test_a_known_result_closes_the_vote():
    prediction = lnb.predict(QUESTION, CHOICES)
    open_buttons = press(prediction, "large")
    prediction.reveal("small")
    open_buttons.value = "small"
    assert prediction.vote == "large"
    assert prediction.widget().children[1].disabled


def test_without_a_kernel_it_is_text():
    bundle = lnb.predict(QUESTION, CHOICES)._repr_mimebundle_()
    assert bundle["text/plain"] == "Which is wider | flatter? (small, large, <neither>)"
    assert "- &lt;neither&gt;" in bundle["text/markdown"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_the_summary_counts_votes_that_came_true():
    assert lnb.predictions()._repr_markdown_().startswith("No prediction was made here.")
    for number, (vote, result) in enumerate([("small", "small"), ("large", "small"), (None, "small"), ("small", None)]):
        prediction = lnb.predict(f"{number}?", CHOICES)
        if vote:
            press(prediction, vote)
        if result:
            prediction.reveal(result)
    lines = lnb.predictions()._repr_markdown_().splitlines()
    assert lines[0] == "1 of 2 predictions came true."
    assert lines[4:] == [
        "| 0? | small | small |",
        "| 1? | large | small |",
        "| 2? | – | small |",
        "| 3? | small | not yet |",
    ]


def test_other_choices_are_another_question():
    press(lnb.predict(QUESTION, CHOICES), "large")
    assert lnb.predict(QUESTION, ["yes", "no"]).vote is None


@pytest.mark.parametrize(
    ("question", "choices", "kind", "message"),
    [
        (3, CHOICES, TypeError, "question: got int, wants a sentence"),
        (QUESTION, "yes", TypeError, "choices: got str, wants a list of texts"),
        (QUESTION, ["yes", 1], TypeError, "choices: got int, wants texts"),
        (QUESTION, ["yes"], ValueError, "choices: got .*, wants two or more different ones"),
        (QUESTION, ["yes", "yes"], ValueError, "choices: got .*, wants two or more different ones"),
    ],
)
def test_bad_questions_are_refused(question, choices, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        lnb.predict(question, choices)


def test_a_result_is_one_of_the_choices():
    with pytest.raises(ValueError, match="^result: got 'medium', wants one of 'small', 'large', '<neither>'"):
        lnb.predict(QUESTION, CHOICES).reveal("medium")


def test_a_vote_in_code_is_one_of_the_choices_and_comes_before_the_result():
    prediction = lnb.predict("In code?", CHOICES)
    with pytest.raises(ValueError, match="^vote: got 'medium', wants one of"):
        prediction.vote = "medium"
    prediction.vote = "large"
    prediction.reveal("small")
    with pytest.raises(ValueError, match="^vote: the result is known"):
        prediction.vote = "small"
    assert prediction.vote == "large"
