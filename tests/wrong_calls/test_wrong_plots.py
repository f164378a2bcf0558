"""What cannot be drawn or judged is refused in words that name the argument."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr

import landscape_nb as lnb
from landscape_nb import plotting

A = np.linspace(-1, 1, 5)
BOWL = 1 + A[:, None] ** 2 + A**2
PLANE = xr.Dataset({"loss": (("alpha", "beta"), BOWL)}, {"alpha": A, "beta": A})
LINE = PLANE.isel(beta=2, drop=True)
DRAWS = xr.concat([PLANE, PLANE], "repeat")
PATH = xr.Dataset({name: ("point", [1.0, 0.0]) for name in ("alpha", "beta", "distance")})
BARE = PLANE.drop_vars(["alpha", "beta"])
WORDS = PLANE.assign(loss=PLANE.loss.astype(str))
COMPLEX = PLANE.assign(loss=PLANE.loss.astype(complex))
UNSORTED = PLANE.isel(alpha=[2, 0, 1, 3, 4])
ROW = PLANE.isel(alpha=[0])
PICTURES, RIGHT = np.zeros((2, 4, 4)), np.array([[0.9, 0.1], [0.2, 0.8]])


def refused(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert re.match(message, str(caught.value)), str(caught.value)


NOT_PLANES = [
    (BOWL, TypeError, "{}: got ndarray, wants an xarray.Dataset, as evaluate_plane returns"),
    (torch.zeros(3, 3), TypeError, "{}: got Tensor, wants an xarray.Dataset"),
    (None, TypeError, "{}: got NoneType, wants an xarray.Dataset"),
    ("plane.zarr", TypeError, "{}: got str, wants an xarray.Dataset"),
    (iter([PLANE]), TypeError, "{}: got list_iterator, wants an xarray.Dataset"),
    (LINE, ValueError, r"{}: wants 'loss' over \('alpha', 'beta'\), has \{{'loss': \('alpha',\)\}}"),
    (PLANE.rename(loss="error"), ValueError, "{}: wants 'loss' over .*, has .*'error'"),
    (PLANE.rename(alpha="x"), ValueError, r"{}: wants 'loss' over .*, has .*\('x', 'beta'\)"),
    (PLANE.loss.isel(alpha=0), ValueError, "{}: wants 'loss' over"),
    (BARE, ValueError, "{}: has no numbers as coordinates along 'alpha'"),
    (WORDS, ValueError, "{}: 'loss' has dtype .*, wants real numbers"),
    (COMPLEX, ValueError, "{}: 'loss' has dtype complex128, wants real numbers"),
    (UNSORTED, ValueError, r"{}: the coordinates along 'alpha' are not in order; sort them: sortby\('alpha'\)"),
    (ROW, ValueError, r"{}: has 1 point along 'alpha', wants two or more; plot_lines\({}.isel\(alpha=0\)\) draws it"),
]
DRAWERS = [
    (plotting.plot_contours, "planes"),
    (plotting.plot_surfaces, "planes"),
    (plotting.plotly_surface, "planes"),
    (lambda plane: plotting.draw_contours(plotting.panels(1)[1][0], plane), "plane"),
    (lambda plane: plotting.plotly_path(plane, PATH), "plane"),
    (lnb.plane_curvatures, "plane"),
    (lnb.nonconvex_fraction, "plane"),
]


@pytest.mark.parametrize(("draw", "name"), DRAWERS)
@pytest.mark.parametrize(("plane", "kind", "message"), NOT_PLANES)
def test_what_is_not_a_plane(draw, name, plane, kind, message):
    refused(lambda: draw(plane), kind, message.format(name, name))


@pytest.mark.parametrize(("draw", "name"), DRAWERS[:3])
@pytest.mark.parametrize(("plane", "kind", "message"), NOT_PLANES)
def test_what_is_not_a_plane_among_others(draw, name, plane, kind, message):
    refused(lambda: draw([PLANE, plane]), kind, message.format(rf"{name}\[1\]", r"planes\[1\]"))
    refused(lambda: draw({"mine": plane}), kind, message.format(rf"{name}\['mine'\]", r"planes\['mine'\]"))


@pytest.mark.parametrize(
    ("plane", "kind", "message"),
    [row for row in NOT_PLANES if not isinstance(row[0], xr.DataArray) and row[0] is not LINE],  # lines can be judged
)
def test_what_cannot_be_judged(plane, kind, message):
    refused(lambda: lnb.diagnose(plane), kind, message.format("dataset", "dataset"))


def panel():
    return plotting.panels(1)[1][0]


LINES = "wants 'loss' over"
LEVELS = "wants two or more numbers, each above the one before, or how many"
TABLE = {
    "no planes": (lambda: plotting.plot_contours([]), ValueError, "planes: got no Dataset"),
    "no planes by name": (lambda: plotting.plot_surfaces({}), ValueError, "planes: got no Dataset"),
    "unknown variable": (
        lambda: plotting.plot_contours(PLANE, "acuracy"),
        ValueError,
        "variable: got 'acuracy', planes has .*'loss'",
    ),
    "unknown height": (lambda: plotting.plot_surfaces(PLANE, "acuracy"), ValueError, "variable: got 'acuracy'"),
    "unknown plotly": (lambda: plotting.plotly_surface(PLANE, "acuracy"), ValueError, "variable: got 'acuracy'"),
    "unknown curve": (lambda: plotting.plot_lines(LINE, ["loss", "f1"]), ValueError, "variable: got 'f1', lines has"),
    "unknown curvature": (lambda: lnb.plane_curvatures(PLANE, "f1"), ValueError, "variable: got 'f1', plane has"),
    "a number for a variable": (lambda: plotting.plot_contours(PLANE, 3), TypeError, r"variable: got \(3,\), wants"),
    "two variables at once": (
        lambda: plotting.plot_contours([PLANE.loss, PLANE.loss.rename("accuracy")]),
        ValueError,
        "variable: got loss, but variables that are accuracy, loss",
    ),
    "another variable": (lambda: plotting.plot_contours(PLANE.loss, "f1"), ValueError, "variable: got f1, but"),
    "levels: a text": (lambda: plotting.plot_contours(PLANE, levels="10"), TypeError, f"levels: got '10', {LEVELS}"),
    "levels: a float": (lambda: plotting.plot_contours(PLANE, levels=1.5), TypeError, "levels: got 1.5, wants"),
    "levels: True": (lambda: plotting.plot_contours(PLANE, levels=True), TypeError, "levels: got True, wants"),
    "levels: texts": (lambda: plotting.plot_contours(PLANE, levels=["a", "b"]), TypeError, "levels: got"),
    "levels: none": (lambda: plotting.plot_contours(PLANE, levels=[]), ValueError, f"levels: got .*{LEVELS}"),
    "levels: one": (lambda: plotting.plot_contours(PLANE, levels=[1]), ValueError, "levels: got"),
    "levels: 1": (lambda: plotting.plot_contours(PLANE, levels=1), ValueError, "levels: got 1, wants"),
    "levels: -3": (lambda: plotting.plot_contours(PLANE, levels=-3), ValueError, "levels: got -3, wants"),
    "levels: unsorted": (lambda: plotting.plot_contours(PLANE, levels=[2, 1]), ValueError, "levels: got"),
    "levels: twice": (lambda: plotting.plot_contours(PLANE, levels=[1, 1]), ValueError, "levels: got"),
    "levels: NaN": (lambda: plotting.plot_contours(PLANE, levels=[1, np.nan]), ValueError, "levels: got"),
    "levels: a matrix": (lambda: plotting.plot_contours(PLANE, levels=[[1, 2]]), ValueError, "levels: got"),
    "levels in a panel": (lambda: plotting.draw_contours(panel(), PLANE, levels="x"), TypeError, "levels: got 'x'"),
    "levels to judge": (lambda: lnb.diagnose(PLANE, levels="x"), TypeError, "levels: got 'x'"),
    "level to judge": (lambda: lnb.diagnose(PLANE, levels=1), ValueError, "levels: got 1"),
    "columns: 0": (lambda: plotting.plot_contours(PLANE, columns=0), ValueError, "columns: got 0, wants"),
    "columns: 1.5": (lambda: plotting.plot_surfaces(PLANE, columns=1.5), ValueError, "columns: got 1.5, wants"),
    "title": (lambda: plotting.plot_contours(PLANE, title=3), TypeError, "title: got int, wants a text"),
    "title of lines": (lambda: plotting.plot_lines(LINE, title=3), TypeError, "title: got int"),
    "title of surfaces": (lambda: plotting.plot_surfaces(PLANE, title=["a"]), TypeError, "title: got list"),
    "title of plotly": (lambda: plotting.plotly_surface(PLANE, title=3), TypeError, "title: got int"),
    "no such colours": (lambda: plotting.plot_contours(PLANE, cmap="virids"), ValueError, "cmap: got 'virids', wants"),
    "colours: a number": (lambda: plotting.plot_surfaces(PLANE, cmap=3), TypeError, "cmap: got int, wants"),
    "colours: a list": (lambda: plotting.draw_contours(panel(), PLANE, cmap=["r"]), TypeError, "cmap: got list"),
    "log": (lambda: plotting.plot_lines(LINE, log="loss"), TypeError, "log: got str, wants True or False"),
    "log height": (lambda: plotting.plot_surfaces(PLANE, log="x"), TypeError, "log: got str"),
    "log plotly": (lambda: plotting.plotly_surface(PLANE, log=None), TypeError, "log: got NoneType"),
    "top: a text": (lambda: plotting.plot_surfaces(PLANE, top="10"), TypeError, "top: got '10', wants a number"),
    "top: zero": (lambda: plotting.plot_surfaces(PLANE, top=0), ValueError, "top: got 0, wants more than 1"),
    "top: NaN": (lambda: plotting.plotly_surface(PLANE, top=np.nan), ValueError, "top: got nan, wants more than 1"),
    "top: huge": (lambda: plotting.plotly_surface(PLANE, top=10**400), ValueError, "top: got 10.*, wants a float"),
    "turns": (lambda: plotting.plotly_surface(PLANE, turns=10**6), ValueError, "turns: got 1000000, .* 0 to 360"),
    "top: too low": (lambda: plotting.plotly_surface(PLANE, log=False, top=0.5), ValueError, "top: got 0.5"),
    "ylim": (lambda: plotting.plot_lines(LINE, ylim=3), TypeError, "ylim: got 3, wants two numbers"),
    "ylim: texts": (lambda: plotting.plot_lines(LINE, ylim=("a", "b")), TypeError, "ylim: got"),
    "lines: a plane": (lambda: plotting.plot_lines(PLANE), ValueError, f"lines: {LINES} \\('alpha',\\), has"),
    "lines: an array": (lambda: plotting.plot_lines(A), TypeError, "lines: got ndarray, .* as evaluate_line returns"),
    "lines: numbers": (lambda: plotting.plot_lines([1, 2]), TypeError, r"lines\[0\]: got int"),
    "lines: a path": (lambda: plotting.plot_lines(PATH), ValueError, f"lines: {LINES}"),
    "no variables": (lambda: plotting.plot_lines(LINE, ()), TypeError, r"variable: got \(\), wants a name"),
    "line: a list": (lambda: plotting.draw_line(panel(), [LINE]), TypeError, "line: got list"),
    "line: draws": (
        lambda: plotting.draw_line(panel(), DRAWS.isel(beta=0)),
        ValueError,
        r"line: has 2 draws, wants one, such as line.isel\(repeat=0\)",
    ),
    "plane: draws": (lambda: plotting.draw_contours(panel(), DRAWS), ValueError, "plane: has 2 draws"),
    "no draw": (lambda: plotting.plot_contours(DRAWS.isel(repeat=[])), ValueError, "planes: has no draw"),
    "number": (lambda: plotting.draw_line(panel(), LINE, number=-1), ValueError, "number: got -1, wants"),
    "label": (lambda: plotting.draw_line(panel(), LINE, label=3), TypeError, "label: got int, wants a text"),
    "panel: a figure": (lambda: plotting.draw_line(plotting.panels(1)[0], LINE), TypeError, "panel: got Figure, wants"),
    "panel: several": (lambda: plotting.draw_contours(plotting.panels(2)[1], PLANE), TypeError, "panel: got ndarray"),
    "panel: none": (lambda: plotting.draw_path(None, PATH), TypeError, "panel: got NoneType"),
    "panel: 3d": (
        lambda: plotting.draw_contours(plotting.panels(1, projection="3d")[1][0], PLANE),
        ValueError,
        "panel: got one with projection '3d', wants a flat one",
    ),
    "path: an array": (lambda: plotting.draw_path(panel(), A), TypeError, "path: got ndarray, wants .* as project"),
    "path: a plane": (lambda: plotting.draw_path(panel(), PLANE), ValueError, "path: wants 'alpha' for one 'point'"),
    "path: one axis": (lambda: plotting.draw_path(panel(), PATH[["alpha"]]), ValueError, "path: has no 'beta', wants"),
    "path: no point": (lambda: plotting.draw_path(panel(), PATH.isel(point=[])), ValueError, "path: wants 'alpha'"),
    "until": (lambda: plotting.draw_path(panel(), PATH, "5"), TypeError, "until: got str, wants an epoch"),
    "judged path": (lambda: lnb.diagnose(PLANE, path=A), TypeError, "path: got ndarray, wants"),
    "judged plane for a path": (lambda: lnb.diagnose(PLANE, path=PLANE), ValueError, "path: has no 'distance'"),
    "judged list": (lambda: lnb.diagnose([PLANE]), TypeError, "dataset: got list, wants an xarray.Dataset"),
    "judged variable": (lambda: lnb.diagnose(PLANE.loss.rename("f1")), ValueError, f"dataset: {LINES}"),
    "tolerance": (lambda: lnb.nonconvex_fraction(PLANE, "a"), TypeError, "tolerance: got str, wants a number"),
    "few points": (lambda: lnb.plane_curvatures(PLANE.isel(beta=[0, 1])), ValueError, "plane: got 5×2 points"),
    "panels: 0": (lambda: plotting.panels(0), ValueError, "columns: got 0"),
    "panels: rows": (lambda: plotting.panels(1, 2.5), ValueError, "rows: got 2.5"),
    "size: negative": (lambda: plotting.panels(1, size=(-1, 2)), ValueError, "size: got -1, wants a positive number"),
    "size: one": (lambda: plotting.panels(1, size=3), TypeError, "size: got 3, wants two numbers"),
    "answers: panel": (
        lambda: plotting.draw_answers(plotting.panels(1)[0], PICTURES, [0, 1], RIGHT),
        TypeError,
        "panel: got Figure",
    ),
    "answers: one image": (
        lambda: plotting.draw_answers(panel(), PICTURES[0], [0, 1], RIGHT),
        ValueError,
        r"images: got shape \(4, 4\), wants",
    ),
    "answers: one row": (
        lambda: plotting.draw_answers(panel(), PICTURES, [0, 1], RIGHT[0]),
        ValueError,
        r"probabilities: got shape \(2,\), wants",
    ),
    "answers: no class": (
        lambda: plotting.draw_answers(panel(), PICTURES, [0, 2], RIGHT),
        ValueError,
        r"labels: got \[0, 2\], wants classes from 0 to 1",
    ),
    "answers: one label": (lambda: plotting.draw_answers(panel(), PICTURES, 1, RIGHT), ValueError, "labels: got 1"),
    "answers: names": (
        lambda: plotting.draw_answers(panel(), PICTURES, [0, 1], RIGHT, ["cat"]),
        ValueError,
        "names: got 1 of them for 2 classes",
    ),
    "answers: columns": (
        lambda: plotting.draw_answers(panel(), PICTURES, [0, 1], RIGHT, columns=0),
        ValueError,
        "columns: got 0",
    ),
    "show: a panel": (lambda: lnb.show(panel(), alt="A"), TypeError, "figure: got Axes, wants a matplotlib Figure"),
    "show: no text": (lambda: lnb.show(plt.figure(), alt=3), TypeError, "alt: got int, wants a sentence"),
    "show: a picture": (
        lambda: lnb.show_interactive(plt.figure(), plt.figure(), "A"),
        TypeError,
        "figure: got Figure, wants a plotly Figure",
    ),
    "show: no picture": (
        lambda: lnb.show_interactive(plotting.plotly_surface(PLANE), PLANE, "A"),
        TypeError,
        "still: got Dataset, wants a matplotlib Figure",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_wrong_call_is_told_in_words(name):
    refused(*TABLE[name])


@pytest.mark.parametrize("levels", [np.array([0.5, 1.5]), (1, 2), range(1, 4), torch.tensor([1.0, 2.0]), LINE.alpha])
def test_levels_may_be_any_numbers_that_increase(levels):
    found = plotting.plot_contours(PLANE, levels=levels).axes[0].collections[0].levels
    assert len(found) == len(levels)
    assert lnb.diagnose(PLANE, levels=levels) is not None


def test_two_lines_end_to_end_are_a_line():
    """The point that they share is there twice; points out of order are not a line."""
    both = xr.concat([LINE, LINE.assign_coords(alpha=A + 2)], "alpha")
    assert len(plotting.plot_lines(both).axes[0].lines[0].get_xdata()) == 10
    with pytest.raises(ValueError, match="lines: the coordinates along 'alpha' are not in order"):
        plotting.plot_lines(LINE.isel(alpha=[1, 0, 2, 3, 4]))


HUGE = np.where(BOWL > 2, 1e308, -1e308)
SIGNED = PLANE.assign(loss=(("alpha", "beta"), HUGE))
FAR_APART = r"goes from -1e\+308 to 1e\+308, too far apart to be drawn \(at most 1e\+300\)"
OVERFLOWING = {
    "contours": (lambda: plotting.plot_contours(SIGNED), "values"),
    "counted contours": (lambda: plotting.plot_contours(SIGNED, levels=5), "values"),
    "contours on given levels": (lambda: plotting.plot_contours(SIGNED, levels=[-1, 1]), "loss"),
    "levels": (lambda: plotting.plot_contours(PLANE, levels=[-1e308, 1e308]), "levels"),
    "surfaces": (lambda: plotting.plot_surfaces(SIGNED), "values"),
    "plotly": (lambda: plotting.plotly_surface(SIGNED), "values"),
    "lines": (lambda: plotting.plot_lines(SIGNED.isel(beta=0)), "loss"),
    "ylim": (lambda: plotting.plot_lines(LINE, ylim=(-1e308, 1e308)), "ylim"),
    "diagnosis": (lambda: lnb.diagnose(SIGNED), "values"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("what", OVERFLOWING)
def test_ranges_that_overflow_are_refused(what):
    call, name = OVERFLOWING[what]
    refused(call, ValueError, f"{name}: {FAR_APART}")


@pytest.mark.filterwarnings("error:overflow")
def test_huge_positive_losses_are_drawn_on_logarithms():
    huge = PLANE.assign(loss=PLANE.loss * 1e307)
    for figure in (
        plotting.plot_contours(huge, levels=5),
        plotting.plot_contours(huge),
        plotting.plot_surfaces(huge),
        plotting.plot_lines(huge.isel(beta=0), log=True),
    ):
        figure.canvas.draw()


@pytest.mark.parametrize("end", [np.nan, np.inf, -np.inf])
def test_the_ends_of_an_axis_are_finite(end):
    refused(
        lambda: plotting.plot_lines(LINE, ylim=(end, 1)), ValueError, r"ylim: got \(.*\), wants finite numbers, or None"
    )
    assert plotting.plot_lines(LINE, ylim=(None, 3)).axes[0].get_ylim()[1] == 3
