"""Copies of models: their functions call the copy's layers, and what cannot be copied is refused in words."""

import threading
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import ALPHAS, Lambda, assert_line, samples, seeded, two_layers
from helpers import measured_line as line
from torch import nn

import landscape_nb as lnb


@pytest.mark.parametrize("kind", ["lambda", "partial", "default", "bound method", "hook", "list"])
def test_functions_that_a_model_keeps_call_the_copys_layers(kind):
    model, (x, y) = seeded(Lambda, kind), samples()
    before = {name: p.clone() for name, p in model.named_parameters()}
    objective = lnb.Objective(model, (x, y))
    assert_line(objective, lambda point: F.cross_entropy(two_layers(point, x), y))
    assert lnb.extreme_eigenvalues(objective).max > 0
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


class Keeping(nn.Module):
    """Keeps its features, as many do for attention maps and probes."""

    def __init__(self, how):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3)
        self.how, self.kept, self.calls = how, [], 0

    def forward(self, x):
        features = self.norm(torch.relu(self.a(x)))
        self.calls += 1
        if self.how == "attribute":
            self.features = features
        elif self.how == "nested":
            self.features = {"maps": (features,)}
        else:
            self.kept.append(features)
        return self.b(features)


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("how", ["attribute", "nested", "list"])
def test_tensors_that_a_call_leaves_in_the_model_are_left_out(how, called):
    model, (x, y) = seeded(Keeping, how), samples()
    wanted = lnb.Objective(seeded(Keeping, how), (x, y)).fingerprint
    if called:
        model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        objective = lnb.Objective(model, (x, y))
        plane = lnb.evaluate_plane(objective, lnb.random_directions(model, 2), resolution=3, progress=False)
    assert "at once" in plane.attrs["engine"]
    assert float(plane.loss[1, 1]) == pytest.approx(float(F.cross_entropy(model(x), y)), rel=1e-5)
    assert not objective.model.kept or called
    assert objective.fingerprint == wanted


def compiled_in_place():
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].forward = torch.compile(model[0].forward)
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.DataParallel(nn.Linear(4, 3)), r"model: got DataParallel, wants .*model\.module"),
        (lambda: torch.compile(nn.Linear(4, 3)), r"model: got OptimizedModule, wants .*model\._orig_mod"),
        (lambda: torch.jit.script(nn.Linear(4, 3)), "model: got a scripted or traced module, whose weights"),
        (lambda: torch.jit.trace(nn.Linear(4, 3), samples()[0]), "model: got a scripted or traced module"),
        (lambda: nn.Sequential(torch.jit.script(nn.Linear(4, 3))), "scripted or traced module in '0'"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), r"model: '0\.weight' has no values yet; call the model once"),
        (lambda: nn.Linear(4, 3, device="meta"), "model: 'weight' is on the device 'meta'"),
        (compiled_in_place, r"model: got a compiled forward in '0', wants .* del module\.forward"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_wrapped_and_unready_models_are_refused_in_words(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        lnb.Objective(make(), samples())


def test_what_cannot_be_copied_is_named():
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].guard = threading.Lock()
    with pytest.raises(TypeError, match=r"model: its attribute '0\.guard', a lock, cannot be copied; remove it"):
        lnb.Objective(model, samples())


def test_a_model_that_copies_itself_as_itself_is_refused():
    class Single(nn.Linear):
        def __deepcopy__(self, memo):
            return self

    model = Single(4, 3)
    with pytest.raises(TypeError, match="model: a copy of it shares 'weight' with it"):
        lnb.Objective(model, samples())
    assert model.training
    assert model.weight.requires_grad


def test_a_weight_normalized_recurrent_net_that_was_called_is_measured():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.utils.parametrizations.weight_norm(nn.LSTM(4, 5, batch_first=True), "weight_hh_l0")
            self.out = nn.Linear(5, 3)

        def forward(self, x):
            return self.out(self.rnn(x[:, None].expand(-1, 3, -1))[0][:, -1])

    model, (x, y) = seeded(Net), samples()
    model(x)
    objective = lnb.Objective(model, (x, y))
    found, direction = line(objective)
    wanted = []
    for alpha in ALPHAS:
        moved = seeded(Net)
        moved.load_state_dict(lnb.move(lnb.parameters_of(model), [direction], [alpha]))
        wanted.append(float(F.cross_entropy(moved(x), y).detach()))
    np.testing.assert_allclose(found.loss, wanted, rtol=1e-5)


def test_a_view_of_a_weight_that_is_kept_is_refused():
    model = seeded(nn.Linear, 4, 3)
    model.flat = model.weight.data.view(-1)
    with pytest.raises(ValueError, match="model: its attribute 'flat' shares memory with the parameter 'weight'"):
        lnb.Objective(model, samples())
