"""Checks of the exercises on the reader's own models, losses and plots."""

import torch
import torch.nn.functional as F

import landscape_nb as lnb
from landscape_nb import exercises


def test_exercise_label_smoothing():
    check = exercises.check_label_smoothing

    def spread(outputs, targets, share):
        logs = F.log_softmax(outputs, 1)
        return -(share * logs).sum(1).mean()

    def others(outputs, targets):
        hot = F.one_hot(targets, outputs.shape[1])
        return spread(outputs, targets, 0.9 * hot + 0.1 * (1 - hot) / (outputs.shape[1] - 1))

    def every(outputs, targets):
        hot = F.one_hot(targets, outputs.shape[1])
        return spread(outputs, targets, 0.9 * hot + 0.1 / outputs.shape[1])

    assert check(every).right
    assert "*all* classes" in check(others).text
    assert "plain" in check(F.cross_entropy).text
    assert "sum" in check(lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1, reduction="sum")).text
    assert "shape (7,)" in check(lambda x, y: F.cross_entropy(x, y, reduction="none")).text
    assert "cannot be called" in check(lambda x: x.mean()).text
    assert "mix" in check(lambda x, y: F.cross_entropy(x, y, label_smoothing=0.5)).text
    assert "Replace" in check(...).text


def test_exercise_moving_share():
    direction = {"w": torch.ones(3, 2), "b": torch.zeros(2), "c": torch.zeros(2)}

    def check(answer):
        return exercises.check_moving_share(answer, direction)

    assert check(0.6).right
    assert "divide" in check(6).text
    assert "stays put" in check(0.4).text
    assert "tensors" in check(1 / 3).text
    assert "numel" in check(0.9).text
    assert "Replace" in check(...).text


def test_exercise_moves_only():
    weights = {"a": torch.ones(2, 2), "b": torch.full((2, 2), 2.0), "c": torch.ones(2)}

    def check(ignore, method="filter"):
        (direction,) = lnb.random_directions(weights, 1, method, ignore=ignore)
        return exercises.check_moves_only(direction, weights, ["a"])

    assert check(lambda name: name != "a").right
    assert "other way round" in check(lambda name: name == "a").text
    assert "move too: b" in check("one-dimensional").text
    assert "stay put: a" in check(lambda name: True).text
    assert "not filter-normalized" in check(lambda name: name != "a", "none").text
    assert "list" in exercises.check_moves_only(lnb.random_directions(weights, 1), weights, ["a"]).text
    assert "a dict" in exercises.check_moves_only(3, weights, ["a"]).text
    assert "Replace" in exercises.check_moves_only(..., weights, ["a"]).text


def test_exercise_sound_plane(objective):

    trained = lnb.Objective(*_trained())
    directions = lnb.random_directions(trained.origin, 2)
    plane = lnb.evaluate_plane(trained, directions, (-1, 1), 9, progress=False)
    assert exercises.check_sound_plane(plane, trained).right
    narrow = lnb.evaluate_plane(trained, directions, (-0.01, 0.01), 5, progress=False)
    assert "Widen it" in exercises.check_sound_plane(narrow, trained).text
    assert "another objective" in exercises.check_sound_plane(plane, objective).text
    assert "evaluate_plane" in exercises.check_sound_plane(plane.mean("beta"), trained).text
    assert "evaluate_plane" in exercises.check_sound_plane(3, trained).text
    assert "Replace" in exercises.check_sound_plane(..., trained).text


def _trained():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 4, generator=generator)
    targets = (inputs[:, 0] > 0).long()
    model = torch.nn.Linear(4, 2)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
        model.weight[:, 0] = torch.tensor([-4.0, 4.0])
    return model, (inputs, targets)
