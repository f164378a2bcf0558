"""The pages of a run, and the site made of them: every player moves, from disk and without a network."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers import ROOT
from PIL import Image
from sphinx.cmd.build import build_main

from landscape_nb.course.notebooks import NOTEBOOKS
from landscape_nb.course.players import MIME

SHOWN = "picture => picture.decode().then(() => picture.naturalWidth)"


@pytest.fixture(scope="module")
def site(course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    options = ["-q", "-W", "--keep-going", "-c", str(ROOT / "docs"), "-D", f"course={course}"]
    assert build_main([*options, str(ROOT), str(folder)]) == 0
    return folder


def move(page, player):
    """Move every control of a player by its keys; return the pictures' files."""
    picture = player.locator("img")
    seen = [picture.get_attribute("src")]
    for slider in player.locator("input[type=range]").all():
        slider.focus()
        said, at_end = slider.get_attribute("aria-valuetext"), slider.input_value() == slider.get_attribute("max")
        page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        assert slider.get_attribute("aria-valuetext") != said
        assert slider.get_attribute("aria-label")
        seen.append(picture.get_attribute("src"))
    boxes = player.locator("input[type=checkbox], input[type=radio]").all()
    for box in [box for box in boxes if not (box.get_attribute("type") == "radio" and box.is_checked())]:
        box.focus()
        page.keyboard.press("Space")
        seen.append(picture.get_attribute("src"))
        assert picture.evaluate(SHOWN) > 100
    assert picture.evaluate(SHOWN) > 100
    return seen


def players(content_path):
    return content_path.read_text(encoding="utf-8").count(f'"{MIME}"')


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.number)
@pytest.mark.parametrize("where", ["course", "site"])
def test_every_player_moves_without_kernel_and_network(course, page, request, where, notebook):
    folder = request.getfixturevalue(where) / ("notebooks" if where == "site" else "")
    page.goto((folder / f"{notebook.name}.html").as_uri())
    found = page.locator(".landscape-player[data-ready]").all()
    assert len(found) == players(course / f"{notebook.name}.ipynb")
    for player in found:
        seen = move(page, player)
        assert len(seen) > 1
        assert len(set(seen)) == len(seen)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


NARROW = ("index.html", "explorer.html", "README.html", "CONTRIBUTING.html", "docs/api.html", "docs/reference.html")


@pytest.mark.parametrize("name", NARROW)
def test_a_page_fits_a_phone(site, page, name):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto((site / name).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", ["00_start_here", "12_your_own_model"])
def test_code_is_read_without_scrolling_and_the_logo_leads_to_the_start(site, page, name):
    page.goto((site / f"notebooks/{name}.html").as_uri())
    cells = page.locator(".cell_input pre:visible").all()
    assert len(cells) > 10
    assert not [cell.inner_text() for cell in cells if cell.evaluate("pre => pre.scrollWidth > pre.clientWidth")]
    page.locator(".navbar-brand").first.click()
    assert page.url == (site / "index.html").as_uri()


PAGES = {
    "site": (
        "index.html", "explorer.html", "docs/index.html", "docs/api.html", "docs/guide.html",
        "notebooks/05_skip_connections.html",
    ),
    "course": ("00_start_here.html", "10_pca_trajectories.html"),
}  # fmt: skip


@pytest.mark.parametrize(("where", "name"), [(where, name) for where, names in PAGES.items() for name in names])
def test_a_page_is_accessible(course, page, request, where, name):
    """By axe-core's rules: none that it calls serious or critical is broken."""
    page.goto((request.getfixturevalue(where) / name).as_uri())
    found = Axe().run(page, options={"preload": False}).response["violations"]  # it would ask for style sheets again
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not [(each["id"], [node["html"][:200] for node in each["nodes"]][:5]) for each in serious]


def test_the_explorer_compares_what_is_chosen(site, page, tmp_path):
    page.goto((site / "explorer.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length > 1")
    left, right = page.locator(".side").all()
    assert (left.locator("h2").text_content(), right.locator("h2").text_content()) == (
        "ResNet-56, no shortcuts",
        "ResNet-56",
    )
    assert left.locator("tr", has_text="local minima").locator("td").text_content() == "55"
    ends = "() => sides.map(side => side.plot.layout.scene.zaxis.range)"
    first, second = page.evaluate(ends)
    assert first == second
    left.locator("select").first.select_option("VGG-9, digits")
    left.locator("select[data-fact=batch]").select_option("180")
    assert left.locator("h2").text_content().startswith("SGD, batch 180")
    page.locator("input[value=contours]").check()
    assert page.evaluate("sides.map(side => side.plot.data[0].type)") == ["contour", "contour"]
    page.locator("input[value=linear]").check()
    ranges = page.evaluate("sides.map(side => [side.plot.data[0].zmin, side.plot.data[0].zmax])")
    assert ranges[0] == ranges[1]
    assert ranges[0][0] > 0
    with page.expect_download() as saved:
        page.locator("#save").click()
    assert Image.open(saved.value.path()).size == (1400, 690)


def test_a_reading_goes_with_the_network_it_was_of(site, page):
    page.goto((site / "explorer.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length > 1")
    left = page.locator(".side").first
    empty = left.locator(".read").text_content()
    page.evaluate("sides[0].plot.emit('plotly_hover', {points: [{x: 0, y: 0}]})")
    shown = left.locator(".read").text_content().split()[-1]
    assert shown == left.locator("tr", has_text="loss at the centre").locator("td").text_content()
    left.locator("select").first.select_option("VGG-9, digits")
    assert left.locator(".read").text_content() == empty


FINGER = """([name, x]) => {
    const target = document.querySelector(".plot canvas, .plot");
    const touches = name === "touchend" ? [] : [new Touch({identifier: 0, target, clientX: x, clientY: 400})];
    target.dispatchEvent(new TouchEvent(name, {touches, bubbles: true, cancelable: true}));
}"""


@pytest.mark.parametrize("name", ["explorer.html", "index.html"])
def test_a_finger_turns_both_surfaces_and_leaves_their_heights_upright(site, page, name):
    page.emulate_media(reduced_motion="reduce")
    page.goto((site / name).as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length > 1")
    page.wait_for_function("[...document.querySelectorAll('.plot')].every(plot => plot.style.touchAction === 'pan-y')")
    eyes = "() => [...document.querySelectorAll('.plot')].map(plot => plot.layout.scene.camera.eye)"
    before = page.evaluate(eyes)[0]
    for event in (("touchstart", 200), ("touchmove", 240), ("touchend", 240)):
        page.evaluate(FINGER, event)
    page.wait_for_function(f"({eyes})().every(eye => eye.x !== {before['x']})")
    left, right = page.evaluate(eyes)
    assert left == pytest.approx(right)
    assert left["z"] == before["z"]
    assert left["x"] ** 2 + left["y"] ** 2 == pytest.approx(before["x"] ** 2 + before["y"] ** 2)


def test_both_surfaces_of_the_explorer_turn_together(site, page):
    page.goto((site / "explorer.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length > 1")
    page.evaluate("Plotly.relayout(sides[0].plot, {'scene.camera': {eye: {x: 2, y: 0, z: 1}}})")
    page.wait_for_function("sides[1].plot.layout.scene.camera.eye.x === 2")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_start_page_turns_unless_it_is_not_wanted(site, page, motion):
    page.emulate_media(reduced_motion=motion)
    page.goto((site / "index.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length > 1")
    camera = "plots[0].layout.scene.camera.eye.x"
    if motion == "reduce":
        assert page.locator("#turn").text_content() == "▶ turn"
    else:
        before = page.evaluate(camera)
        page.wait_for_function(f"{camera} !== {before}")
        page.locator("#turn").click()
        assert page.locator("#turn").text_content() == "▶ turn"
    links = page.evaluate("[...document.links].map(link => link.href)")
    assert all(Path(unquote(urlparse(link).path)).exists() for link in links if link.startswith("file:"))
