"""Engines are chosen for a reason, and the result says what ran."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import NETS, batch_norm_net, images, small_data, stirred
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines import replay
from landscape_nb.engines.batched_mlp import Perceptron
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.points import ManyAtOnce, OneByOne
from landscape_nb.engines.replay import Replayed
from landscape_nb.objective.forward import Plain
from landscape_nb.weights.params import Affine


def engine_of(model, data=None, **settings):
    objective = lnb.Objective(model, data or small_data(), **settings)
    return choose_engine(objective, Affine(objective.origin, lnb.random_directions(model, 1)))


class Branching(nn.Module):
    """Python decides on a value: nothing that vmap can do."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 4)

    def forward(self, images):
        scores = self.linear(images.flatten(1))
        return scores if scores.sum() > 0 else -scores


class Coupled(nn.Module):
    """Looks at the shape of its own weights: under vmap the values would silently be others."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 4)

    def forward(self, images):
        factor = 2.0 if torch._C._functorch.is_batchedtensor(self.linear.weight) else 1.0
        return factor * self.linear(images.flatten(1))


class Residual(nn.Module):
    """No chain of layers: a sum of two of them."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, 4)

    def forward(self, images):
        x = self.first(images.flatten(1))
        return self.last(x + torch.tanh(x))


def test_engines_are_chosen_for_a_reason():
    assert isinstance(engine_of(batch_norm_net()), Perceptron)
    assert isinstance(engine_of(Residual()), ManyAtOnce)
    convolutional = engine_of(lnb.models.vgg9(0.125, channels=1, image_size=8))
    assert isinstance(convolutional.evaluator.forward, Replayed)
    assert "8 batch norms folded" in str(convolutional.description)
    cases = {
        "a large net": engine_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 2000), nn.Softmax(1), nn.Linear(2000, 4))),
        "recalibrated": engine_of(batch_norm_net(), batch_norm="recalibrate"),
        "gives the model a value to look at": engine_of(Branching()),
        "other values": engine_of(Coupled()),
    }
    for reason, engine in cases.items():
        assert type(engine) is OneByOne
        assert isinstance(engine.evaluator.forward, Plain)
        assert reason in str(engine.description)


@pytest.mark.parametrize("net", [Branching, Coupled])
def test_the_result_says_what_ran_and_is_right(net):
    model = net()
    objective = lnb.Objective(model, small_data())
    (direction,) = lnb.random_directions(model, 1)
    line = lnb.evaluate_line(objective, direction, resolution=5, progress=False)
    assert line.attrs["engine"].startswith("one point at a time")
    moved = lnb.move(objective.origin, [direction], [0.5])
    outputs = torch.func.functional_call(model, moved, (small_data()[0],))
    expected = F.cross_entropy(outputs, small_data()[1]).item()
    assert line.loss.sel(alpha=0.5).item() == pytest.approx(expected, rel=1e-5)


class Noisy(nn.Module):
    """Draws in its forward pass, in evaluation too."""

    def __init__(self, own_generator=False):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(1, 4, 3), nn.Linear(4, 4)
        self.own_generator = own_generator

    def forward(self, x):
        y = self.conv(x).mean((2, 3))
        generator = torch.Generator().manual_seed(5) if self.own_generator else None
        return self.linear(y + torch.randn(y.shape, generator=generator))


@pytest.mark.parametrize("own_generator", [False, True])
def test_a_model_that_draws_leaves_the_random_state_and_draws_the_same_everywhere(own_generator):
    """Points measured in several threads would draw from each other's random state."""
    model = Noisy(own_generator)
    objective = lnb.Objective(model, images(12), seed=None if own_generator else 0)
    (direction,) = lnb.random_directions(model, 1)
    before = torch.get_rng_state()
    line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
    assert torch.equal(before, torch.get_rng_state())
    assert "draws random numbers" in line.attrs["engine"]
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (-1.0, 0.0, 1.0)]
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-5)


def test_an_engine_is_tried_once_and_not_on_other_data():
    objective = lnb.Objective(stirred(NETS["VGG"]()), images(10))
    affine = Affine(objective.origin, lnb.random_directions(objective.origin, 1))
    engine = choose_engine(objective, affine)
    assert choose_engine(objective, affine) is engine
    other = lnb.Objective(objective.model, images(5, seed=1))
    assert choose_engine(other, affine) is not engine
    assert choose_engine(other, affine)(affine, np.zeros((1, 1)))["loss"] == pytest.approx(other()["loss"], rel=1e-4)
    assert other.fingerprint != objective.fingerprint


@pytest.mark.parametrize("make", [nn.Linear, lambda *sizes: nn.Sequential(nn.Linear(*sizes), nn.LayerNorm(sizes[1]))])
def test_a_model_without_chance_may_be_asked_for_several_draws(make):
    objective = lnb.Objective(make(4, 3), (torch.randn(20, 4), torch.arange(20) % 3), seed=0, draws=2)
    line = lnb.evaluate_line(objective, lnb.random_directions(objective.origin, 1)[0], resolution=3, progress=False)
    assert "several draws are averaged" in line.attrs["engine"]
    assert line.loss_draws_stderr.values.tolist() == [0, 0, 0]


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_plain_means_calls_of_the_model_in_every_evaluator(how, monkeypatch):
    asked = {"progress": False}
    if how == "argument":
        asked["engine"] = "plain"
    else:
        monkeypatch.setenv("LANDSCAPE_NB_ENGINE", "plain")
    own = {key: value for key, value in asked.items() if key == "engine"}
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)).eval()
    images = torch.randn(20, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    auto, objective = (lnb.Objective(model, (images, torch.arange(20) % 3)) for _ in range(2))
    directions, quiet = lnb.random_directions(model, 2), {"progress": False}
    monkeypatch.setattr("landscape_nb.engines.choose.replaying", lambda *_, **__: pytest.fail("replayed"))
    monkeypatch.setattr("landscape_nb.hessian.operator.differentiable", lambda *_, **__: pytest.fail("replayed"))
    plain = {
        "line": lnb.evaluate_line(objective, directions[0], resolution=3, **asked),
        "plane": lnb.evaluate_plane(objective, directions, resolution=2, **asked),
        "interpolation": lnb.interpolate(objective, model, model, resolution=3, **asked),
        "progressive": list(lnb.progressive_plane(objective, directions, resolution=3, **asked))[-1],
    }
    for name in ("line", "plane", "progressive"):
        assert "plain, as asked for" in plain[name].attrs["engine"]
    map_of = lnb.curvature_map(objective, directions, resolution=2, **asked)
    ends, density = lnb.extreme_eigenvalues(objective, **own), lnb.spectral_density(objective, steps=3, probes=1, **own)
    product = lnb.hessian_vector_product(objective, directions[0], **own)
    along = lnb.curvature_along(objective, directions[0], **own)
    monkeypatch.undo()
    np.testing.assert_allclose(
        plain["line"].loss, lnb.evaluate_line(auto, directions[0], resolution=3, **quiet).loss, 1e-4
    )
    np.testing.assert_allclose(ends.max, lnb.extreme_eigenvalues(auto).max, 1e-3)
    np.testing.assert_allclose(along, lnb.curvature_along(auto, directions[0]), 1e-3, 1e-6)
    found = lnb.curvature_map(auto, directions, resolution=2, **quiet)
    np.testing.assert_allclose(map_of.lambda_max, found.lambda_max, 2e-2)
    again = lnb.spectral_density(auto, steps=3, probes=1)
    np.testing.assert_allclose(density.nodes, again.nodes, 1e-2, 1e-3)
    assert lnb.norm(lnb.add(product, lnb.scale(lnb.hessian_vector_product(auto, directions[0]), -1))) < 1e-3


def test_an_unknown_engine_is_named():
    objective = lnb.Objective(nn.Linear(4, 3), (torch.randn(20, 4), torch.arange(20) % 3))
    with pytest.raises(ValueError, match="engine: got 'fast', wants one of 'auto', 'plain'"):
        lnb.evaluate_line(objective, objective.origin, progress=False, engine="fast")


def test_a_store_of_one_engine_is_not_gone_on_with_by_another(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(72, 3)).eval()
    objective = lnb.Objective(model, (torch.randn(20, 1, 5, 5), torch.arange(20) % 3))
    directions = lnb.random_directions(model, 2)
    lnb.interpolate(objective, model, model, resolution=3, store=tmp_path / "a.zarr", progress=False)
    lnb.curvature_map(objective, directions, resolution=2, store=tmp_path / "b.zarr", progress=False)
    with pytest.raises(ValueError, match="store"):
        lnb.interpolate(
            objective, model, model, resolution=3, store=tmp_path / "a.zarr", progress=False, engine="plain"
        )
    with pytest.raises(ValueError, match="store"):
        lnb.curvature_map(
            objective, directions, resolution=2, store=tmp_path / "b.zarr", progress=False, engine="plain"
        )
    with pytest.raises(ValueError, match="engine: got 'nonsense'"):
        lnb.interpolate(objective, model, model, batch_norm="recalibrated", progress=False, engine="nonsense")


@pytest.mark.parametrize("moving", [True, False])
@pytest.mark.parametrize("part", ["_Prepared.__call__", "Replayed.state"])
def test_a_trial_sees_weights_that_are_prepared_and_those_made_anew_whichever_line_comes_first(
    lenient, monkeypatch, part, moving
):
    """Where batch norm's γ moves they are made anew, and an engine is kept for lines of both kinds."""
    owner, name = part.split(".")
    right = getattr(getattr(replay, owner), name)

    def wrong(*args, **named):
        return {name: 1.5 * tensor for name, tensor in right(*args, **named).items()}

    monkeypatch.setattr(getattr(replay, owner), name, wrong)
    layers = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)]
    objective = lnb.Objective(stirred(nn.Sequential(*layers)), images(12))
    ignore = None if moving else "one-dimensional"
    engine = choose_engine(
        objective, Affine(objective.origin, lnb.random_directions(objective.origin, 1, ignore=ignore))
    )
    assert "other values" in str(engine.description)
    assert isinstance(engine.evaluator.forward, Plain)
