"""A notebook's page: figures with their words, and in the place of what needs a kernel what moves without one."""

import json
import re
from html import unescape

from pages import PIXEL, Images, executed, picture, shown

from landscape_nb.course import players, widget_view
from landscape_nb.course.notebook_page import put_moving_parts, write_page
from landscape_nb.course.notebooks import Notebook

NOTEBOOK = Notebook("07_x", "Flat & sharp", "Figure 2")


def test_a_page_shows_figures_with_their_words_and_asks_nothing_of_the_network(tmp_path):
    images = Images(write_page(executed(picture()), tmp_path, NOTEBOOK))
    (image,) = images.found
    assert image["alt"] == "Two <curves> & a line"
    assert image["src"].split(",")[1].strip() == PIXEL
    assert images.scripts == []
    assert [path.name for path in tmp_path.iterdir()] == ["07_x.html"]


def test_a_page_has_interactive_figures_in_the_place_of_their_pictures(tmp_path):
    plotly = {"data": [{"type": "scatter", "y": [1, 2]}], "layout": {}}
    content = executed(shown({"application/vnd.plotly.v1+json": plotly, "image/png": PIXEL}), picture())
    images = Images(write_page(content, tmp_path, NOTEBOOK))
    assert [image["alt"] for image in images.found] == ["Two <curves> & a line"]
    assert images.scripts == ["./plotly.min.js"]
    assert (tmp_path / "plotly.min.js").stat().st_size > 10**6
    assert "image/png" in content.cells[1].outputs[0].data


def test_a_page_has_a_title(tmp_path):
    page = write_page(executed(picture()), tmp_path, NOTEBOOK)
    assert "<title>07 Flat &amp; sharp – landscape-nb</title>" in page.read_text(encoding="utf-8")


def test_two_figures_that_turn_load_their_script_once(tmp_path):
    plotly = {"data": [{"type": "scatter", "y": [1, 2]}], "layout": {}}
    alt = {"image/png": {"alt": "A <bowl>"}}
    content = executed(*(shown({"application/vnd.plotly.v1+json": plotly}, **alt) for _ in range(2)))
    assert put_moving_parts(content, "../scripts")
    pages = [output.data["text/html"] for output in content.cells[1].outputs]
    assert all('<div role="figure" aria-label="A &lt;bowl&gt;">' in page for page in pages)
    assert [page.count('<script src="../scripts/plotly.min.js"></script>') for page in pages] == [1, 0]


def test_a_player_stands_in_the_place_of_a_slider():
    control = {"name": "beta", "label": "beta", "kind": "slider", "values": ["-1", "0", "1"], "at": 1}
    player = {"alt": "A <line>", "controls": [control], "frames": "07_x-1"}
    content = executed(shown({players.MIME: player, "image/png": PIXEL, "text/plain": "A <line>"}))
    assert not put_moving_parts(content, frames="../players")
    data = content.cells[1].outputs[0].data
    assert set(data) == {"text/html", "text/plain"}
    assert '<img src="../players/07_x-1/1.webp" alt="A &lt;line&gt;">' in data["text/html"]
    (controls,) = re.findall('data-controls="([^"]*)"', data["text/html"])
    assert json.loads(unescape(controls)) == [control]


def test_a_progress_bar_is_not_a_part_of_a_page():
    bar = {widget_view.MIME: {"model_id": "x"}, "text/plain": "Measuring:   0%|"}
    slider = {widget_view.MIME: {"model_id": "y"}, "text/plain": "A line", "image/png": PIXEL}
    content = executed(shown(bar), shown({"text/plain": "0.5"}), shown(slider))
    put_moving_parts(content)
    assert [set(output.data) for output in content.cells[1].outputs] == [{"text/plain"}, {"text/plain", "image/png"}]


def test_a_folded_cell_shows_what_it_gives_and_hides_its_code(tmp_path):
    content = executed(picture())
    content.cells[1].metadata["jupyter"] = {"source_hidden": True}
    page = write_page(content, tmp_path, NOTEBOOK).read_text(encoding="utf-8")
    (folded,) = re.findall(r'<details class="folded-code">.*?</details>', page, re.S)
    assert "draw" in folded
    assert "<img" not in folded


def test_badges_become_links_without_pictures():
    content = executed()
    content.cells[
        0
    ].source = "[![Open in Colab](https://x.org/colab-badge.svg)](https://x.org/05.ipynb)\n![A bowl](images/05.png)"
    put_moving_parts(content)
    assert content.cells[0].source == "[Open in Colab](https://x.org/05.ipynb)\n![A bowl](images/05.png)"
