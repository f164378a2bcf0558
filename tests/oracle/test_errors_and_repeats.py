"""Standard errors against NumPy and against real resampling; repeats against drawing by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import batch_norm_net, small_data
from hypothesis import given, settings
from hypothesis import strategies as st

import landscape_nb as lnb
from landscape_nb.surfaces.interpolate import STATISTICS


@settings(deadline=None, max_examples=20)
@given(samples=st.integers(2, 60), batch_size=st.integers(1, 70), seed=st.integers(0, 100))
def test_the_error_is_that_of_the_mean_over_samples(samples, batch_size, seed):
    model, (images, labels) = batch_norm_net(), small_data(seed, samples)
    with torch.no_grad():
        losses = F.cross_entropy(model(images), labels, reduction="none").double().numpy()
    values = lnb.Objective(model, (images, labels), batch_size=batch_size).measure()
    assert values["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert values["loss_stderr"] == pytest.approx(losses.std(ddof=1) / np.sqrt(samples), rel=1e-4)


def test_the_error_is_the_spread_over_fresh_samples():
    model = batch_norm_net()
    drawn = [lnb.Objective(model, small_data(seed, 40)).measure() for seed in range(200)]
    spread = np.std([values["loss"] for values in drawn], ddof=1)
    assert np.mean([values["loss_stderr"] for values in drawn]) == pytest.approx(spread, rel=0.15)


def test_a_measure_that_is_no_mean_over_samples_gets_its_error_from_the_batches():
    model, (images, labels) = batch_norm_net(), small_data(samples=30)
    largest = {"largest": lambda outputs, targets: outputs.max()}
    values = lnb.Objective(model, (images, labels), metrics=largest, batch_size=10).measure()
    with torch.no_grad():
        maxima = np.array([model(part).max().item() for part in images.split(10)])
    assert values["largest"] == pytest.approx(maxima.mean(), rel=1e-6)
    assert values["largest_stderr"] == pytest.approx(maxima.std(ddof=1) / np.sqrt(3), rel=1e-5)
    alone = lnb.Objective(model, (images, labels), metrics=largest).measure()
    assert np.isnan(alone["largest_stderr"])


def test_train_and_test_are_measured_in_one_pass():
    model, train, test = batch_norm_net(), small_data(0), small_data(1, 33)
    metrics = {"accuracy": lnb.accuracy}
    objective = lnb.Objective(model, train, metrics=metrics, extra_data={"test": test})
    (direction,) = lnb.random_directions(model, 1)
    both = lnb.evaluate_line(objective, direction, resolution=5, progress=False)
    for prefix, data in (("", train), ("test_", test)):
        alone = lnb.evaluate_line(lnb.Objective(model, data, metrics=metrics), direction, resolution=5, progress=False)
        for name in ("loss", "loss_stderr", "accuracy", "accuracy_stderr"):
            np.testing.assert_array_equal(both[prefix + name], alone[name])


def test_repeats_are_further_draws_of_the_same_seed(objective):
    drawn = lnb.random_directions(objective.origin, 4, seed=5)
    line = lnb.evaluate_line(objective, drawn[0], resolution=5, repeats=4, progress=False)
    assert line.loss.dims == ("repeat", "alpha")
    for number, direction in enumerate(drawn):
        alone = lnb.evaluate_line(objective, direction, resolution=5, progress=False)
        np.testing.assert_array_equal(line.loss.sel(repeat=number), alone.loss)
    np.testing.assert_allclose(line.loss_spread, line.loss.values.std(0, ddof=1))
    assert line.loss_spread.sel(alpha=0) == 0


def test_repeats_of_a_plane_draw_pairs(objective):
    drawn = lnb.random_directions(objective.origin, 4, normalize="layer", seed=5)
    plane = lnb.evaluate_plane(objective, drawn[:2], resolution=3, repeats=2, progress=False)
    second = lnb.evaluate_plane(objective, drawn[2:], resolution=3, progress=False)
    np.testing.assert_array_equal(plane.loss.sel(repeat=1), second.loss)


def test_bad_repeats_are_named(objective):
    direction = lnb.towards(objective.origin, lnb.scale(objective.origin, 2))
    with pytest.raises(ValueError, match="repeats: only directions of random_directions"):
        lnb.evaluate_line(objective, direction, repeats=3)
    for bad in (0, 1.5, True):
        with pytest.raises(ValueError, match="repeats: got"):
            lnb.evaluate_line(objective, direction, repeats=bad)


def test_statistics_between_two_models():
    models = [batch_norm_net(seed) for seed in (0, 1)]
    objective = lnb.Objective(models[0], small_data(), batch_size=50)
    paths = {
        name: lnb.interpolate(objective, *models, (-1, 2), 7, batch_norm=name, progress=False) for name in STATISTICS
    }
    origin, end = (lnb.parameters_of(model) for model in models)
    for alpha in (-1, 0.5, 2):
        point = {name: (1 - alpha) * origin[name] + alpha * end[name] for name in origin}
        frozen = paths["frozen"].loss.sel(alpha=alpha).item()
        assert frozen == pytest.approx(objective(point)["loss"], rel=1e-5)
        recalibrated = lnb.Objective(models[0], small_data(), batch_size=50, batch_norm="recalibrate")
        assert paths["recalibrated"].loss.sel(alpha=alpha).item() == pytest.approx(
            recalibrated(point)["loss"], rel=1e-5
        )
    assert not paths["recalibrated"].loss.isnull().any()
    assert {path.attrs["batch_norm"] for path in paths.values()} == set(STATISTICS)
    with pytest.raises(ValueError, match="batch_norm: got 'interpolated', wants one of 'frozen', 'recalibrated'"):
        lnb.interpolate(objective, origin, end, batch_norm="interpolated")
