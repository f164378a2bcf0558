"""What can be drawn: Datasets and variables over a line or a plane, with a title each; the rest is named."""

import numpy as np
import pytest
import xarray as xr
from helpers import BOWL, PLANES, plane_of

from landscape_nb import plotting
from landscape_nb._common.drawable import as_dataset, by_name, check_path, check_variable, single

LINE = xr.Dataset({"loss": ("alpha", [1.0, 2.0]), "accuracy": ("alpha", [0.5, 0.7])}, {"alpha": [0.0, 1.0]})
DRAWS = xr.concat([LINE, LINE + 1], "repeat")


def test_titles_are_names_numbers_or_draws():
    titles = {
        "": LINE,
        "0 1": [LINE, LINE.loss],
        "a b": {"a": LINE, "b": LINE},
        "draw 1|draw 2": DRAWS,
        "0, draw 1|0, draw 2|1": (DRAWS, LINE),
        "one": {"one": DRAWS.isel(repeat=[1])},
    }
    for wanted, plots in titles.items():
        found, _ = by_name("lines", plots, "line", ("loss",))
        assert list(found) == (wanted.split("|") if "draw" in wanted else wanted.split(" "))
    found, _ = by_name("lines", DRAWS, "line", ("loss",))
    assert [each.loss.values.tolist() for each in found.values()] == [[1.0, 2.0], [2.0, 3.0]]


def test_a_variable_decides_what_is_drawn():
    assert by_name("lines", LINE.accuracy, "line", ("loss",))[1] == ("accuracy",)
    assert by_name("lines", LINE, "line", "accuracy")[1] == ("accuracy",)
    unnamed = LINE.accuracy.rename(None)
    assert as_dataset("line", unnamed, "loss", "line").loss.values.tolist() == [0.5, 0.7]
    with pytest.raises(ValueError, match="variable: got loss, but variables that are accuracy, loss"):
        by_name("lines", [LINE.accuracy, LINE.loss], "line", ("loss",))
    with pytest.raises(ValueError, match="variable: got loss, err, but variables that are accuracy"):
        by_name("lines", LINE.accuracy, "line", ("loss", "err"))


def test_a_variable_keeps_its_attributes():
    assert as_dataset("line", LINE.loss.assign_attrs(seed=3), "loss", "line").attrs == {"seed": 3}


def test_a_single_draw_is_drawn_alone_and_several_are_not():
    assert single("line", LINE, "line", "accuracy").values.tolist() == [0.5, 0.7]
    assert single("line", DRAWS.isel(repeat=[0]), "line", "loss").values.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"line: has 2 draws, wants one, such as line.isel\(repeat=0\)"):
        single("line", DRAWS, "line", "loss")
    with pytest.raises(TypeError, match="line: got list, wants an xarray.Dataset, as evaluate_line returns"):
        single("line", [LINE], "line", "loss")


def along(coords, values=None, dims=("alpha",)):
    values = np.zeros(len(coords)) if values is None else values
    return xr.Dataset({"loss": (dims, values)}, {dims[0]: coords})


def plane(alpha=(0.0, 1.0), beta=(0.0, 1.0, 2.0)):
    return xr.Dataset(
        {"loss": (("alpha", "beta"), np.zeros((len(alpha), len(beta))))}, {"alpha": [*alpha], "beta": [*beta]}
    )


@pytest.mark.parametrize(
    ("kind", "dataset", "variable", "message"),
    [
        ("line", LINE, "loss_stderr", "variable: got 'loss_stderr', it has "),
        ("line", LINE.drop_vars("loss"), "loss", "it: wants 'loss' over .'alpha',., has "),
        ("line", plane(), "loss", "it: wants 'loss' over"),
        ("plane", LINE, "loss", "it: wants 'loss' over .'alpha', 'beta'."),
        ("line", along([0.0, 1.0], np.array(["a", "b"])), "loss", "it: 'loss' has dtype <U1, wants real numbers"),
        ("line", along([0.0, 1.0], np.ones(2) * 1j), "loss", "it: 'loss' has dtype complex128"),
        ("line", along(["a", "b"]), "loss", "it: has no numbers as coordinates along 'alpha'"),
        ("line", LINE.drop_vars("alpha"), "loss", "it: has no numbers as coordinates along 'alpha'"),
        ("line", along([0.0]), "loss", "it: has 1 point along 'alpha', wants two or more$"),
        (
            "plane",
            plane(alpha=(0.0,)),
            "loss",
            r"it: has 1 point along 'alpha', wants two or more; plot_lines\(it.isel",
        ),
        ("line", along([0.0, 2.0, 1.0]), "loss", r"it: the coordinates along 'alpha' are not in order; sort them"),
        ("line", along([0.0, np.nan, 1.0]), "loss", "not in order"),
        ("plane", plane(beta=(0.0, 1.0, 1.0)), "loss", "it: the coordinates along 'beta' are not in order"),
    ],
)
def test_what_is_not_on_a_line_or_plane_is_named(kind, dataset, variable, message):
    with pytest.raises(ValueError, match=message):
        check_variable("it", dataset, kind, variable)


@pytest.mark.parametrize(
    ("kind", "dataset"),
    [
        ("line", LINE),
        ("line", along([1.0, 0.0])),
        ("line", along([0, 1, 1, 2])),
        ("line", along([0.0, 1.0], np.array([1, 2]))),
        ("line", along([0.0, 1.0], np.array([True, False]))),
        ("line", along([0.0, 1.0], dims=("beta",))),
        ("plane", plane()),
        ("plane", plane(alpha=(1.0, 0.0)).transpose("beta", "alpha")),
    ],
)
def test_lines_may_run_either_way_and_stand_still(kind, dataset):
    check_variable("it", dataset, kind, "loss")


def test_a_path_has_all_coordinates_at_its_points():
    right = xr.Dataset({name: ("point", [0.0, 1.0]) for name in ("alpha", "beta")})
    check_path("path", right, ("alpha", "beta"))
    for wrong, message in (
        (right.drop_vars("beta"), "path: has no 'beta', wants what project returned"),
        (right.isel(point=[]), "path: wants 'alpha' for one 'point' or more"),
        (right.rename(point="step"), "path: wants 'alpha' for one 'point' or more, has it over .'step'"),
    ):
        with pytest.raises(ValueError, match=message):
            check_path("path", wrong, ("alpha", "beta"))
    with pytest.raises(TypeError, match="path: got list, wants an xarray.Dataset, as project returns"):
        check_path("path", [], ("alpha",))


def test_nothing_is_not_a_plot():
    for nothing in ([], {}, ()):
        with pytest.raises(ValueError, match="lines: got no Dataset to draw"):
            by_name("lines", nothing, "line", ("loss",))
    with pytest.raises(ValueError, match="lines: has no draw"):
        by_name("lines", DRAWS.isel(repeat=[]), "line", ("loss",))
    for names in ((), [1], 3, None):
        with pytest.raises(TypeError, match="variable: got .*, wants a name such as 'loss'"):
            by_name("lines", LINE, "line", names)


@pytest.mark.parametrize("draw", [plotting.plot_contours, plotting.plot_surfaces, plotting.plotly_surface])
def test_what_is_not_a_plane_is_named(draw):
    line = xr.Dataset({"loss": ("alpha", [1.0, 2.0])}, {"alpha": [0.0, 1.0]})
    with pytest.raises(ValueError, match=r"wants 'loss' over \('alpha', 'beta'\), has"):
        draw(line)


def test_lists_are_panels_titled_by_number_and_draws_by_theirs():
    assert [panel.get_title() for panel in plotting.plot_contours([plane_of(BOWL)] * 3).axes[:3]] == ["0", "1", "2"]
    draws = PLANES["several draws"]
    assert [panel.get_title() for panel in plotting.plot_contours(draws).axes[:2]] == ["draw 1", "draw 2"]
    named = plotting.plot_surfaces({"a": draws, "b": plane_of(BOWL)}).axes
    assert [panel.get_title() for panel in named] == ["a, draw 1", "a, draw 2", "b"]
    names = [text.get_text() for text in plotting.plot_lines([plane_of(BOWL).isel(beta=0)] * 2).legends[0].get_texts()]
    assert names == ["0", "1"]
    assert [text.text for text in plotting.plotly_surface(draws).layout.annotations] == ["draw 1", "draw 2"]


def test_a_variable_is_drawn_under_its_own_name():
    found = plotting.plot_contours(plane_of(BOWL).loss.rename("accuracy"))
    assert found.axes[-1].get_ylabel() == "accuracy"
    other = plotting.plot_contours(plane_of(BOWL).assign(accuracy=plane_of(BOWL).loss), "accuracy")
    ours, theirs = (figure.axes[0].collections[1].get_paths() for figure in (found, other))
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.vertices, two.vertices)
    assert plotting.plot_lines(plane_of(BOWL).loss.isel(alpha=0)).axes[0].get_xlabel().startswith("β")


def test_no_plot_is_lost_because_two_names_read_the_same():
    with pytest.raises(ValueError, match=r"^lines: got the names \[1, '1'\], of which two read the same$"):
        by_name("lines", {1: LINE, "1": LINE}, "line", ("loss",))
