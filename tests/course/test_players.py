"""Players: a picture of every setting, each drawn by the same function as the slider's."""

import base64
import io
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import executed, shown
from PIL import Image

from landscape_nb import explore
from landscape_nb.course import players
from landscape_nb.course.explore import Explorer
from landscape_nb.course.players import Control, as_texts
from landscape_nb.plotting.show import png


def grey(level):
    """A picture of one level of grey, from 0 to 100."""
    figure = plt.figure(figsize=(1, 1), facecolor=str(level / 100))
    return png(figure)


def level_of(frame):
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(frame))).convert("L"))
    return picture.mean() / 2.55


def slider(name, values, at=0):
    return Control(name, name, "slider", values, at)


def test_every_setting_has_its_own_picture():
    controls = [slider("tens", [1, 4, 9]), Control("fives", "fives", "checkbox", [False, True], 0)]
    made = players.player("Grey", controls, lambda tens, fives: grey(10 * tens + 5 * fives))
    levels = {setting: level_of(frame) for setting, frame in made["frames"].items()}
    wanted = {"0-0": 10, "0-1": 15, "1-0": 40, "1-1": 45, "2-0": 90, "2-1": 95}
    assert levels == pytest.approx(wanted, abs=1.5)
    assert [control["values"] for control in made["controls"]] == [["1", "4", "9"], ["no", "yes"]]


@given(st.lists(st.integers(2, 60), min_size=1, max_size=3), st.data())
def test_more_settings_than_a_page_can_hold_are_thinned_and_ends_and_first_stay(counts, data):
    controls = [slider(f"c{k}", list(range(n)), data.draw(st.integers(0, n - 1))) for k, n in enumerate(counts)]
    kept = players._at_most(players.MOST_FRAMES, controls)
    assert np.prod([len(control.values) for control in kept]) <= players.MOST_FRAMES
    for before, after in zip(controls, kept, strict=True):
        assert after.values[after.at] == before.values[before.at]
        assert (after.values[0], after.values[-1]) == (before.values[0], before.values[-1])
        assert after.values == sorted(set(after.values))
        if len(after.values) < len(before.values):
            gaps = np.diff(after.values)
            assert gaps.max() <= 2 * len(before.values) / (len(after.values) - 1)


def test_a_player_says_how_many_values_were_left_out():
    made = players.player("Grey", [slider("tens", list(range(150)))], lambda tens: grey(tens / 1.5))
    (tens,) = made["controls"]
    assert (len(tens["values"]), tens["of"]) == (100, 150)


def test_choices_are_never_thinned():
    controls = [Control("pair", "pair", "choice", list("abcdefghij"), 3), slider("alpha", list(range(40)), 20)]
    kept = players._at_most(100, controls)
    assert kept[0] == controls[0]
    assert len(kept[1].values) == 10


@pytest.mark.usefixtures("lenient")
def test_a_slider_has_its_player_in_a_run_of_the_course_only(monkeypatch):
    def draw(level=50, dark=False, name="a"):
        return plt.figure(figsize=(1, 1), facecolor=str(level / (200 if dark else 100)))

    explorer = explore(draw, alt="Grey", level=(0, 100, 25), dark=False, name=["a", "b"])
    assert players.MIME not in explorer._repr_mimebundle_()[0]
    monkeypatch.setenv("LANDSCAPE_NB_PLAYERS", "1")
    made = explorer._repr_mimebundle_()[0][players.MIME]
    assert [(control["kind"], control["at"]) for control in made["controls"]] == [
        ("slider", 2), ("checkbox", 0), ("choice", 0),
    ]  # fmt: skip
    settings = itertools.product(range(5), range(2), range(2))
    assert list(made["frames"]) == ["-".join(map(str, setting)) for setting in settings]
    assert level_of(made["frames"]["3-1-0"]) == pytest.approx(37.5, abs=1.5)


def failing(c=0):
    if c == 2:
        raise ZeroDivisionError("planted")
    return plt.figure(figsize=(1, 1))


@pytest.mark.usefixtures("lenient")
def test_a_setting_that_cannot_be_drawn_says_so_in_its_picture(monkeypatch):
    explorer = explore(failing, alt="Empty", c=(0, 3))
    monkeypatch.setenv("LANDSCAPE_NB_PLAYERS", "1")
    frames = explorer._repr_mimebundle_()[0][players.MIME]["frames"]
    assert list(frames) == ["0", "1", "2", "3"]
    assert [level_of(frame) < 99.9 for frame in frames.values()] == [False, False, True, False]


def test_a_setting_that_cannot_be_drawn_is_an_error_in_strict_mode(monkeypatch):
    explorer = Explorer(failing, "Empty", {"c": (0, 3)})
    monkeypatch.setenv("LANDSCAPE_NB_PLAYERS", "1")
    with pytest.raises(ZeroDivisionError, match="planted"):
        explorer._repr_mimebundle_()


def test_pictures_go_into_files_and_old_ones_go(tmp_path):
    made = players.player("Grey", [slider("level", [0, 50])], lambda level: grey(level))
    content = executed(shown({players.MIME: made}), shown({"text/plain": "none"}))
    old = tmp_path / "players/07_x-1/7.webp"
    old.parent.mkdir(parents=True)
    old.touch()
    frames = dict(made["frames"])
    assert players.write_frames(content, tmp_path, "07_x") == 1
    assert content.cells[1].outputs[0].data[players.MIME]["frames"] == "07_x-1"
    assert {path.name for path in old.parent.iterdir()} == {"0.webp", "1.webp"}
    assert (old.parent / "1.webp").read_bytes() == base64.b64decode(frames["1"])
    assert (tmp_path / "players/player.js").exists()


def test_choices_that_would_make_too_many_pictures_are_fixed():
    letters = list("abcdefghijkl")
    found = players.player(
        "x", [Control(name, name, "choice", letters, 3) for name in ("first", "second")], lambda **_: grey(50)
    )
    assert [(each["kind"], each["values"], each["at"], each["of"]) for each in found["controls"]] == [
        ("fixed", ["d"], 0, 12),
        ("choice", letters, 3, 12),
    ]
    assert len(found["frames"]) == 12


def test_texts_have_the_digits_that_tell_them_apart():
    assert as_texts([0.1, 1 / 3, 1000000.0]) == ["0.1", "0.3333", "1e+06"]
    assert as_texts([1.00001, 1.00002]) == ["1.00001", "1.00002"]
    assert as_texts([0.5, 0.5]) == ["0.5", "0.5"]
    assert as_texts([1, 1.0]) == ["1", "1.0"]
