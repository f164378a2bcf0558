"""What is recorded gives what the model gives; what cannot be replayed is refused with the reason."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, agrees_with_the_plain_way, images
from torch import nn
from torch.func import functional_call

import landscape_nb as lnb
from landscape_nb.engines.graph import Call, Program, Slot, UnreplayableError, record
from landscape_nb.engines.replay import replayed


class Remembers(nn.Module):
    """Uses a tensor that is neither parameter, buffer nor input."""

    def __init__(self):
        super().__init__()
        self.linear, self.mask = nn.Linear(4, 4), [torch.ones(4)]

    def forward(self, x):
        return self.linear(x) * self.mask[0]


class Counts(nn.Module):
    """Changes a buffer in its forward pass."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls.add_(1)
        return self.linear(x) * self.calls


class Looks(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        y = self.linear(x)
        return y * float(y.max())


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * x


class Custom(Looks):
    def forward(self, x):
        return self.linear(Square.apply(self.linear(x)))


@pytest.mark.parametrize(
    ("net", "reason"),
    [(Remembers, "comes from nowhere"), (Counts, "changes a parameter"), (Looks, "a value to look at")],
)
def test_what_cannot_be_replayed_is_refused_with_the_reason(net, reason):
    model = net()
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad(), pytest.raises(UnreplayableError, match=reason):
        record(lambda x: functional_call(model, state, (x,)), state, torch.randn(3, 4))


@pytest.mark.parametrize("net", [Remembers, Counts, Looks, Custom])
def test_and_is_measured_all_the_same(net):
    torch.manual_seed(0)
    model, data = net(), (torch.randn(6, 4), torch.arange(6) % 4)
    objective = lnb.Objective(model, data)
    (direction,) = lnb.random_directions(model, 1, ignore=None)
    line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
    for alpha in line.alpha.values:
        outputs = functional_call(model, lnb.move(objective.origin, [direction], [float(alpha)]), (data[0],))
        calls = getattr(model, "calls", None)
        assert calls is None or calls.item() == 0 or net is Counts
        if net is not Counts:
            assert line.loss.sel(alpha=alpha).item() == pytest.approx(
                F.cross_entropy(outputs, data[1]).item(), rel=1e-5
            )


def test_arguments_in_lists_and_several_results_are_replayed():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(1, 8, 3), nn.Linear(6, 4)

        def forward(self, x):
            left, right = self.conv(x).mean((2, 3)).split([3, 5], dim=1)
            return self.linear(torch.cat([left, right.sort(1).values[:, :3]], dim=1))

    objective = lnb.Objective(Branches(), images(20))
    assert replayed(objective.evaluator).measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-6)


class Sliced(nn.Module):
    """As many rows as a weight says."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16, 4)

    def forward(self, x):
        rows = (self.head.bias[0] * 20).floor().long().clamp(-4, 3) + 5
        return self.head(F.relu(self.convolution(x))[:, :, :rows].mean((2, 3)))


def test_a_slice_ends_where_a_weight_says_at_each_point():
    torch.manual_seed(1)
    model = Sliced()
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    agrees_with_the_plain_way(objective, lnb.random_directions(model, 1, ignore=None)[0], (-3, 3))


def test_a_replayed_network_is_gone_with_its_last_use_and_not_at_some_collection():
    class Prepared:
        def __call__(self, x):
            return x + 1

    prepared = Prepared()
    program = Program([Call(prepared, (Slot(0),), {}, Slot(1))], 1)
    assert program({}, torch.zeros(2)).tolist() == [1, 1]
    gone = weakref.ref(prepared)
    gc.disable()
    try:
        del prepared, program
        assert gone() is None
    finally:
        gc.enable()
