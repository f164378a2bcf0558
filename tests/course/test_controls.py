"""Controls: what kind of widget an argument gets, where it stands, and that a slider says what to do with it."""

import ipywidgets as widgets
import numpy as np
import pytest

from landscape_nb.course.controls import described, make_control, place_of, values_of


@pytest.mark.parametrize(
    ("spec", "default", "kind", "values", "at"),
    [
        ((1, 5, 2), 3, "slider", [1, 3, 5], 1),
        ((0.0, 1.0, 0.25), None, "slider", [0, 0.25, 0.5, 0.75, 1], 0),
        ([0.1, 1.0, 10.0], 10.0, "slider", [0.1, 1, 10], 2),
        (["a", "b"], "b", "choice", ["a", "b"], 1),
        (True, None, "checkbox", [False, True], 1),
        (widgets.Dropdown(options=[("one", 1), ("two", 2)], value=2), None, "choice", [1, 2], 1),
        (widgets.Dropdown(options={"one": 1, "two": 2}, value=2), None, "choice", [1, 2], 1),
        (widgets.RadioButtons(options=[None, "all"]), None, "choice", [None, "all"], 0),
        (widgets.ToggleButton(True), None, "checkbox", [False, True], 1),
        (widgets.FloatLogSlider(10, min=-1, max=1, step=1), None, "slider", [0.1, 1, 10], 2),
        (widgets.BoundedIntText(2, min=1, max=3), None, "slider", [1, 2, 3], 1),
        (widgets.Play(value=2, min=0, max=5, step=2), None, "slider", [0, 2, 4, 5], 1),
        (widgets.Text("typed"), None, "fixed", ["typed"], 0),
        (widgets.FloatText(0.5), None, "fixed", [0.5], 0),
        (widgets.IntRangeSlider(value=(1, 2), min=0, max=5), None, "fixed", [(1, 2)], 0),
        (widgets.Combobox(options=["a", "b"], value="a"), None, "fixed", ["a"], 0),
        (widgets.IntSlider(5, min=0, max=10**7), None, "fixed", [5], 0),
        (widgets.SelectMultiple(options=["a", "b"], value=["a"]), None, "fixed", [("a",)], 0),
        ([(0, 1), (1, 2)], (1, 2), "choice", [(0, 1), (1, 2)], 1),
        ((1.0, 1.3, 0.1), None, "slider", [1.0, 1.1, pytest.approx(1.2), 1.3], 0),
        ((np.int64(1), np.int64(3)), None, "slider", [1, 2, 3], 0),
    ],
)
def test_a_control_is_what_its_argument_can_be(spec, default, kind, values, at):
    widget = make_control("a_name", spec, default)
    found = described("a_name", widget)
    assert (found.kind, list(found.values), found.at) == (kind, values, at)
    assert list(values_of(widget)) == values
    assert place_of(widget) == at
    assert found.label in ("a name", "a_name")


@pytest.mark.parametrize("spec", [(0, 3), (0.0, 1.0), [1, 2]])
def test_a_slider_says_how_it_moves(spec):
    assert "arrow keys" in make_control("beta", spec, None).tooltip


@pytest.mark.parametrize("spec", ["x", (1,), (False, True), widgets.Label, widgets.VBox()])
def test_what_is_not_a_control_is_named(spec):
    with pytest.raises(TypeError, match="beta: got .*, wants"):
        make_control("beta", spec, None)


@pytest.mark.parametrize(
    ("spec", "default", "message"),
    [
        ((3, 1), None, r"beta: got \(3, 1\), wants a low end below the high end"),
        ((0.0, float("inf")), None, "beta: .* wants a low end"),
        ((0, 10, 0), None, r"beta: got \(0, 10, 0\), wants a step above 0"),
        ((0, 10, -1), None, "beta: .* wants a step above 0"),
        ((0, 10), 11, "beta: draw's default 11 is not a number from 0 to 10"),
        ((1, 3), 1.5, r"beta: draw's default 1.5 is not whole, as \(1, 3\) is; write 1.0"),
        ((1, 3), np.zeros(2), "beta: draw's default array.* is not a number from 1 to 3"),
        ((0, 2**32 - 1), None, "beta: .* wants 10,000 values or fewer; give a step"),
        ((0, 1, 1e-9), None, "beta: .* wants 10,000 values or fewer"),
        (["a", "b"], "c", "beta: draw's default 'c' is not one of"),
        ([float("nan"), 1.0], None, "beta: nan does not equal itself"),
        ([np.zeros(2), np.ones(2)], None, "beta: array.* does not equal itself"),
        (True, 5, "beta: draw's default 5 is neither True nor False"),
    ],
)
def test_a_range_or_default_that_cannot_be_is_named(spec, default, message):
    with pytest.raises(ValueError, match=message):
        make_control("beta", spec, default)


def test_a_dropdown_shows_its_labels():
    found = described("size", widgets.Dropdown(options={"small": 4, "large": 9}))
    assert (list(found.texts), list(found.values)) == (["small", "large"], [4, 9])
