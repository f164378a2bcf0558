"""Slides: every notebook of a path is there, pictures and players show, notes are said, and the handout is a PDF."""

import re

import pytest
from helpers import ROOT
from slides import PATHS, main

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


def test_the_handout_is_a_pdf_with_all_notebooks(decks):
    assert (decks / "handout.pdf").read_bytes().startswith(b"%PDF")
    text = (decks / "handout.html").read_text()
    assert text.count("<h2>") == 13
    assert "import landscape_nb" not in text
