"""A fault of an engine is raised in strict mode; a model that does not bear an engine is called plainly."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import landscape_nb as lnb
from landscape_nb._common.foreign import marking_foreign
from landscape_nb.engines import points
from landscape_nb.engines.batched_mlp import Perceptron, _Chain
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.faults import InapplicableError, WrongValuesError, reason
from landscape_nb.engines.fold_batch_norm import Fold
from landscape_nb.engines.graph import _Recorder
from landscape_nb.engines.points import ManyAtOnce, OneByOne
from landscape_nb.engines.replay import Replayed
from landscape_nb.objective import evaluator
from landscape_nb.weights.params import Affine


def foreign(error):
    try:
        with marking_foreign():
            raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("strict", ["1", "0"])
def test_the_reason_is_the_errors_first_line_or_its_kind(monkeypatch, strict):
    monkeypatch.setenv("LANDSCAPE_NB_STRICT", strict)
    assert reason(InapplicableError("no convolutions\nat all")) == "no convolutions"
    assert reason(foreign(KeyError())) == "KeyError"
    assert reason(foreign(RuntimeError("vmap\nis not"))) == "vmap"


def test_a_fault_of_our_own_is_raised_itself_in_strict_mode_alone(monkeypatch):
    ours = ValueError("planted\nhere")
    with pytest.raises(ValueError, match="planted") as raised:
        reason(ours)
    assert raised.value is ours
    monkeypatch.setenv("LANDSCAPE_NB_STRICT", "0")
    assert reason(ours) == "planted"


def test_a_fault_of_an_engine_is_raised_in_strict_mode_and_slowness_otherwise(monkeypatch):
    def broken(*_, **__):
        raise TypeError("ours")

    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(72, 3))
    monkeypatch.setattr("landscape_nb.engines.replay.in_place", broken)
    for strict in ("1", "0"):
        monkeypatch.setenv("LANDSCAPE_NB_STRICT", strict)
        objective = lnb.Objective(model, (torch.randn(20, 1, 5, 5), torch.arange(20) % 3))
        affine = Affine(objective.origin, lnb.random_directions(model, 1))
        if strict == "1":
            with pytest.raises(TypeError, match="ours"):
                choose_engine(objective, affine)
        else:
            assert "ours" in str(choose_engine(objective, affine).description)


class Refusing(nn.Module):
    """Raises what it is told to where it is batched or recorded, and computes otherwise."""

    def __init__(self, kind, where):
        super().__init__()
        self.linear, self.kind, self.where = nn.Linear(4, 3), kind, where

    def refuse(self, tensor):
        recorded = any(type(mode) is _Recorder for mode in torch.overrides._get_current_function_mode_stack())
        if recorded or torch._C._functorch.is_batchedtensor(tensor):
            raise self.kind("not so")

    def forward(self, x):
        if self.where == "model":
            self.refuse(self.linear.weight)
        return self.linear(x)

    def criterion(self, outputs, targets):
        if self.where == "criterion":
            self.refuse(outputs)
        return F.cross_entropy(outputs, targets)


@pytest.mark.parametrize(
    "kind", [RuntimeError, ValueError, KeyError, IndexError, ZeroDivisionError, AttributeError, Exception]
)
@pytest.mark.parametrize("where", ["model", "criterion"])
def test_a_model_that_does_not_bear_an_engine_is_measured_plainly_in_strict_mode_too(kind, where):
    model = Refusing(kind, where)
    x, y = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    objective = lnb.Objective(model, (x, y), lambda outputs, targets: model.criterion(outputs, targets))
    (direction,) = lnb.random_directions(objective.origin, 1)
    line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in line.alpha.values]
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-5)


@pytest.mark.parametrize("part", ["_write_down", "_placeholder", "_slot"])
def test_a_fault_of_the_recorder_is_ours_though_it_runs_inside_the_model(monkeypatch, part):
    def broken(*_):
        raise AttributeError("planted")

    monkeypatch.setattr(f"landscape_nb.engines.graph._Recorder.{part}", broken)
    objective = lnb.Objective(nn.Linear(4, 3), (torch.randn(20, 4), torch.arange(20) % 3))
    with pytest.raises(AttributeError, match="planted"):
        lnb.evaluate_line(objective, objective.origin, resolution=3, progress=False)


class Residual(nn.Module):
    """A sum of two layers: not a chain, so that it is measured at many points by `vmap`."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.first(x.flatten(1))
        return self.last(x + torch.tanh(x))


MODELS = {
    Perceptron: lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)),
    ManyAtOnce: Residual,
    Replayed: lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)),
}


def chosen(kind, **settings):
    torch.manual_seed(0)
    model = MODELS[kind]()
    x = torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    objective = lnb.Objective(model, (x, torch.arange(20) % 3), **settings)
    return choose_engine(objective, Affine(objective.origin, lnb.random_directions(model, 1)))


@pytest.mark.parametrize("kind", MODELS)
def test_without_a_fault_each_model_has_the_engine_that_is_broken_below(kind):
    engine = chosen(kind)
    assert isinstance(engine.evaluator.forward if kind is Replayed else engine, kind)


def scaled(values):
    return {name: 1.5 * value for name, value in values.items()}


VALUES = {
    "a fold doubled": (Replayed, Fold, "__call__", lambda made: {name: 2 * tensor for name, tensor in made.items()}),
    "outputs scaled": (Replayed, Replayed, "outputs", lambda outputs: 1.5 * outputs),
    "a chain scaled": (Perceptron, _Chain, "__call__", lambda features: 1.5 * features),
    "values layer by layer": (Perceptron, Perceptron, "__call__", scaled),
    "values by vmap": (ManyAtOnce, ManyAtOnce, "__call__", scaled),
}
FORMS = {
    "a sample lost": (Replayed, Replayed, "outputs", lambda outputs: outputs[1:]),
    "a dimension more": (Replayed, Replayed, "outputs", lambda outputs: outputs[:, :, None]),
    "another number format": (Replayed, Replayed, "outputs", lambda outputs: outputs.double()),
    "a sample of a chain lost": (Perceptron, _Chain, "__call__", lambda features: features[..., 1:]),
    "a class of a chain lost": (Perceptron, _Chain, "__call__", lambda features: features[:, 1:]),
}


def planted(monkeypatch, owner, name, change):
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args, **named: change(right(*args, **named)))


@pytest.mark.parametrize("how", [{}, {"criterion": lambda outputs, targets: F.cross_entropy(outputs, targets)}])
@pytest.mark.parametrize("fault", [*VALUES, *FORMS])
def test_wrong_values_and_outputs_are_an_error_in_strict_mode_and_slowness_otherwise(monkeypatch, fault, how):
    kind, owner, name, change = (VALUES | FORMS)[fault]
    planted(monkeypatch, owner, name, change)
    with pytest.raises(WrongValuesError, match="other values" if fault in VALUES else "instead of"):
        chosen(kind, **how)
    monkeypatch.setenv("LANDSCAPE_NB_STRICT", "0")
    engine = chosen(kind, **how)
    assert not isinstance(engine, kind)
    assert not isinstance(engine.evaluator.forward, Replayed)


@pytest.mark.parametrize("change", [lambda weights: weights.mT, lambda weights: weights.double()])
def test_weights_that_are_not_like_the_models_are_not_the_models_fault(monkeypatch, change):
    def unlike(params):
        return {name: change(weights) if name == "first.weight" else weights for name, weights in params.items()}

    right = points.unflatten
    monkeypatch.setattr(points, "unflatten", lambda *args: unlike(right(*args)))
    with pytest.raises(ValueError, match="shapes and number formats"):
        chosen(ManyAtOnce)
    monkeypatch.setenv("LANDSCAPE_NB_STRICT", "0")
    assert "shapes and number formats" in str(chosen(ManyAtOnce).description)


def largest(outputs, targets):
    return outputs.max()


@pytest.mark.parametrize("part", ["as_number", "sum_and_weight"])
def test_what_is_made_of_a_metrics_value_is_ours(monkeypatch, part):
    def broken(*args):
        if any(isinstance(arg, torch.Tensor) and torch._C._functorch.is_batchedtensor(arg) for arg in args):
            raise TypeError("planted")
        return right(*args)

    right = getattr(evaluator, part)
    monkeypatch.setattr(evaluator, part, broken)
    how = (
        {"metrics": {"largest": largest}} if part == "as_number" else {"criterion": nn.CrossEntropyLoss(torch.rand(3))}
    )
    with pytest.raises(TypeError, match="planted"):
        chosen(ManyAtOnce, **how)


class Batchwise(nn.Module):
    """Gives other values where `vmap` batches its weights."""

    def __init__(self, wrong):
        super().__init__()
        self.linear, self.wrong = nn.Linear(16, 3), wrong

    def forward(self, x):
        batched = torch._C._functorch.is_batchedtensor(self.linear.weight)
        return self.linear(x.flatten(1)) + torch.tensor(self.wrong if batched else 0.0)


@pytest.mark.parametrize("wrong", [1e-2 * torch.arange(3), [float("nan")] * 3])
def test_a_model_whose_values_depend_on_how_it_is_called_is_measured_plainly(monkeypatch, wrong):
    monkeypatch.setitem(MODELS, Batchwise, lambda: Batchwise(list(map(float, wrong))))
    engine = chosen(Batchwise)
    assert type(engine) is OneByOne
    assert "other values" in str(engine.description)


@pytest.mark.parametrize(
    "criterion",
    [
        lambda outputs, targets: (1e6 * F.cross_entropy(outputs, targets)).sin(),
        lambda outputs, targets: F.cross_entropy(outputs, targets).sub(100).log(),
    ],
    ids=["steep", "not finite"],
)
def test_a_loss_that_a_rounding_changes_or_that_is_not_finite_proves_nothing(monkeypatch, criterion):
    for engine in (Perceptron, ManyAtOnce):
        planted(
            monkeypatch, engine, "__call__", lambda values: {name: 0 * np.nan_to_num(values[name]) for name in values}
        )
    engine = chosen(Perceptron, criterion=criterion)
    assert type(engine) is OneByOne
    assert "other values" in str(engine.description)
