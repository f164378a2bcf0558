"""Models that a faster engine would measure wrongly are measured plainly, and rightly."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, agrees_with_the_plain_way, centre
from torch import nn

import landscape_nb as lnb
from landscape_nb._common.provenance import fingerprint


class Coupled(nn.Module):
    """Normalizes with the statistics of the batch at hand, always."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16, 4)
        self.norm = nn.BatchNorm2d(16, track_running_stats=False)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.convolution(x))).mean((2, 3)))


def test_behind_a_layer_of_zeros_a_faster_way_is_tried_all_the_same():
    torch.manual_seed(0)
    model = Coupled()
    trained = {name: p.detach().clone() for name, p in model.named_parameters()}
    nn.init.zeros_(model.head.weight)
    images = torch.randn(600, 1, 16, 16) + torch.linspace(-2, 2, 600)[:, None, None, None]
    objective = lnb.Objective(model, (images, torch.arange(600) % 4), batch_size=600)
    agrees_with_the_plain_way(objective, lnb.random_directions(model, 1)[0])
    agrees_with_the_plain_way(objective, lnb.random_directions(trained, 1)[0], origin=trained)


class Choosy(nn.Module):
    """Takes no other offset than its own: it refuses it, or has no value there."""

    def __init__(self, refuses):
        super().__init__()
        self.refuses = refuses
        self.convolution, self.head = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16, 4)
        self.offset = nn.Parameter(torch.zeros(4), requires_grad=False)

    def forward(self, x):
        if self.refuses and self.offset.any():
            raise ValueError("the offset must be zero")
        return self.head(F.relu(self.convolution(x)).mean((2, 3))) + (self.offset - self.offset.abs()).sqrt()


@pytest.mark.parametrize("refuses", [True, False])
def test_a_model_that_takes_no_other_weights_is_measured_where_it_does(refuses):
    torch.manual_seed(0)
    objective = lnb.Objective(Choosy(refuses), (torch.randn(40, 1, 8, 8), LABELS))
    agrees_with_the_plain_way(objective, lnb.random_directions(objective.origin, 1)[0])


class Counting(nn.Module):
    """Counts its calls where torch does not see it."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16, 4)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls.data.add_(1)
        return self.head(F.relu(self.convolution(x)).mean((2, 3))) * (1 + 0.1 * self.calls)


def test_buffers_that_a_model_writes_to_are_each_points_own():
    torch.manual_seed(1)
    objective = lnb.Objective(Counting(), (torch.randn(40, 1, 8, 8), LABELS))
    before = objective()
    agrees_with_the_plain_way(objective, lnb.random_directions(objective.origin, 1)[0])
    assert objective() == before
    assert objective.buffers["calls"] == 0


def measured_objective():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 4))
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    agrees_with_the_plain_way(objective, lnb.random_directions(model, 1)[0])
    return objective


def test_an_objective_can_be_pickled_after_it_was_measured():
    objective = measured_objective()
    copied = pickle.loads(pickle.dumps(objective))
    assert copied() == objective()
    agrees_with_the_plain_way(copied, lnb.random_directions(copied.origin, 1)[0])


def test_a_criterion_may_know_an_objective_and_is_the_same_before_and_after_its_measurement():
    objective = measured_objective()

    def penalized(outputs, targets):
        return F.cross_entropy(outputs, targets) + 0 * objective.samples

    after = fingerprint(penalized)
    objective = pickle.loads(pickle.dumps(objective))
    assert fingerprint(penalized) == after


class Flattening(nn.Module):
    """`view` after a convolution, as in many tutorials: images laid out otherwise cannot be viewed so."""

    def __init__(self):
        super().__init__()
        self.convolution, self.layer = nn.Conv2d(3, 6, 5), nn.Linear(6 * 24 * 24, 4)

    def forward(self, x):
        x = F.relu(self.convolution(x))
        return self.layer(x.view(x.size(0), -1))


def test_a_view_after_a_convolution_is_measured_plainly():
    models = Flattening(), Flattening()
    objective = lnb.Objective(models[0], (torch.randn(40, 3, 28, 28), LABELS))
    line = lnb.interpolate(objective, *models, (0, 1), 2, progress=False)
    assert float(line.loss[0]) == pytest.approx(objective()["loss"], rel=1e-5)
    directions = lnb.random_directions(models[0], 2)
    *_, plane = lnb.progressive_plane(objective, directions, resolution=3, progress=False)
    assert centre(plane) == pytest.approx(objective()["loss"], rel=0.05)


class Routed(nn.Module):
    """Adds a second answer for those samples that a gate opens to: none at the centre."""

    def __init__(self):
        super().__init__()
        self.convolution, self.gate, self.more = nn.Conv2d(1, 4, 3), nn.Linear(4, 1), nn.Linear(4, 4)
        nn.init.constant_(self.gate.bias, -5)

    def forward(self, x):
        h = self.convolution(x).mean((2, 3))
        rows = torch.where(self.gate(h)[:, 0] > 0)[0]
        return h.index_add(0, rows, 10 * self.more(h[rows])) if len(rows) else h


def test_a_model_that_routes_samples_is_measured_plainly():
    model = Routed()
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    direction = {name: torch.zeros_like(p) for name, p in objective.origin.items()}
    direction["gate.bias"] += 10
    line = lnb.evaluate_line(objective, direction, (0, 1), 3, progress=False)
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-5)
    assert wanted[2] != pytest.approx(wanted[0], rel=1e-3)
