"""Each finding is made where it should be, and nowhere else."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from helpers import COMPONENTS, RANDOM, bowl
from helpers import judged_line as line
from helpers import judged_plane as plane
from helpers import only_finding as only
from helpers import suggested_extents as numbers

import landscape_nb as lnb
from landscape_nb._common.schema import PAPER_LEVELS
from landscape_nb.diagnosis.diagnose import Diagnosis, Finding, diagnose
from landscape_nb.trajectories import pca


def test_nothing_wrong_is_said_to_be_so():
    found = diagnose(plane())
    assert isinstance(found, Diagnosis)
    assert found == []
    assert str(found) == "Nothing wrong was found in the measured values."
    assert found._repr_markdown_().startswith("**Nothing wrong was found in the measured values.**")


def test_notes_alone_are_nothing_wrong():
    noted = plane(directions=json.dumps(RANDOM), normalization="filter", batch_norm="frozen")
    found = diagnose(noted)
    assert sorted(found.codes) == ["frozen-batch-norm", "one-seed"]
    assert found.summary == "Nothing wrong was found in the measured values; 2 notes."


def test_the_gravest_comes_first_and_markdown_has_it_all():
    found = diagnose(plane(lambda a, b: bowl(a - 0.5, b), normalization="none", directions=json.dumps([{}, {}])))
    assert [f.severity for f in found] == ["problem"]
    wrong = plane(lambda a, b: bowl(a - 0.5, b), normalization="unknown", directions=json.dumps([RANDOM[0], {}]))
    found = diagnose(wrong)
    assert [f.severity for f in found] == ["problem", "warning", "note"]
    assert found.summary == "1 problem, 1 warning, 1 note."
    for finding in found:
        assert isinstance(finding, Finding)
        for text in (finding.code, finding.severity, finding.text, finding.suggestion):
            assert text in found._repr_markdown_()
            assert text in str(found)


def test_a_lower_point_beside_the_centre():
    found = diagnose(plane(lambda a, b: bowl(a - 0.5, b + 0.2)))
    assert found.codes == ["off-centre"]
    assert found[0].severity == "problem"
    for part in ("1.71", "0.01 at", "α = 0.5, β = -0.2", "1.7 lower"):
        assert part in found[0].text


@pytest.mark.parametrize(
    ("drop", "stderr", "severity"),
    [
        (0.5, None, "problem"),
        (0.01, None, "note"),
        (0.0005, None, None),
        (0.01, 0.02, None),
        (0.03, 0.02, "note"),
        (0.5, 0.02, "problem"),
    ],
)
def test_how_much_lower_counts(drop, stderr, severity):
    def dented(a, b):
        return 3 + 6 * a**2 + 5 * b**2 - (drop + 6 * 0.04) * (np.abs(a - 0.2) < 0.01) * (np.abs(b) < 0.01)

    found = diagnose(plane(dented, stderr=stderr))
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_the_centre_is_that_of_the_grid_if_nothing_else_is_known():
    shifted = plane(lambda a, b: bowl(a - 0.5, b))
    del shifted.attrs["origin_loss"]
    assert diagnose(shifted).codes == ["off-centre"]
    assert diagnose(shifted.isel(alpha=slice(0, 8))).codes == []


def test_levels_below_everything():
    found = diagnose(plane(lambda a, b: 40 + bowl(a, b)))
    assert found.codes == ["too-high"]
    assert "between 40 and 51" in found[0].suggestion
    assert diagnose(plane(lambda a, b: 40 + bowl(a, b)), levels=np.arange(39, 52)).codes == []


def test_where_it_is_not_finite():
    far = plane(lambda a, b: np.where((a > 0.85) & (b > 0.85), np.nan, bowl(a, b)))
    finding = only(diagnose(far), "not-finite")
    assert finding.severity == "warning"
    assert "0.9% of the points" in finding.text
    assert "α = 0.9, β = 0.9" in finding.text
    np.testing.assert_allclose(numbers(finding.suggestion), [(-0.81, 0.81)])
    near = plane(lambda a, b: np.where(np.hypot(a - 0.3, b) < 0.01, np.inf, bowl(a, b)))
    assert only(diagnose(near), "not-finite").severity == "problem"
    assert "not-finite" not in diagnose(plane()).codes


@pytest.mark.parametrize("points", [7, 8])
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_only_the_far_rim_is_finite(hole, points):
    found = diagnose(plane(lambda a, b: np.where(np.maximum(np.abs(a), np.abs(b)) < 0.9, hole, 20.0), points=points))
    assert "not-finite" in found.codes
    found = diagnose(plane(lambda a, b: np.where(np.abs(a) + np.abs(b) < 0.5, hole, 2 + a + b), points=points))
    assert only(found, "not-finite").severity == "problem"
    found = diagnose(plane(lambda a, b: np.where(np.abs(a) + np.abs(b) == 0, 1.0, hole), points=points))
    assert all(high > low for low, high in numbers(only(found, "too-wide").suggestion))


def test_nothing_is_finite():
    found = diagnose(plane(lambda a, b: np.nan * a * b))
    assert found.codes == ["not-finite"]
    assert "100.0% of the points" in found[0].text


def test_a_negative_variance_explains_what_is_not_finite():
    between = line(lambda a: np.where((a > -0.15) & (a < 1.2), 0.3 + a * (1 - a), np.nan), (-0.5, 1.5), 41)
    between = between.assign(negative_variance=~np.isfinite(between.loss))
    between.attrs = {"kind": "interpolation", "samples": 1000, "batch_norm": "interpolated"}
    found = diagnose(between)
    assert found.codes == ["not-finite"]
    assert found[0].severity == "warning"
    assert "At all of them a running variance of batch norm is negative" in found[0].text
    assert "recalibrate" in found[0].suggestion
    between.negative_variance[-1] = False
    found = diagnose(between)
    assert found[0].severity == "problem"
    assert "At 13 of them" in found[0].text


def test_an_interpolation_has_no_centre_and_no_extent_to_choose():
    between = line(lambda a: 1000 * (a - 0.3) ** 2, (-0.5, 1.5))
    between.attrs = {"kind": "interpolation", "samples": 1000, "batch_norm": "frozen"}
    assert diagnose(between).codes == ["frozen-batch-norm"]
    flat = between.assign(loss=between.loss * 1e-9)
    assert diagnose(flat).codes == ["frozen-batch-norm"]


@pytest.mark.parametrize(("stderr", "severity"), [(0.1, None), (0.24, None), (0.26, "problem"), (0.5, "problem")])
def test_levels_that_are_closer_than_the_noise(stderr, severity):
    """Levels 0.5 apart bear a standard error of 0.25."""
    found = diagnose(plane(stderr=stderr))
    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_how_many_samples_would_do():
    found = diagnose(plane(stderr=0.5, samples=300))
    assert found.codes == ["noise"]
    assert "about 1200 samples" in found[0].suggestion
    unknown = plane(stderr=0.5)
    del unknown.attrs["samples"]
    assert "4.0 times as many" in diagnose(unknown)[0].suggestion
    assert diagnose(plane(stderr=0.5), levels=(0, 2, 4, 6, 8, 10)).codes == []


def test_noise_where_nothing_is_drawn_or_at_few_points_does_not_matter():
    noisy = plane()
    noisy["loss_stderr"] = 0.1 + (noisy.loss > 9.6)
    assert diagnose(noisy).codes == []
    noisy["loss_stderr"] = 0.1 + (noisy.loss > 8)
    assert diagnose(noisy).codes == []
    noisy["loss_stderr"] = 0.1 + (noisy.loss > 6)
    assert [(f.code, f.severity) for f in diagnose(noisy)] == [("noise", "warning")]


def test_few_samples_of_unknown_noise_are_noted():
    assert [(f.code, f.severity) for f in diagnose(plane(samples=60))] == [("noise", "note")]
    assert diagnose(plane(samples=60, stderr=0.01)).codes == []
    assert diagnose(plane(samples=100)).codes == []


@pytest.mark.parametrize(
    ("made", "normalization", "flagged"),
    [
        (RANDOM, "filter", False),
        (COMPONENTS, "none", False),
        ([RANDOM[0] | {"normalization": "none"}] * 2, "none", True),
        ([RANDOM[0], COMPONENTS[0]], "filter, none", False),
        ([RANDOM[0] | {"normalization": "unit-filter"}] * 2, "unit-filter", True),
        ([{}, {}], "unknown", True),
        ([RANDOM[0], {}], "filter, unknown", True),
        ([], "none", True),
        ([], "layer", False),
    ],
)
def test_random_directions_should_be_rescaled(made, normalization, flagged):
    found = diagnose(plane(directions=json.dumps(made), normalization=normalization))
    assert ("un-normalized" in found.codes) == flagged
    assert ("one-seed" in found.codes) == any(d.get("kind") == "random" for d in made)


def test_a_single_draw_is_noted_with_its_seed():
    finding = only(diagnose(plane(directions=json.dumps(RANDOM), normalization="filter", seed=3)), "one-seed")
    assert finding.severity == "note"
    assert "seed 3" in finding.text


def test_several_draws_are_enough_and_the_first_is_looked_at():
    good, bad = (
        plane(f, directions=json.dumps(RANDOM), normalization="filter") for f in (bowl, lambda a, b: 0.01 + 0 * a)
    )
    repeated = xr.concat([good, bad], "repeat", combine_attrs="override")
    assert diagnose(repeated).codes == []
    assert diagnose(repeated.isel(repeat=[0])).codes == ["one-seed"]
    assert "too-narrow" in diagnose(repeated.isel(repeat=[1, 0])).codes


def test_levels_too_coarse_for_a_plane_that_is_wide_enough():
    levels = np.linspace(0.1, 1000, 20)
    wide, narrow = plane(bowl, normalization="filter"), plane(lambda a, b: 0.01 + 0.01 * a**2, normalization="filter")
    finding = only(diagnose(wide, levels), "levels-too-coarse")
    assert finding.severity == "warning"
    assert finding.suggestion.startswith("Choose others: the paper's, of which ")
    crossed = int(finding.suggestion.split("of which ")[1].split()[0])
    assert crossed == sum(float(wide.loss.min()) < level <= float(wide.loss.max()) for level in PAPER_LEVELS)
    assert "too-narrow" not in diagnose(wide, levels).codes
    assert only(diagnose(narrow, levels), "too-narrow").suggestion.startswith("Widen it")
    assert "levels-too-coarse" not in diagnose(wide).codes


def trail(alpha, distance, beta=None):
    values = {"alpha": alpha, "beta": np.zeros(len(alpha)) if beta is None else beta, "distance": distance}
    return xr.Dataset({name: ("point", np.asarray(value, float)) for name, value in values.items()})


@pytest.mark.parametrize(
    ("distance", "severity"),
    [
        ([0.1] * 4 + [0], None),
        ([0.1] * 3 + [0.3, 0], "warning"),
        ([9, 9, 9, 0.1, 0], "problem"),
        ([0.1, 0.1, 0.1, 0.1, 0.005], None),
    ],
)
def test_a_path_far_from_the_plane(distance, severity):
    """Points that lie on the final one in the picture do not count."""
    found = diagnose(plane(), path=trail([0.8, 0.6, 0.4, 0.2, 0], distance))
    assert [f.severity for f in found] == ([] if severity is None else [severity])
    assert set(found.codes) <= {"off-plane"}


def test_what_the_path_covers_in_the_plane_counts_in_weights():
    path = trail([0.8, 0.4, 0], [5, 3, 0]).assign(in_plane=("point", [8.0, 4, 0]))
    assert diagnose(plane(), path=path).codes == []
    assert diagnose(plane(), path=path.drop_vars("in_plane")).codes == ["off-plane"]


def test_a_path_that_leaves_the_plane_says_how_wide_it_is():
    found = diagnose(plane(), path=trail([3, 2, 0], [0, 0, 0], [0, -0.5, 0]))
    assert found.codes == ["off-plane"]
    assert "67% of the path's points are outside" in found[0].text
    np.testing.assert_allclose(numbers(found[0].suggestion), [(-1.4, 3.4), (-1.2, 1.2)])


def test_frozen_statistics_are_noted_far_away_only_and_if_nothing_else_is_wrong():
    assert diagnose(plane(batch_norm="frozen")).codes == ["frozen-batch-norm"]
    assert diagnose(plane(batch_norm="frozen", batch_norm_layers=2)).codes == ["frozen-batch-norm"]
    assert diagnose(plane(batch_norm="frozen", batch_norm_layers=0)).codes == []
    small = plane(lambda a, b: bowl(4 * a, 4 * b), (-0.3, 0.3), batch_norm="frozen")
    assert diagnose(small).codes == []
    assert diagnose(plane(lambda a, b: bowl(a - 0.5, b), batch_norm="frozen")).codes == ["off-centre"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"dataset: wants 'loss' over \('alpha',\)"):
        diagnose(plane().rename(loss="error"))
    with pytest.raises(ValueError, match=r"dataset: wants 'loss' .* has \{'loss': \('x', 'beta'\)\}"):
        diagnose(plane().rename(alpha="x"))
    for levels in ([1], [2, 1], [[1, 2]]):
        with pytest.raises(ValueError, match=r"levels: got .*, wants two or more"):
            diagnose(plane(), levels)
    with pytest.raises(ValueError, match=r"path: has no 'distance', wants what project returned"):
        diagnose(plane(), path=trail([1], [0]).drop_vars("distance"))


def test_a_trained_network_and_its_path():
    """The untrained net is not a minimum; the trained one is, and random directions miss its path."""
    net = lnb.models.mlp((16,), channels=1, classes=10, image_size=8, seed=0)
    data = lnb.datasets.digits().subset(300)
    run = lnb.train(net, data, epochs=15, batch_size=32, record=3, cache=False, progress=False)
    untrained, trained = (lnb.Objective(model, data) for model in (net, run.model))
    directions = lnb.random_directions(run.model, 2)
    downhill = lnb.towards(untrained.origin, trained.origin)
    found = diagnose(lnb.evaluate_line(untrained, downhill, resolution=11, progress=False))
    assert only(found, "off-centre").severity == "problem"
    assert "at α = 1 " in only(found, "off-centre").text
    measured = lnb.evaluate_plane(trained, directions, resolution=7, progress=False)
    assert {"off-centre", "too-wide", "too-narrow", "not-finite", "un-normalized"}.isdisjoint(diagnose(measured).codes)
    assert "one-seed" in diagnose(measured).codes
    found = diagnose(measured, path=pca.project(run, directions, trained.origin))
    assert only(found, "off-plane").severity == "problem"


def test_dead_filters_are_noted():
    made = [RANDOM[0] | {"dead_filters": 3}, RANDOM[1]]
    finding = only(diagnose(plane(directions=json.dumps(made), normalization="filter")), "dead-filters")
    assert finding.severity == "note"
    assert "3 filters" in finding.text
    assert "dead-filters" not in diagnose(plane(directions=json.dumps(RANDOM), normalization="filter")).codes


@pytest.mark.parametrize("method", ["filter", "layer"])
def test_a_scale_borrowed_from_another_network_is_found(method):
    """Dinh's twin computes the same; a direction that was normalized to the original is not its own."""
    model = lnb.models.mlp((8, 8), channels=1, image_size=8)
    twin = lnb.rescale_relu(model, "hidden.1", "hidden.3", 10.0)
    data = torch.rand(200, 1, 8, 8), torch.arange(200) % 10
    found = {}
    for name, owner in (("its own", twin), ("borrowed", model)):
        directions = lnb.random_directions(owner, 2, normalize=method)
        plot = lnb.evaluate_plane(lnb.Objective(twin, data), directions, resolution=3, progress=False)
        found[name] = "borrowed-scale" in diagnose(plot).codes
    assert found == {"its own": False, "borrowed": True}
    steps = plot.attrs["relative_steps"]
    np.testing.assert_allclose(steps, [0.1, 10], rtol=1e-4 if method == "filter" else 0.1)
    assert "0.1 to 10 times" in only(diagnose(plot), "borrowed-scale").text or method == "layer"


@pytest.mark.parametrize("normalize", ["none", "weight", "unit-filter"])
def test_other_directions_have_no_steps_to_compare(normalize, objective):
    directions = lnb.random_directions(objective.origin, 2, normalize=normalize)
    plot = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    assert plot.attrs["relative_steps"] == []
    assert "borrowed-scale" not in diagnose(plot).codes


def test_orthogonal_directions_keep_their_scale(objective):
    directions = lnb.random_directions(objective.origin, 2, orthogonal=True)
    plot = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    np.testing.assert_allclose(plot.attrs["relative_steps"], [1, 1], rtol=1e-5)


def test_frozen_statistics_that_miss_the_second_network_are_found():
    data = torch.rand(300, 1, 8, 8), torch.arange(300) % 10
    nets = [lnb.models.mlp((8,), batch_norm=True, channels=1, image_size=8, seed=seed) for seed in (0, 1)]
    with torch.no_grad():
        for net in nets:
            net.linear.weight.normal_(generator=torch.Generator().manual_seed(0))
        for step in range(20):
            nets[0](data[0][step * 10 : step * 10 + 10])
            nets[1](20 * data[0][step * 10 : step * 10 + 10])
    nets = [net.eval() for net in nets]
    objective = lnb.Objective(nets[0], data)
    own = [lnb.Objective(net, data)()["loss"] for net in nets]
    for policy, codes in (("frozen", ["wrong-statistics"]), ("interpolated", [])):
        path = lnb.interpolate(objective, *nets, (0, 1), 5, policy, progress=False)
        np.testing.assert_allclose(path.attrs["end_losses"], own, rtol=1e-6)
        levels = np.linspace(0, float(path.loss.max()) + 1, 40)
        found = [f for f in diagnose(path, levels) if f.code == "wrong-statistics"]
        assert [f.code for f in found] == codes
    assert found == []
    recalibrating = lnb.Objective(nets[0], data, batch_norm="recalibrate")
    path = lnb.interpolate(recalibrating, *nets, (0, 1), 2, progress=False)
    np.testing.assert_allclose(path.attrs["end_losses"], own, rtol=1e-6)


def test_between_points_and_within_the_ends_nothing_is_missed():
    line = xr.Dataset({"loss": ("alpha", [1.0, 5.0])}, {"alpha": [0.2, 0.8]}, {"kind": "interpolation"})
    assert "wrong-statistics" not in diagnose(line.assign_attrs(end_losses=[1.0, 1.0])).codes
    assert (
        "wrong-statistics" in diagnose(line.assign_coords(alpha=[0.0, 1.0]).assign_attrs(end_losses=[1.0, 1.0])).codes
    )
    assert "wrong-statistics" not in diagnose(line.assign_coords(alpha=[0.0, 1.0])).codes


def test_nothing_finite_is_diagnosed():
    nowhere = xr.Dataset({"loss": ("alpha", np.full(3, np.nan))}, {"alpha": [0.5, 0.75, 1.0]}, {"origin_loss": 12.0})
    assert "not-finite" in lnb.diagnose(nowhere).codes
