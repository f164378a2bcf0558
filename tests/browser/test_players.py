"""A player in a browser: its picture follows keys and clicks, and it says what was left out."""

import io

from pages import executed, shown
from PIL import Image
from playwright.sync_api import expect

from landscape_nb.course import players
from landscape_nb.course.players import MIME, Control, player_html, write_frames


def picture(level, dark):
    """A picture whose every pixel says what was chosen."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (level, 255 * dark, 0)).save(buffer, format="png")
    return buffer.getvalue()


def test_a_player_says_which_values_it_has_and_shows_what_is_chosen(page, tmp_path):
    controls = [
        Control("level", "level of red", "slider", list(range(200)), 120),
        Control("dark", "dark", "checkbox", [False, True], 0),
    ]
    made = players.player("Red", controls, picture)
    content = executed(shown({MIME: made}))
    write_frames(content, tmp_path, "made")
    html = player_html(content.cells[1].outputs[0].data[MIME])
    (tmp_path / "page.html").write_text(f"<meta charset=utf-8>{html}", encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    kept = len(made["controls"][0]["values"])
    expect(page.locator(".player-note")).to_contain_text(f"Of the 200 values of “level of red”, {kept} are here.")
    assert "dark”" not in page.locator(".player-note").inner_text()

    image, slider = page.locator("img"), page.get_by_role("slider", name="level of red")
    expect(image).to_have_attribute("alt", "Red")
    slider.press("ArrowLeft")
    before = int(slider.get_attribute("aria-valuetext"))
    assert before < 120
    page.get_by_role("checkbox", name="dark").check()
    expect(image).to_have_attribute("alt", f"Red (level of red {before}, dark yes)")
    frame = f"{made['controls'][0]['values'].index(str(before))}-1.webp"
    assert image.get_attribute("src").endswith(f"/{frame}")
    red, green, _ = Image.open(next(tmp_path.glob(f"players/*/{frame}"))).getpixel((20, 20))
    assert abs(red - before) < 8
    assert green > 245
