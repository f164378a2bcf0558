"""Many points at once, or side by side, give what one after the other gives."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import batch_norm_net, small_data
from hypothesis import given, settings
from hypothesis import strategies as st

import landscape_nb as lnb
from landscape_nb.engines.batched_mlp import Perceptron
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.points import ManyAtOnce, OneByOne, SideBySide
from landscape_nb.engines.replay import Replayed
from landscape_nb.weights.params import Affine


def compare(objective, points=23, seed=0, engine=ManyAtOnce):
    directions = lnb.random_directions(objective.origin, 2, seed=seed, ignore=None)
    affine = Affine(objective.origin, directions)
    coords = np.random.default_rng(seed).uniform(-1, 1, (points, 2))
    return OneByOne(objective.evaluator)(affine, coords), engine(objective.evaluator)(affine, coords)


@settings(deadline=None, max_examples=15, derandomize=True)
@pytest.mark.parametrize("engine", [ManyAtOnce, Perceptron])
@given(seed=st.integers(0, 1000), batch_size=st.integers(1, 60), points=st.integers(1, 40))
def test_many_points_at_once_are_the_same_points(engine, seed, batch_size, points):
    metrics = {"accuracy": lnb.accuracy, "largest": lambda outputs, targets: outputs.max()}
    extra = {"test": small_data(seed + 1, 13)}
    objective = lnb.Objective(
        batch_norm_net(seed), small_data(seed), metrics=metrics, batch_size=batch_size, extra_data=extra
    )
    one, many = compare(objective, points, seed, engine)
    assert list(one) == list(many) == objective.names
    for name in one:
        np.testing.assert_allclose(many[name], one[name], rtol=1e-4, atol=1e-6)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def convolutional(**settings):
    return lnb.Objective(lnb.models.resnet(20, width=0.5, channels=1, image_size=8), small_data(), **settings)


@pytest.mark.usefixtures("two_threads")
def test_points_side_by_side_are_the_same_points():
    objective = convolutional(metrics={"accuracy": lnb.accuracy}, batch_size=20)
    affine = Affine(objective.origin, lnb.random_directions(objective.origin, 2))
    engine = choose_engine(objective, affine)
    coords = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    found = engine(affine, coords)
    assert isinstance(engine, SideBySide)
    assert torch.get_num_threads() == 2
    one_thread_each = [engine(affine, each[None]) for each in coords]
    for name, values in OneByOne(objective.evaluator)(affine, coords).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4)
        np.testing.assert_array_equal(found[name], [each[name][0] for each in one_thread_each])


@pytest.mark.usefixtures("two_threads")
def test_a_criterion_of_ones_own_is_not_called_from_several_threads():
    def loss(outputs, targets):
        return F.cross_entropy(outputs, targets)

    def writing(outputs, targets):
        return F.cross_entropy(outputs.mul_(1), targets)

    for how in ({"criterion": loss}, {"metrics": {"own": loss}}, {"metrics": {"own": writing}}):
        objective = convolutional(**how)
        engine = choose_engine(objective, Affine(objective.origin, lnb.random_directions(objective.origin, 2)))
        assert type(engine) is OneByOne
        assert isinstance(engine.evaluator.forward, Replayed)


@pytest.mark.usefixtures("two_threads")
def test_an_error_at_a_point_ends_all_and_the_threads_are_as_before(monkeypatch):
    objective = convolutional()
    affine = Affine(objective.origin, lnb.random_directions(objective.origin, 2))
    engine = choose_engine(objective, affine)
    monkeypatch.setattr(type(engine.evaluator.forward), "states_along", lambda *_: lambda *coords, scratch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine(affine, np.zeros((5, 2)))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
