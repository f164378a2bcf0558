"""What an objective takes: tensors, loaders, dicts, models and losses of one's own; and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from conftest import batch_norm_net, small_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import landscape_nb as lnb


def test_tensors_loaders_lists_and_datasets_are_the_same_data(digits):
    model, (images, labels) = batch_norm_net(), small_data()
    dataset = TensorDataset(images, labels)
    forms = [
        (images, labels),
        DataLoader(dataset, 7),
        dataset,
        [(images[:20], labels[:20]), [images[20:], labels[20:]]],
        (batch for batch in [(images, labels)]),
    ]
    losses = [lnb.Objective(model, data)()["loss"] for data in forms]
    assert losses == pytest.approx([losses[0]] * len(forms), rel=1e-6)
    linear = lnb.models.mlp((), **digits.shape)
    assert lnb.Objective(linear, digits)() == lnb.Objective(linear, digits.train)()


def test_batches_of_dicts_are_read_by_forward_and_criterion():
    class Regression(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([[2.0]]))

        def forward(self, x, scale):
            return scale * x @ self.weight

    batches = [{"x": torch.ones(n, 1), "y": torch.full((n, 1), float(n)), "note": "text"} for n in (1, 3)]
    objective = lnb.Objective(
        Regression(),
        batches,
        criterion=lambda outputs, batch: F.mse_loss(outputs, batch["y"]),
        forward=lambda model, batch: model(batch["x"], scale=2.0),
    )
    assert objective() == {"loss": pytest.approx((1 * (4 - 1) ** 2 + 3 * (4 - 3) ** 2) / 4)}
    assert objective({"weight": torch.tensor([[1.0]])})["loss"] == pytest.approx((1 * 1 + 3 * 1) / 4)


def test_tied_weights_count_once_and_move_together():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = nn.Linear(4, 4, bias=False)
            self.decode = nn.Linear(4, 4, bias=False)
            self.decode.weight = self.encode.weight

        def forward(self, x):
            return self.decode(self.encode(x))

    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    objective = lnb.Objective(Tied(), (inputs, inputs), F.mse_loss)
    assert list(objective.origin) == ["encode.weight"]
    assert objective({"encode.weight": torch.eye(4)})["loss"] == pytest.approx(0, abs=1e-12)


def test_fingerprint_follows_whatever_decides_a_value():
    model, (images, labels) = batch_norm_net(), small_data()
    base = lnb.Objective(model, (images, labels)).fingerprint
    assert base == lnb.Objective(batch_norm_net(), small_data()).fingerprint
    others = [
        lnb.Objective(batch_norm_net(1), (images, labels)),
        lnb.Objective(model, (images + 1, labels)),
        lnb.Objective(model, (images, labels), F.multi_margin_loss),
        lnb.Objective(model, (images, labels), lambda outputs, targets: 2 * F.cross_entropy(outputs, targets)),
        lnb.Objective(model, (images, labels), lambda outputs, targets: 3 * F.cross_entropy(outputs, targets)),
        lnb.Objective(model, (images, labels), metrics={"accuracy": lnb.accuracy}),
        lnb.Objective(model, (images, labels), batch_norm="recalibrate"),
    ]
    assert len({base, *(objective.fingerprint for objective in others)}) == len(others) + 1


def test_fingerprint_of_a_model_knows_what_its_forward_does():
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(64, 4), act) for act in (nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.2))]
    for net in nets[1:]:
        net.load_state_dict(nets[0].state_dict())
    assert len({lnb.Objective(net, small_data()).fingerprint for net in nets}) == 3


def test_bad_models_and_data_are_named():
    model, (images, labels) = batch_norm_net(), small_data()
    poisoned = batch_norm_net()
    with torch.no_grad():
        poisoned.linear.weight[0, 0] = torch.nan
    turning = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, dtype=torch.complex64))
    whole = batch_norm_net()
    whole.scale = nn.Parameter(torch.ones(1, dtype=torch.int8), requires_grad=False)
    refused = [
        (ValueError, "model: 'linear.weight' has NaN or infinite entries", poisoned, (images, labels), {}),
        (ValueError, "model: '1.weight' is complex64, wants real numbers", turning, (images, labels), {}),
        (ValueError, "model: 'scale' is int8, wants real numbers that can move", whole, (images, labels), {}),
        (ValueError, "data: got no samples", model, (images[:0], labels[:0]), {}),
        (ValueError, "data: got no samples", model, [], {}),
        (ValueError, "data: got 50 inputs and 3 targets", model, (images, labels[:3]), {}),
        (
            ValueError,
            r"data: the first batch, .*\(50, 1, 8, 7\).*this network takes",
            model,
            (images[..., 1:], labels),
            {},
        ),
        (ValueError, "data: the first batch.*out of bounds", model, (images, labels + 7), {}),
        (ValueError, "loss: gave a tensor of shape", model, (images, labels), {"criterion": lambda o, t: o}),
        (ValueError, "data: a batch is a dict .*only a pair is read without forward=", model, [{"x": images}], {}),
        (
            ValueError,
            "batch_norm: got 'off', wants one of 'frozen', 'recalibrate'",
            model,
            (images, labels),
            {"batch_norm": "off"},
        ),
        (ValueError, "batch_size: got 0", model, (images, labels), {"batch_size": 0}),
        (ValueError, "metrics: the name 'loss'", model, (images, labels), {"metrics": {"loss": lnb.accuracy}}),
        (ValueError, "the name 'loss_stderr' is taken", model, (images, labels), {"metrics": {"loss_stderr": max}}),
        (ValueError, "the name 'alpha' is taken", model, (images, labels), {"metrics": {"alpha": lnb.accuracy}}),
        (
            ValueError,
            "the name 'test_loss' is taken",
            model,
            (images, labels),
            {"metrics": {"test_loss": lnb.accuracy}, "extra_data": {"test": (images, labels)}},
        ),
        (TypeError, "metrics: got list, wants a dict", model, (images, labels), {"metrics": [lnb.accuracy]}),
        (TypeError, "metrics: got int, wants names", model, (images, labels), {"metrics": {1: lnb.accuracy}}),
        (TypeError, r"metrics\['a'\]: got int, wants a function", model, (images, labels), {"metrics": {"a": 1}}),
        (TypeError, "criterion: got str, wants a function", model, (images, labels), {"criterion": "mse"}),
        (ValueError, "model: it has no parameters", nn.Flatten(), (images, labels), {}),
        (TypeError, "model: got function", batch_norm_net, (images, labels), {}),
        (TypeError, "data: got Tensor", model, images, {}),
        (TypeError, "data: got int", model, 7, {}),
    ]
    for kind, message, net, data, settings in refused:
        with pytest.raises(kind, match=message):
            lnb.Objective(net, data, **settings)


def test_bad_points_are_named(objective):
    with pytest.raises(ValueError, match="params: has no tensor for 'linear.bias'"):
        objective({name: p for name, p in objective.origin.items() if name != "linear.bias"})
    with pytest.raises(ValueError, match="params: 'linear.bias' has shape"):
        objective(objective.origin | {"linear.bias": torch.zeros(1)})
    with pytest.raises(TypeError, match="params: got list"):
        objective([1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extent": (1, -1)}, r"extent: got \(1, -1\), wants finite low < high"),
        ({"extent": (0, float("inf"))}, "extent"),
        ({"extent": 3}, "extent: got 3"),
        ({"extent": [(0, 1)] * 3}, "extent: got 3 of them for 2 axes"),
        ({"extent": ("a", "b")}, "extent"),
        ({"resolution": 0}, "resolution: got 0, wants a whole number from 2 up"),
        ({"resolution": 2.5}, "resolution: got 2.5"),
        ({"resolution": True}, "resolution: got True"),
        ({"resolution": (3, 3, 3)}, "resolution: got 3 of them for 2 axes"),
    ],
)
def test_bad_grids_are_named_before_anything_is_measured(objective, monkeypatch, settings, message):
    directions = lnb.random_directions(objective.origin, 2)
    monkeypatch.setattr(lnb.Objective, "__call__", lambda *_: pytest.fail("measured"))
    with pytest.raises(ValueError, match=message):
        lnb.evaluate_plane(objective, directions, progress=False, **settings)


def test_bad_directions_are_named(objective):
    d1, d2 = lnb.random_directions(objective.origin, 2)
    with pytest.raises(ValueError, match="directions: got 1, a plane has two"):
        lnb.evaluate_plane(objective, [d1])
    with pytest.raises(ValueError, match=r"directions\[1\]: has no tensor for 'linear.bias'"):
        lnb.evaluate_plane(objective, [d1, {k: v for k, v in d2.items() if k != "linear.bias"}])
    with pytest.raises(ValueError, match=r"directions\[0\]: 'linear.bias' has shape \(9,\)"):
        lnb.evaluate_line(objective, d1 | {"linear.bias": torch.zeros(9)})
    with pytest.raises(ValueError, match=r"directions\[0\]: 'linear.bias' is complex64, wants real numbers"):
        lnb.evaluate_line(objective, d1 | {"linear.bias": torch.ones(4) * 1j})
    with pytest.raises(TypeError, match="wants two models or two points"):
        lnb.interpolate(objective, batch_norm_net(), objective.origin)
    with pytest.raises(ValueError, match="end: has no tensor"):
        lnb.interpolate(objective, objective.origin, {})


def test_what_is_no_objective_is_named(objective):
    (d1, d2), net = lnb.random_directions(objective.origin, 2), batch_norm_net()
    points = [objective.origin] * 2
    for refuse in (
        lambda: lnb.evaluate_line(net, d1),
        lambda: lnb.evaluate_plane(net, (d1, d2)),
        lambda: lnb.interpolate(net, net, net),
        lambda: lnb.curvature_map(net, (d1, d2)),
        lambda: next(lnb.progressive_plane(net, (d1, d2))),
        lambda: lnb.plane_gap(net, points, (d1, d2), objective.origin),
        lambda: lnb.extreme_eigenvalues(net),
        lambda: lnb.spectral_density(net),
        lambda: lnb.curvature_along(net, d1),
        lambda: lnb.hessian_vector_product(net, d1),
    ):
        with pytest.raises(TypeError, match="objective: got .*, wants an Objective"):
            refuse()


def test_what_is_no_direction_point_or_dataset_is_named(objective):
    d1, d2 = lnb.random_directions(objective.origin, 2)
    with pytest.raises(TypeError, match=r"directions\[1\]: got dict, wants a Direction"):
        lnb.orthogonalized([d1, dict(d2)], objective.origin)
    with pytest.raises(TypeError, match="model: got str, wants a torch.nn.Module, or a dict"):
        lnb.random_directions("net", 2)
    with pytest.raises(TypeError, match=r"trajectory\[3\]: got .*, wants a dict of tensors"):
        lnb.pca_directions([batch_norm_net()] * 4)
    with pytest.raises(TypeError, match="dataset: got int, wants an xarray.Dataset"):
        lnb.diagnose(3)


def test_results_say_how_they_were_made(objective):
    directions = lnb.random_directions(objective.origin, 2, seed=4)
    plane = lnb.evaluate_plane(objective, directions, [(-1, 1), (0, 2)], (3, 2), progress=False)
    assert plane.attrs["seed"] == 4
    assert plane.attrs["normalization"] == "filter"
    assert plane.attrs["extent"] == [-1, 1, 0, 2]
    assert plane.attrs["objective"] == objective.fingerprint
    assert "torch" in plane.attrs["versions"]
    assert plane.attrs["wall_time"] > 0
    assert plane.attrs["samples"] == 50
