"""A fault of an engine is raised in strict mode; a model that does not bear an engine is called plainly."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import landscape_nb as lnb
from landscape_nb._common.foreign import marking_foreign
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.faults import InapplicableError, reason
from landscape_nb.engines.graph import _Recorder
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
