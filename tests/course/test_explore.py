"""Sliders: every value of every control is drawn, errors are words in class and red in tests."""

import asyncio
import gc
import sys

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.layout_engine import ConstrainedLayoutEngine

from landscape_nb import explore, plotting
from landscape_nb.course.explore import ERROR_CLASS, Explorer
from landscape_nb.plotting.show import png


def recorder():
    drawn = []

    def draw(power=3, name="a", smooth=False, factor=1.0, step=0):
        drawn.append({"power": power, "name": name, "smooth": smooth, "factor": factor, "step": step})
        figure, axes = plt.subplots(figsize=(1, 1))
        axes.plot([0, factor])
        return figure

    return draw, drawn


CONTROLS = {
    "power": (1, 5, 2),
    "name": ["a", "b"],
    "smooth": False,
    "factor": [0.1, 1.0, 10.0],
    "step": widgets.Play(min=0, max=4, step=2),
}


def fails_at(bad):
    def draw(c=0):
        if c == bad:
            raise ZeroDivisionError("planted")
        return plt.figure(figsize=(1, 1))

    return draw


def test_strict_mode_draws_every_value_of_every_control():
    draw, drawn = recorder()
    explore(draw, alt="A line", **CONTROLS)
    wanted = {"power": [1, 3, 5], "name": ["a", "b"], "smooth": [0, 1], "factor": [0.1, 1, 10], "step": [0, 2, 4]}
    for name, values in wanted.items():
        assert sorted({setting[name] for setting in drawn}) == values
    assert len(drawn) == 1 + sum(len(values) - 1 for values in wanted.values())


def test_a_range_of_floats_is_swept_to_its_end():
    values = []
    explore(lambda x=0.0: values.append(x) or plt.figure(figsize=(1, 1)), alt="Empty", x=(0.0, 1.0, 0.25))
    assert sorted(values) == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("bad", [0, 3, 7])
def test_strict_mode_raises_what_any_value_raises(bad):
    with pytest.raises(ZeroDivisionError, match="planted"):
        explore(fails_at(bad), alt="Empty", c=(0, 7))


def test_strict_mode_raises_when_a_slider_moves():
    explorer = Explorer(fails_at(3), "Empty", {"c": (0, 7)})
    with pytest.raises(ZeroDivisionError, match="planted"):
        explorer.widgets["c"].value = 3


@pytest.mark.usefixtures("lenient")
def test_a_class_sees_words_and_the_picture_before():
    explorer = explore(fails_at(3), alt="Empty", c=(0, 7))
    before = explorer._image.value
    explorer.widgets["c"].value = 3
    assert ERROR_CLASS in explorer._message.value
    assert "c = 3 could not be drawn: ZeroDivisionError: planted" in explorer._message.value
    assert explorer._image.value == before
    explorer.widgets["c"].value = 4
    assert explorer._message.value == ""


@pytest.mark.usefixtures("lenient")
def test_a_drag_draws_once_and_a_picture_is_kept():
    draw, drawn = recorder()
    explorer = explore(draw, alt="A line", power=(1, 100))

    async def drag():
        for power in range(4, 50):
            explorer.widgets["power"].value = power
        await asyncio.sleep(0.2)

    asyncio.run(drag())
    assert [setting["power"] for setting in drawn][:2] == [3, 49]
    count = len(drawn)
    explorer.widgets["power"].value = 3
    assert len(drawn) == count


async def rest(explorer, name, value):
    explorer.widgets[name].value = value
    await explorer._following


@pytest.mark.usefixtures("lenient")
def test_what_a_control_comes_to_next_is_drawn_while_it_rests():
    draw, drawn = recorder()
    explorer = explore(draw, alt="A line", power=(1, 100), factor=(0.0, 1.0, 0.1))
    asyncio.run(rest(explorer, "power", 50))
    assert [setting["power"] for setting in drawn] == [3, 50, 51, 49, 52, 48, 53, 47]
    asyncio.run(rest(explorer, "factor", 0.1))
    count = len(drawn)
    for value in (0.2, 0.3, 0.4):
        explorer.widgets["factor"].value = value
    assert len(drawn) == count


@pytest.mark.usefixtures("lenient")
def test_a_control_that_was_left_is_drawn_no_further():
    draw, drawn = recorder()
    explorer = explore(draw, alt="A line", power=(1, 100), step=(0, 4))

    async def move():
        explorer.widgets["power"].value = 50
        await rest(explorer, "step", 2)
        await asyncio.sleep(0.5)

    asyncio.run(move())
    assert {setting["power"] for setting in drawn} == {3, 50}
    assert {setting["step"] for setting in drawn} == {0, 1, 2, 3, 4}


@pytest.mark.usefixtures("lenient")
def test_a_picture_that_cannot_be_drawn_ahead_is_told_of_when_it_is_chosen():
    explorer = explore(fails_at(3), alt="Empty", c=(0, 7))
    asyncio.run(rest(explorer, "c", 2))
    assert explorer._message.value == ""
    explorer.widgets["c"].value = 3
    assert "c = 3 could not be drawn" in explorer._message.value


@pytest.mark.usefixtures("lenient")
def test_panels_stay_where_they_are_while_a_number_moves(monkeypatch):
    layouts = []
    execute = ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *args: (layouts.append(1), execute(*args)))

    def draw(number=0, kind="plain"):
        figure, panels = plotting.panels(2, size=(2, 2))
        panels[0].set(xlabel="x", ylabel="y" if kind == "plain" else "y\nin two lines", title="A title")
        figure.colorbar(panels[1].contourf([[0, 1], [1, 2]]), ax=list(panels))
        return figure

    explorer = Explorer(draw, "A picture", {"number": (0, 9), "kind": ["plain", "tall"]})
    solved = len(layouts)
    assert solved
    assert explorer.picture(number=5, kind="plain") == explorer.picture(number=0, kind="plain")
    assert len(layouts) == solved
    assert explorer.picture(number=5, kind="tall") == png(draw(7, "tall"))


@pytest.mark.parametrize("before", [True, False])
def test_garbage_is_collected_after_a_picture_and_not_within(before):
    within = []

    def draw(c=0):
        within.append(gc.isenabled())
        return fails_at(1)(c)

    try:
        (gc.enable if before else gc.disable)()
        explorer = Explorer(draw, "Empty", {"c": (0, 2)})
        after = [gc.isenabled()]
        with pytest.raises(ZeroDivisionError):
            explorer.picture(c=1)
        after.append(gc.isenabled())
    finally:
        gc.enable()
    assert (within, after) == ([False, False], [before, before])


def test_a_reader_without_a_kernel_sees_the_first_picture():
    bundle, metadata = explore(recorder()[0], alt="A line", power=(1, 5))._repr_mimebundle_()
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= bundle.keys()
    assert metadata["image/png"]["alt"] == "A line"


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"power": "high"}, "power: got 'high', wants"),
        ({"power": []}, "power: got"),
        ({"missing": (0, 1)}, "takes no argument 'missing'"),
    ],
)
def test_bad_controls_are_named(controls, message):
    with pytest.raises(TypeError, match=message):
        explore(recorder()[0], alt="A line", **controls)


def test_draw_must_return_a_figure():
    with pytest.raises(TypeError, match="draw: returned NoneType, wants a matplotlib Figure"):
        explore(lambda x=0: None, alt="Nothing", x=(0, 1))


def test_pictures_that_were_not_seen_for_the_longest_make_room(monkeypatch):
    """Room for two and a half pictures: a third drives out the one that was not seen again."""
    drawn = []

    def draw(c=0):
        drawn.append(c)
        return plt.figure(figsize=(1, 1))

    size = len(png(plt.figure(figsize=(1, 1))))
    monkeypatch.setattr(sys.modules[Explorer.__module__], "_MOST_BYTES", 2 * size + size // 2)
    explorer = Explorer(draw, "Empty", {"c": (0, 9)})
    for c in (1, 0, 2, 0):
        explorer.picture(c=c)
    assert drawn == [0, 1, 2]
    explorer.picture(c=1)
    assert drawn == [0, 1, 2, 1]
    for c in range(10):
        explorer.picture(c=c)
        assert explorer._pictures.bytes == sum(map(len, explorer._pictures._kept.values())) <= 2 * size + size // 2


def test_a_picture_too_large_to_be_kept_is_drawn_again(monkeypatch):
    draw, drawn = recorder()
    monkeypatch.setattr(sys.modules[Explorer.__module__], "_MOST_BYTES", 10)
    explorer = Explorer(draw, "A line", {"power": (1, 5)})
    assert explorer.picture(power=3) == explorer.picture(power=3)
    assert len(drawn) == 3


def test_networks_with_one_text_have_pictures_of_their_own():
    nets = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    drawn = []

    def draw(net):
        drawn.append(net)
        return plt.figure(figsize=(1, 1))

    explorer = explore(draw, alt="A network", net=nets)
    for net in (nets[1], nets[0], nets[1]):
        explorer.picture(net=net)
    assert [nets.index(net) for net in drawn] == [0, 1]


def test_a_function_may_take_any_argument_and_one_called_self():
    explorer = explore(lambda **values: plt.figure(figsize=(1, 1)), alt="Anything", self=(1, 3))
    assert explorer.picture(self=2).startswith(b"\x89PNG")
    with pytest.raises(TypeError, match="takes no argument 'x'"):
        explore(lambda x, /: plt.figure(figsize=(1, 1)), alt="By place", x=(1, 3))
    with pytest.raises(TypeError, match="alt: got int"):
        explore(lambda x: plt.figure(figsize=(1, 1)), alt=3, x=(1, 3))
