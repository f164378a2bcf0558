"""Models that remember earlier calls: each batch begins anew, or they are refused."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from helpers import assert_line, samples, seeded
from helpers import measured_line as line
from torch import nn
from torch.func import functional_call

import landscape_nb as lnb


class Remembering(nn.Module):
    """Carries something from one call to the next."""

    def __init__(self, where):
        super().__init__()
        self.cell, self.out = nn.RNNCell(4, 5), nn.Linear(5, 3)
        self.where, self.hidden, self.box, self.cache = where, None, [], {}
        self.holder = type("Holder", (), {})()
        self.register_buffer("membrane", torch.zeros(1, 5))
        self.trace = torch.zeros(1, 5)

    def forward(self, x):
        last = {
            "attribute": self.hidden,
            "list": self.box[-1] if self.box else None,
            "dict": self.cache.get("hidden"),
            "object": getattr(self.holder, "hidden", None),
            "buffer": self.membrane,
            "in place": self.trace,
        }[self.where]
        hidden = self.cell(x, None if last is None else last[:1].expand(len(x), -1))
        if self.where == "attribute":
            self.hidden = hidden.detach()
        elif self.where == "list":
            self.box.append(hidden.detach())
        elif self.where == "dict":
            self.cache["hidden"] = hidden.detach()
        elif self.where == "object":
            self.holder.hidden = hidden.detach()
        else:
            (self.membrane if self.where == "buffer" else self.trace).copy_(hidden[:1].detach())
        return self.out(hidden)


def fresh(point, x, y):
    """The loss of `Remembering` that remembers nothing."""
    model = Remembering("attribute")
    return F.cross_entropy(functional_call(model, point, (x,)), y)


@pytest.mark.filterwarnings("ignore:model. in the first samples")
@pytest.mark.parametrize("where", ["attribute", "list", "dict", "in place", "buffer"])
@pytest.mark.parametrize("batches", [1, 3])
def test_each_batch_of_a_model_that_remembers_begins_anew(where, batches):
    model, (x, y) = seeded(Remembering, where), samples()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        objective = lnb.Objective(model, (x, y), batch_size=len(x) // batches)
    assert where == "buffer" or any("remembers earlier calls" in str(warning.message) for warning in said)
    assert objective() == objective() == objective()
    parts = list(zip(x.chunk(batches), y.chunk(batches), strict=True))
    assert_line(objective, lambda point: sum(fresh(point, *part) for part in parts) / batches)
    found, direction = line(objective)
    assert found.equals(line(objective)[0])
    if where not in ("buffer", "in place"):  # which autograd needs, and the model overwrites
        assert lnb.curvature_along(objective, direction) == lnb.curvature_along(objective, direction)


def test_memory_that_cannot_be_put_back_is_refused():
    with pytest.raises(ValueError, match=r"model: called twice on one batch it gave .*, then .*forward="):
        lnb.Objective(seeded(Remembering, "object"), samples())


def test_remembering_stands_in_the_results():
    with pytest.warns(UserWarning, match="remembers"):
        objective = lnb.Objective(seeded(Remembering, "attribute"), samples())
    assert "remembers earlier calls ('hidden')" in line(objective)[0].attrs["remarks"]


class Cached(nn.Linear):
    """Computes its weight once in evaluation mode."""

    used = None

    def forward(self, x):
        if self.used is None:
            self.used = self.weight.tanh()
        return F.linear(x, self.used, self.bias)


def test_a_cache_that_evaluation_fills_is_filled_at_each_point():
    model, (x, y) = seeded(Cached, 4, 3), samples()
    objective = lnb.Objective(model, (x, y))
    assert_line(objective, lambda point: F.cross_entropy(F.linear(x, point["weight"].tanh(), point["bias"]), y))


def test_a_cache_that_is_full_is_said():
    model = seeded(Cached, 4, 3).eval()
    model(samples()[0])
    with pytest.warns(UserWarning, match="the loss does not depend on 'weight'"):
        lnb.Objective(model, samples())


def test_chance_and_memory_behind_a_layer_of_zeros_are_seen():
    class Fresh(nn.Module):
        def __init__(self, chance):
            super().__init__()
            self.body, self.head, self.chance = nn.Linear(4, 20), nn.Linear(20, 3), chance
            nn.init.zeros_(self.head.weight)
            self.ledger = type("Ledger", (), {"step": 0})()

        def forward(self, x):
            self.ledger.step += 1
            hidden = self.body(x).tanh()
            return self.head(F.dropout(hidden) if self.chance else hidden * (1 + 1e-3 * self.ledger.step))

    with pytest.raises(ValueError, match="draws random numbers"):
        lnb.Objective(seeded(Fresh, True), samples())
    with pytest.raises(ValueError, match="called twice on one batch"):
        lnb.Objective(seeded(Fresh, False), samples())
