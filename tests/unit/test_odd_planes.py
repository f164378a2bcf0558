"""Planes that are below zero, nowhere finite, constant, or given in other ways are drawn and judged sensibly."""

import json
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import landscape_nb as lnb
from landscape_nb import plotting
from landscape_nb._common.levels import choose_levels

A = np.linspace(-1, 1, 11)
BOWL = 0.5 + A[:, None] ** 2 + A**2


def plane(values, **attrs):
    return xr.Dataset({"loss": (("alpha", "beta"), np.asarray(values))}, {"alpha": A, "beta": A}, attrs)


PLANES = {
    "bowl": plane(BOWL),
    "below zero": plane(BOWL - 10),
    "far below zero": plane(1e3 * (BOWL**20 - 1)),
    "nowhere finite": plane(BOWL * np.nan),
    "all infinite": plane(np.full_like(BOWL, np.inf)),
    "partly infinite": plane(np.where(A > 0.3, np.inf, BOWL)),
    "one point": plane(np.where((A[:, None] == 0) & (A == 0), 1.0, np.nan)),
    "a finite rim": plane(np.where(np.maximum(np.abs(A[:, None]), np.abs(A)) < 1, np.nan, BOWL)),
    "constant": plane(np.full_like(BOWL, 1.5)),
    "zero": plane(np.zeros_like(BOWL)),
    "constant below zero": plane(np.full_like(BOWL, -1.5)),
    "whole numbers": plane((10 * BOWL).astype(int)),
    "float32": plane(BOWL.astype(np.float32)),
    "turned": plane(BOWL).transpose("beta", "alpha"),
    "downwards": plane(BOWL).isel(alpha=slice(None, None, -1)),
    "two rows": plane(BOWL).isel(alpha=[0, 5]),
    "a variable": plane(BOWL).loss,
    "several draws": xr.concat([plane(BOWL), plane(BOWL - 10)], "repeat"),
}


@pytest.fixture(autouse=True)
def _strictly():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    plt.close("all")


@pytest.mark.parametrize("name", PLANES)
def test_every_kind_of_plane_is_drawn_and_judged(name, tmp_path):
    odd = PLANES[name]
    figures = [plotting.plot_contours(odd), plotting.plot_contours(odd, levels=5), plotting.plot_surfaces(odd)]
    figures.append(plotting.plot_lines(odd.isel(alpha=0), log=True))
    for figure in figures:
        figure.draw_without_rendering()
    plotting.plotly_surface(odd).write_html(tmp_path / "figure.html", include_plotlyjs=False)
    assert str(lnb.diagnose(odd))
    assert str(lnb.diagnose(odd, levels=10))


@pytest.mark.parametrize("name", ["nowhere finite", "all infinite"])
def test_a_plane_without_a_finite_value_says_so(name):
    odd = PLANES[name]
    together = {"fine": PLANES["bowl"], "odd": odd}
    contours, surfaces = plotting.plot_contours(together).axes[1], plotting.plot_surfaces(together).axes[1]
    line = plotting.plot_lines(odd.isel(beta=0)).axes[0]
    for panel in (contours, surfaces, line):
        assert "no finite loss" in [text.get_text() for text in panel.texts]
    assert contours.patch.get_hatch()
    assert not plotting.plot_contours(together).axes[0].patch.get_hatch()
    assert "no finite loss" in plotting.plotly_surface(odd).layout.annotations[0].text
    (finding,) = lnb.diagnose(odd)
    assert (finding.code, finding.severity) == ("not-finite", "problem")
    assert "no finite loss" in finding.text


def test_contours_of_a_loss_below_zero_lie_where_it_has_their_values():
    """On the circle α² + β² = r² the loss is r² − 9.5."""
    fine = np.linspace(-1, 1, 101)
    bowl = xr.Dataset({"loss": (("alpha", "beta"), fine[:, None] ** 2 + fine**2 - 9.5)}, {"alpha": fine, "beta": fine})
    panel = plotting.plot_contours(bowl).axes[0]
    levels, paths = panel.collections[1].levels, panel.collections[1].get_paths()
    assert -9.5 < levels[0] < levels[-1] < -7.5
    for level, path in zip(levels, paths, strict=True):
        np.testing.assert_allclose((path.vertices**2).sum(1) - 9.5, level, atol=1e-3)


def test_a_loss_below_zero_has_linear_heights_and_an_axis_that_says_so():
    both = plotting.plot_surfaces({"one": PLANES["bowl"], "two": PLANES["below zero"]}).axes
    assert [panel.get_zlabel() for panel in both] == ["loss", "loss"]
    assert both[0].get_zlim() == pytest.approx((-9.5, 2.5))
    assert "log" in plotting.plot_surfaces(PLANES["bowl"]).axes[0].get_zlabel()
    np.testing.assert_allclose(plotting.plotly_surface(PLANES["below zero"]).data[0].z, BOWL.T - 10)
    assert plotting.plot_lines(PLANES["below zero"].isel(beta=0), log=True).axes[0].get_yscale() == "linear"


def test_a_loss_below_zero_is_not_advised_to_be_wider():
    (finding,) = lnb.diagnose(PLANES["below zero"])
    assert (finding.code, finding.severity) == ("below-zero", "note")
    assert "-9.5 at α = 0, β = 0" in finding.text
    assert "logarithmic heights, do not apply" in finding.text
    (finding,) = lnb.diagnose(PLANES["below zero"], plotting.PAPER_LEVELS)
    assert (finding.code, finding.severity) == ("below-zero", "problem")
    assert lnb.diagnose(PLANES["below zero"], np.linspace(-9.5, -8, 8)).codes == []
    assert lnb.diagnose(PLANES["below zero"], 10).codes == []
    assert lnb.diagnose(plane(np.where(BOWL > 0.5, BOWL, -1e-9))).codes == lnb.diagnose(PLANES["bowl"]).codes


@pytest.mark.parametrize("values", [BOWL, 10.0 ** (3 * BOWL), BOWL - 10, BOWL - 0.5, 1e3 * (BOWL**20 - 1), BOWL + 2300])
@pytest.mark.parametrize("count", [2, 10, 300])
def test_as_many_levels_as_asked_for_lie_between_the_limits(values, count):
    figure = plotting.plot_contours(plane(values), levels=count)
    levels = choose_levels(count, [values])
    assert len(levels) == count
    assert values.min() < levels[0] < levels[-1] < values.max()
    assert (np.diff(levels) > 0).all()
    if values.min() > 0:
        np.testing.assert_allclose(np.diff(np.log(levels)), np.log(values.max() / values.min()) / (count + 1))
    texts = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert len(set(texts)) == len(texts) == -(-count // 2)


def test_levels_are_shared_by_all_planes():
    figure = plotting.plot_contours([plane(BOWL), plane(BOWL * 100)], levels=9)
    first, second = (panel.collections[0].levels for panel in figure.axes[:2])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(10**first, choose_levels(9, [BOWL, BOWL * 100]))


def test_levels_of_a_loss_far_below_zero_reach_its_middle():
    values = PLANES["far below zero"].loss.values
    levels = choose_levels(20, [values])
    assert (levels < np.median(values)).sum() >= 3
    assert levels[-1] > 0.1 * values.max()


def test_lists_are_panels_titled_by_number_and_draws_by_theirs():
    assert [panel.get_title() for panel in plotting.plot_contours([plane(BOWL)] * 3).axes[:3]] == ["0", "1", "2"]
    draws = PLANES["several draws"]
    assert [panel.get_title() for panel in plotting.plot_contours(draws).axes[:2]] == ["draw 1", "draw 2"]
    named = plotting.plot_surfaces({"a": draws, "b": plane(BOWL)}).axes
    assert [panel.get_title() for panel in named] == ["a, draw 1", "a, draw 2", "b"]
    names = [text.get_text() for text in plotting.plot_lines([plane(BOWL).isel(beta=0)] * 2).legends[0].get_texts()]
    assert names == ["0", "1"]
    assert plotting.plotly_surface(draws, title="Mine").layout.title.text == "Mine, draw 1 of 2"


def test_a_variable_is_drawn_under_its_own_name():
    found = plotting.plot_contours(plane(BOWL).loss.rename("accuracy"))
    assert found.axes[-1].get_ylabel() == "accuracy"
    other = plotting.plot_contours(plane(BOWL).assign(accuracy=plane(BOWL).loss), "accuracy")
    ours, theirs = (figure.axes[0].collections[1].get_paths() for figure in (found, other))
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.vertices, two.vertices)
    assert plotting.plot_lines(plane(BOWL).loss.isel(alpha=0)).axes[0].get_xlabel().startswith("β")


@pytest.mark.parametrize("cmap", ["magma", "Greys", "tab10", plt.get_cmap("cividis")])
def test_colours_are_those_of_the_map(cmap):
    panel = plotting.plot_contours(plane(BOWL), levels=[0.6, 1, 2], cmap=cmap).axes[0]
    wanted = plt.get_cmap(cmap)
    faces = panel.collections[0].get_facecolor()
    np.testing.assert_allclose(faces[0], wanted(0.0), atol=0.02)
    np.testing.assert_allclose(faces[-1], wanted(1.0), atol=0.02)
    assert plotting.plot_surfaces(plane(BOWL), cmap=cmap).axes[0].collections


@pytest.mark.parametrize(("beta", "aspect"), [(1, 1), (3, 1), (0.3, 1), (10, "auto"), (0.01, "auto")])
def test_axes_are_to_scale_unless_that_leaves_a_sliver(beta, aspect):
    panel = plotting.plot_contours(plane(BOWL).assign_coords(beta=beta * A)).axes[0]
    assert panel.get_aspect() == aspect


def measured(*directions):
    torch.manual_seed(0)
    net = nn.Linear(20, 10)
    objective = lnb.Objective(net, (torch.randn(200, 20), torch.arange(200) % 10))
    d1, d2 = lnb.random_directions(net, 2)
    chosen = [pick(d1, d2) for pick in directions]
    if len(chosen) == 1:
        return lnb.evaluate_line(objective, chosen[0], resolution=3, progress=False)
    return lnb.evaluate_plane(objective, chosen, resolution=3, progress=False)


def first(d1, _):
    return d1


def second(_, d2):
    return d2


def back(d1, _):
    return lnb.scale(d1, -2)


def nothing(d1, _):
    return lnb.scale(d1, 0)


def beside(d1, d2):
    return lnb.add(d1, lnb.scale(d2, 0.05))


@pytest.mark.parametrize(
    ("directions", "code", "severity"),
    [
        ((first, second), None, None),
        ((first, first), "parallel-directions", "problem"),
        ((first, back), "parallel-directions", "problem"),
        ((first, beside), "parallel-directions", "warning"),
        ((first, nothing), "zero-direction", "problem"),
        ((nothing, nothing), "zero-direction", "problem"),
        ((nothing,), "zero-direction", "problem"),
        ((first,), None, None),
    ],
)
def test_directions_that_span_no_plane_are_seen(directions, code, severity):
    found = [f for f in lnb.diagnose(measured(*directions)) if f.code in ("parallel-directions", "zero-direction")]
    assert {(f.code, f.severity) for f in found} == (set() if code is None else {(code, severity)})
    assert len(found) == (max(1, directions.count(nothing)) if code else 0)


def test_attributes_say_lengths_and_angle_of_the_directions():
    """Against vectors by hand: (3, 4) and (0, 2) have a cosine of 0.8."""
    model = nn.Linear(2, 1, bias=False)
    objective = lnb.Objective(model, (torch.eye(2), torch.zeros(2, 1)), nn.functional.mse_loss)
    directions = [{"weight": torch.tensor([w])} for w in ([3.0, 4.0], [0.0, 2.0])]
    for found in (
        lnb.evaluate_plane(objective, directions, resolution=2, progress=False),
        lnb.curvature_map(objective, directions, resolution=2, progress=False),
    ):
        assert found.attrs["direction_norms"] == [5, 2]
        assert found.attrs["direction_cosine"] == pytest.approx([0.8])
    assert json.dumps(found.attrs["direction_norms"])


def test_nothing_wider_is_advised_where_nothing_moves():
    assert "too-narrow" not in lnb.diagnose(measured(nothing, nothing)).codes
