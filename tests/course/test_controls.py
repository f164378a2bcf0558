"""Controls: what kind of widget an argument gets, where it stands, and that a slider says what to do with it."""

import ipywidgets as widgets
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


def test_what_is_not_a_control_is_named():
    with pytest.raises(TypeError, match="beta: got 'x', wants"):
        make_control("beta", "x", None)
