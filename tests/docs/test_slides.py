"""Slides: every notebook of a path is there, pictures and players show, notes are said, and the handout is a PDF."""

import re

import nbformat
import pytest
from helpers import ROOT
from pages import PIXEL
from playwright.sync_api import expect
from slides import PATHS, main, slides_of

from landscape_nb.course.notebooks import find_notebook


@pytest.fixture(scope="module")
def decks(course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    main(course, folder)
    return folder


def test_paths_are_those_of_the_lecturers_page():
    guide = (ROOT / "docs" / "guide.md").read_text()
    for minutes, path in PATHS.items():
        row = re.search(rf"^\| {minutes} \| (.*?) \|", guide, re.M)[1]
        assert row == ", ".join(f"{number} ({part})" for number, part in path.items())
        assert sum(path.values()) == minutes


@pytest.mark.parametrize("minutes", PATHS)
def test_every_slide_shows_what_it_has(decks, page, minutes):
    page.goto((decks / f"{minutes}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    titles = page.locator(".slides h2").all_text_contents()
    assert all(find_notebook(number).title in titles for number in PATHS[minutes])
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert min(page.evaluate("[...document.images].map(image => image.naturalWidth)")) > 100
    heights = page.evaluate(
        "() => Reveal.getSlides().map(slide => { Reveal.slide(...Object.values(Reveal.getIndices(slide)));"
        " return slide.scrollHeight; })"
    )
    assert len(heights) > 8 * len(PATHS[minutes])
    assert max(heights) <= 720
    assert page.locator("aside.notes").first.text_content().strip().startswith("10 minutes")


def test_players_move_on_slides(decks, page):
    page.goto((decks / "45.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    players = page.locator(".landscape-player[data-ready]")
    assert players.count() >= 3
    at = page.evaluate(
        "() => { const slide = document.querySelector('.landscape-player').closest('section');"
        " Reveal.slide(...Object.values(Reveal.getIndices(slide))); }"
    )
    assert at is None
    picture, slider = players.first.locator("img"), players.first.locator("input[type=range]").first
    before = picture.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert picture.get_attribute("src") != before
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 100


def test_keys_move_the_slides_whatever_has_the_focus(decks, page):
    page.goto((decks / "45.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    at = page.evaluate(
        "() => { const slide = Reveal.getSlides().findIndex(slide => slide.querySelector('.landscape-player'));"
        " Reveal.slide(slide); return slide; }"
    )
    slider = page.locator("section.present input[type=range]").first
    slider.focus()
    before = slider.input_value()
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() != before
    assert page.evaluate("Reveal.getIndices().h") == at
    page.keyboard.press("PageDown")
    assert page.evaluate("Reveal.getIndices().h") == at + 1
    page.keyboard.press("PageUp")
    slider.click()  # a slider that is let go of leaves the keys to the slides
    page.wait_for_function("document.activeElement === document.body")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getIndices().h") == at + 1
    page.keyboard.press("ArrowLeft")
    play = page.locator("section.present .landscape-player button").first
    play.focus()
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getIndices().h") == at
    assert play.text_content() == "pause"


def test_notes_are_read_from_disk_and_no_link_leads_to_a_missing_notebook(decks, page):
    page.goto((decks / "90.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    page.keyboard.press("t")
    expect(page.locator(".speaker-notes")).to_contain_text("10 minutes")
    assert not page.evaluate("[...document.querySelectorAll('a')].filter(link => link.href.includes('.ipynb')).length")


def test_the_handout_is_a_pdf_with_all_notebooks(decks):
    assert (decks / "handout.pdf").read_bytes().startswith(b"%PDF")
    text = (decks / "handout.html").read_text()
    assert text.count("<h2>") == 13
    assert "import landscape_nb" not in text


def code(source="", **data):
    outputs = [nbformat.v4.new_output("display_data", {kind.replace("_", "/"): text for kind, text in data.items()})]
    return nbformat.v4.new_code_cell(source, outputs=outputs)


def printing(*streams):
    outputs = [nbformat.v4.new_output("stream", name=name, text=words) for name, words in streams]
    return nbformat.v4.new_code_cell("print()", outputs=outputs)


def claim(words):
    return code("lnb.claim(...)", text_markdown=words, text_plain=words)


def text(words):
    return nbformat.v4.new_markdown_cell(words)


def test_a_question_is_answered_by_figures_or_claims_or_else_by_what_is_printed(tmp_path):
    cells = [
        text("# Start\n\n**Question.** What?\n\n![Words](images/picture.png)"),
        code("import landscape_nb"),
        text("## 1 · Printed\n\nBefore the question.\n\n> **Predict.** How many?"),
        code("print(3)", text_plain="three"),
        code("print(4)", text_plain="four"),
        text("## 2 · Drawn\n\n> **Predict.** What shape?"),
        text("Before what is printed."),
        code("print(5)", text_plain="five"),
        text("Before the figure."),
        code("show()", text_plain="A figure", image_png=PIXEL),
        claim("first claim"),
        claim("second claim"),
        claim("third claim"),
        text("## 3 · Not asked\n\nNothing is asked."),
        code("print(6)", text_plain="six"),
        text("## 4 · Asked with a list\n\n> **Predict.** Which?\n\n- one\n- two"),
        printing(("stderr", "a warning"), ("stdout", "\n"), ("stdout", "it is two")),
        text("## 5 · Not answered\n\n> **Predict.** Why?"),
        text("## Take away\n\n- This."),
        code("print(7)", text_plain="seven"),
        text("Last words."),
    ]
    path = tmp_path / f"{find_notebook('00').name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    _, *slides = slides_of(tmp_path, "00", 10)
    shown = [re.search(r"</h2>\n(.*)\n<aside", made, re.S)[1] for made in slides]
    notes = [re.search(r'notes">(.*)</aside>', made, re.S)[1] for made in slides]
    assert ["How many?" in shown[0], "three" in shown[1], "What shape?" in shown[2]] == [True] * 3
    assert "data:image/png" in shown[3]
    assert ["first claim" in shown[4], "second claim" in shown[4], "third claim" in shown[5]] == [True] * 3
    assert ["Which?" in shown[6], "<li>one" in shown[7], "it is two" in shown[8]] == [True] * 3
    assert ["Why?" in shown[9], "This." in shown[10], len(shown)] == [True, True, 11]
    assert not [body for body in shown if re.search("four|five|six|seven|warning", body)]
    assert "Before the question." in notes[0]
    assert all(f"Before {what}" in notes[3] for what in ("what is printed.", "the figure."))
    assert "Nothing is asked." in notes[5], "said while the last slide before it is on the wall"
    assert "Last words." in notes[10]


def test_text_is_shown_said_or_left_out_as_it_is_written_and_as_its_metadata_says(tmp_path):
    cells = [
        text("# Start\n\n**Question.** What?"),
        code("import landscape_nb"),
        text(
            "## 12 · First\n\nBefore.\n\n> **Predict.** Which\n> of them?\n>\n> Both?"
            "\n\n| a | b |\n|---|---|\n| 1 | 2 |"
        ),
        text("```python\nx = 1\n\n- y\n```\n\n**Notice** this.\n\nAfter the table."),
        text("### Second `part` ##\n\nA sentence for the wall.\n\nAnd another."),
        text("- a list\n- only said"),
        code("show()", text_plain="A figure", image_png=PIXEL),
        code("show()", text_plain="Not for a lecture", image_png=PIXEL),
        text("Nor this."),
        nbformat.v4.new_raw_cell("Nor this."),
        text("## Exercises\n\n### Exercise 1\n\n- do it"),
        code("show()", text_plain="An answer", image_png=PIXEL),
        text("## Take away\n\n**Notice** that it ends.\n\n- The end."),
    ]
    for cell, kind in zip(cells[-9:-4], ("slide", "notes", "-", "skip", "skip"), strict=True):
        cell.metadata["slideshow"] = {"slide_type": kind}
    cells[-1].metadata["slideshow"] = None
    path = tmp_path / f"{find_notebook('00').name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    title, *slides = slides_of(tmp_path, "00", 10)
    assert "What?" in title
    assert "<img" not in title
    found = [re.search(r"<h2>(.*)</h2>\n(.*)\n<aside.*?>(.*)</aside>", made, re.S).groups() for made in slides]
    headings, shown, notes = zip(*found, strict=True)
    assert headings == ("First", "First", "Second part", "Second part", "Take away")
    assert "Which\nof them?" in shown[0]
    assert "<p>Both?</p>" in shown[0]
    assert "&gt;" not in shown[0]
    assert ["<td>2</td>" in shown[1], "wall.</p>\n<p>And another." in shown[2], "<img" in shown[3]] == [True] * 3
    assert "Before." in notes[0]
    assert "Before." not in notes[1]
    assert "x = 1\n\n- y" in notes[1]
    assert "After the table." in notes[1]
    assert "this." in notes[1]
    assert "<li>only said" in notes[3]
    assert "Nor this." not in "".join(notes)
    assert "<li>The end." in shown[4]
    assert "that it ends" in notes[4]
