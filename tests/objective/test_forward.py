"""A forward pass at a point: its weights, buffers and recalibrated statistics, and nothing of the caller's changed."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, batch_norm_net, centre, small_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import landscape_nb as lnb
from landscape_nb.objective.forward import Plain, Wrapper
from landscape_nb.weights.params import Affine


def test_outputs_are_those_of_the_point_and_not_of_the_model():
    model, x = nn.Linear(2, 1).double(), torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double()
    point = {"weight": torch.tensor([[10.0, 1.0]]), "bias": torch.tensor([0.5])}
    before = copy.deepcopy(model.state_dict())
    forward = Plain(model)
    state = forward.state(point)
    assert forward.outputs(state, (x, None)).tolist() == [[12.5], [34.5]]
    assert {tensor.dtype for tensor in state.values()} == {torch.float64}
    torch.testing.assert_close(forward.outputs(forward.state(), (x, None)), model(x))
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_batch_is_read_as_it_is_said():
    forward = Plain(nn.Linear(2, 1), read=lambda model, batch: 2 * model(batch["x"]))
    state = forward.state({"weight": torch.tensor([[1.0, 1.0]]), "bias": torch.tensor([1.0])})
    assert forward.outputs(state, {"x": torch.tensor([[3.0, 4.0]])}).item() == 16.0


def test_a_state_has_buffers_of_its_own():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval()
    forward = Plain(model)
    forward.state()["1.running_mean"].add_(7)
    assert model[1].running_mean.tolist() == [0, 0, 0]
    given = {name: buffer + 1 for name, buffer in forward.buffers.items()}
    assert forward.state(buffers=given)["1.running_mean"].tolist() == [1, 1, 1]


def test_states_along_a_plane_are_at_its_points():
    forward = Plain(nn.Linear(1, 1, bias=False))
    directions = [{"weight": torch.tensor([[1.0]])}, {"weight": torch.tensor([[10.0]])}]
    at = forward.states_along(Affine({"weight": torch.tensor([[100.0]])}, directions))
    assert at(2.0, 3.0, scratch=0)["weight"].item() == 132.0


def test_batch_norm_is_as_before_after_a_recalibration_that_failed():
    model = batch_norm_net()
    forward, norms = Plain(model), [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    before = [(norm.momentum, norm.running_mean.clone()) for norm in norms]
    data = lnb.Objective(model, small_data()).evaluator.data
    (images, labels), *_ = data.batches
    broken = type(data)([(images, labels), (images[..., 1:], labels)], [50, 50])
    with pytest.raises(ValueError, match="images: got a tensor of shape"):
        forward.state(recalibrated_on=broken)
    for norm, (momentum, mean) in zip(norms, before, strict=True):
        assert not norm.training
        assert norm.momentum == momentum
        assert torch.equal(norm.running_mean, mean)


def test_recalibrated_statistics_are_the_mean_of_the_batches_weighed_by_their_samples():
    """Of a layer that is given the data themselves, so that the statistics are those of the data."""
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)).double()
    model = nn.BatchNorm1d(3).double().eval()
    batches = [(part, torch.zeros(len(part), 3).double()) for part in x.split((2, 7, 3))]
    data = lnb.Objective(model, batches, F.mse_loss).evaluator.data
    state = Plain(model).state(recalibrated_on=data)
    torch.testing.assert_close(state["running_mean"], x.mean(0))
    variances = [len(part) * part.var(0) for part, _ in batches]
    torch.testing.assert_close(state["running_var"], sum(variances) / 12)


def test_what_is_made_from_a_pass_knows_its_model():
    inner = Plain(batch_norm_net(), read=lambda model, batch: model(batch[0]))
    outer = Wrapper(Wrapper(inner))
    assert (outer.model, outer.read, outer.plain) == (inner.model, inner.read, inner)
    assert outer.origin is inner.origin
    assert outer.buffers is inner.buffers


def test_recalibration_uses_the_statistics_of_the_data_at_each_point():
    model, (images, labels) = batch_norm_net(), small_data()
    objective = lnb.Objective(model, (images, labels), batch_size=50, batch_norm="recalibrate")
    scaled = {name: 7.0 * p if name == "hidden.1.weight" else p for name, p in objective.origin.items()}
    with_batch_statistics = copy.deepcopy(model).train()
    with torch.no_grad():
        for layer in with_batch_statistics.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.momentum = 1.0
        with_batch_statistics(images)
        expected = F.cross_entropy(with_batch_statistics.eval()(images), labels).item()
    assert objective()["loss"] == pytest.approx(expected, rel=1e-5)
    assert objective(scaled)["loss"] == pytest.approx(expected, rel=1e-2)


def test_a_lone_sample_does_not_end_a_recalibration():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    data = TensorDataset(torch.randn(33, 4), LABELS[:33])
    loader = DataLoader(data, batch_size=16)
    assert np.isfinite(lnb.Objective(model, loader, batch_norm="recalibrate")()["loss"])


class Shifts(nn.Module):
    """Changes its input, and holds its weights in bounds, in place."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        x -= 0.5
        self.layer.weight.data.clamp_(-0.1, 0.1)
        return self.layer(x)


def test_a_model_that_changes_its_input_changes_no_data():
    torch.manual_seed(0)
    x = torch.randn(40, 4)
    kept, model = x.clone(), Shifts()
    model.layer.weight.data.clamp_(-0.1, 0.1)
    objective = lnb.Objective(model, (x, LABELS))
    wanted = F.cross_entropy(model.layer(kept - 0.5), LABELS).item()
    assert [objective()["loss"] for _ in range(3)] == pytest.approx([wanted] * 3)
    assert torch.equal(x, kept)
    directions = lnb.random_directions(model, 2)
    plane = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    assert centre(plane) == pytest.approx(wanted)
    *_, progressive = lnb.progressive_plane(objective, directions, resolution=3, progress=False)
    assert centre(progressive) == pytest.approx(wanted)


def test_a_table_of_bounded_norm_keeps_the_origin():
    model = nn.Sequential(nn.Embedding(9, 4, max_norm=0.5), nn.Flatten(), nn.Linear(8, 4))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    objective = lnb.Objective(model, (torch.arange(80).view(40, 2) % 9, LABELS))
    objective()
    assert all(torch.equal(before[name], p) for name, p in objective.origin.items())
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())


def test_a_last_batch_of_one_is_recalibrated():
    model = lnb.models.mlp((8,), batch_norm=True, channels=1, image_size=8)
    objective = lnb.Objective(model, (torch.randn(257, 1, 8, 8), torch.arange(257) % 10), batch_norm="recalibrate")
    assert np.isfinite(objective()["loss"])


def test_a_point_in_another_number_format_is_converted():
    model = nn.Linear(4, 4)
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS))
    double = {name: p.double() for name, p in objective.origin.items()}
    assert objective(double) == objective()
    plane = lnb.evaluate_plane(objective, lnb.random_directions(model, 2), resolution=3, origin=double, progress=False)
    assert centre(plane) == pytest.approx(objective()["loss"], rel=1e-5)
    half = lnb.Objective(nn.Linear(4, 4).bfloat16(), (torch.randn(40, 4).bfloat16(), LABELS))
    assert half({name: p.float() for name, p in half.origin.items()}) == half()
