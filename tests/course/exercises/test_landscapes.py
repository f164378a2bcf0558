"""Exercises on planes: right answers are right, usual mistakes have hints of their own."""

import torch
import xarray as xr
from helpers import batch_norm_net, small_data

import landscape_nb as lnb
from landscape_nb import exercises


def test_exercise_loss_at(objective):
    d = lnb.random_directions(objective.origin, 2)
    at = (0.5, -0.25)

    def check(answer):
        return exercises.check_loss_at(answer, objective, d, at)

    right = objective(lnb.move(objective.origin, d, at))["loss"]
    assert check(right).right
    assert "centre" in check(objective()["loss"]).text
    assert "swapped" in check(objective(lnb.move(objective.origin, d, at[::-1]))["loss"]).text
    assert not check(right * 1.1).right
    assert not check("1").right
    assert not check(...).right


def test_exercise_area_below():
    plane = xr.Dataset({"loss": ("alpha", [0.1, 0.2, 0.3, 5.0])})

    def check(answer):
        return exercises.check_area_below(answer, plane, 1.0)

    assert check(0.75).right
    assert "percentage" in check(75).text
    assert "above" in check(0.25).text
    assert "number of points" in check(3).text
    assert not check(0.5).right


def test_exercise_filter_normalized():
    weights = lnb.parameters_of(batch_norm_net())
    (direction,) = lnb.random_directions(weights, 1, normalize="none", ignore=None)

    def check(method, ignore="one-dimensional"):
        return exercises.check_filter_normalized(
            lnb.normalize_direction(direction, weights, method, ignore), direction, weights
        )

    assert check("filter").right
    assert "one dimension" in check("filter", None).text
    assert "whole layers" in check("layer").text
    assert "Multiply" in check("unit-filter").text
    assert not check("weight").right
    assert "a dict" in exercises.check_filter_normalized([1], direction, weights).text


def test_exercise_same_function():
    images, _ = small_data()
    model = lnb.models.mlp((12, 9), channels=1, classes=4, image_size=8)
    torch.nn.init.normal_(model.linear.weight, generator=torch.Generator().manual_seed(0))
    right = lnb.rescale_relu(model, "hidden.1", "hidden.3", 5.0)
    assert exercises.check_same_function(right, model, images).right
    assert "old ones" in exercises.check_same_function(model, model, images).text
    with torch.no_grad():
        right.hidden[1].weight *= -1
    assert "multiplies" in exercises.check_same_function(right, model, images).text
    biased = lnb.rescale_relu(model, "hidden.1", "hidden.3", 5.0)
    with torch.no_grad():
        biased.linear.bias += 0.05
    assert "bias forgotten" in exercises.check_same_function(biased, model, images).text
    assert not exercises.check_same_function(3, model, images).right
