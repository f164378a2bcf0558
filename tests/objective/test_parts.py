"""Batches that do not stand for their samples: told from those that do by evaluating one in parts."""

import pytest
import torch
import torch.nn.functional as F
from helpers import between_linears, four_classes, made_and_said
from torch import nn

import landscape_nb as lnb

COUPLED = "outputs for a sample depend on the other samples"
AVERAGED = "not seen to be a mean over samples"


class Contrast(nn.Module):
    """A loss in the model that compares all samples of a batch with each other."""

    def __init__(self, hardest=False):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.hardest = nn.Linear(6, 4), nn.Linear(6, 4), hardest

    def forward(self, x):
        scores = self.left(x) @ self.right(x).T
        if not self.hardest:
            return F.cross_entropy(scores, torch.arange(len(x)))
        return self.left(x).square().mean(1).topk(max(1, len(x) // 4)).values.mean()


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.scale = nn.Linear(6, 4), nn.Linear(6, 4), nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.left(x), self.right(x), self.scale


def clip_loss(outputs, _):
    left, right, scale = outputs
    return F.cross_entropy(scale * left @ right.T, torch.arange(len(left)))


def inside(outputs, _):
    return outputs


@pytest.mark.parametrize(
    ("model", "criterion"), [(Contrast(), inside), (Contrast(hardest=True), inside), (Clip(), clip_loss)]
)
def test_losses_that_compare_samples_are_averaged_over_batches_and_warned_of(model, criterion):
    made, messages = made_and_said(model.double(), four_classes(), criterion, batch_size=16)
    assert made.reductions["loss"] == "mean over batches"
    assert sum(AVERAGED in message for message in messages) == 1
    whole, messages = made_and_said(model.double(), four_classes(), criterion)
    assert whole()["loss"] == pytest.approx(float(criterion(model(four_classes()[0]), None).detach()))
    assert not any(AVERAGED in message for message in messages)


class AgainstTheMean(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


class AfterTheOneBefore(nn.Module):
    def forward(self, x):
        return x.cumsum(0)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(8, track_running_stats=False), AgainstTheMean(), AfterTheOneBefore()])
def test_layers_that_couple_samples_are_warned_of_once(layer):
    metrics = {"accuracy": lnb.accuracy}
    made, messages = made_and_said(between_linears(layer), four_classes(), F.cross_entropy, metrics, batch_size=10)
    assert set(made.reductions.values()) == {"mean over batches"}
    assert [COUPLED in message for message in messages] == [True]
    assert not made_and_said(between_linears(layer), four_classes(), F.cross_entropy)[1]


class TimeFirst(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.steps, self.scores = nn.GRU(6, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.scores(self.steps(x)[0])


@pytest.mark.parametrize(
    "criterion",
    [
        lambda o, t: (o - t).square().mean((0, 1, 2)),
        lambda o, t: torch.linalg.vector_norm(o - t) ** 2 / o.numel(),
        F.mse_loss,
    ],
)
def test_batches_with_time_first_are_weighed_by_their_samples(criterion):
    x, y = torch.randn(7, 13, 6).double(), torch.randn(7, 13, 2).double() * torch.arange(13.0)[:, None]
    model = TimeFirst().double()
    made, messages = made_and_said(model, [(x[:, low : low + 5], y[:, low : low + 5]) for low in (0, 5, 10)], criterion)
    assert made.samples == 13
    assert not messages
    assert made()["loss"] == pytest.approx(float(criterion(model(x), y).detach()))


def test_a_maximum_over_samples_with_time_first_is_not_a_mean():
    x, y = torch.randn(7, 13, 6).double(), torch.randn(7, 13, 2).double()
    batches = [(x[:, low : low + 5], y[:, low : low + 5]) for low in (0, 5, 10)]
    made, messages = made_and_said(TimeFirst().double(), batches, lambda o, t: (o - t).square().amax((1, 2)).mean())
    assert made.reductions["loss"] == "mean over batches"
    assert len(messages) == 1


@pytest.mark.parametrize("index", [0, 1, 2])
def test_empty_batches_count_nothing(index):
    x, y = four_classes()
    batches = [(x[:16], y[:16]), (x[16:], y[16:])]
    batches.insert(index, (x[:0], y[:0]))
    made = lnb.Objective(between_linears(), batches)
    assert made.samples == 40
    assert made()["loss"] == pytest.approx(float(F.cross_entropy(between_linears()(x), y).detach()))
