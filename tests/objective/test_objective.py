"""What an objective takes: tensors, loaders, dicts, models and losses of one's own; and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, batch_norm_net, small_data
from torch import nn
from torch.nn.utils import prune
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


def test_outputs_that_are_no_tensor_and_a_criterion_that_takes_any_keyword():
    def criterion(outputs, batch, reduction="mean"):
        return F.cross_entropy(outputs["logits"], batch["y"], reduction=reduction)

    model, x = nn.Linear(4, 4), torch.randn(40, 4)
    objective = lnb.Objective(
        model, [{"x": x, "y": LABELS}], criterion, forward=lambda m, b: {"aux": torch.tensor(0.0), "logits": m(b["x"])}
    )
    assert objective()["loss"] == pytest.approx(F.cross_entropy(model(x), LABELS).item())
    own = lnb.Objective(
        model,
        [{"x": x, "y": LABELS}],
        lambda loss, batch, **_: loss,
        forward=lambda m, b: F.cross_entropy(m(b["x"]), b["y"]),
    )
    assert own()["loss"] == pytest.approx(objective()["loss"])


TEMPERATURE = 2.0


def cooled(outputs, targets):
    return F.cross_entropy(outputs / TEMPERATURE, targets)


class Scaled(nn.Linear):
    def __init__(self, factor):
        super().__init__(4, 4)
        self._factor = factor

    def forward(self, x):
        return self._factor * super().forward(x)


def test_a_fingerprint_knows_what_functions_and_modules_use(monkeypatch):
    data, model = (torch.randn(40, 4), LABELS), nn.Linear(4, 4)
    before = lnb.Objective(model, data, cooled).fingerprint
    assert lnb.Objective(model, data, cooled).fingerprint == before
    monkeypatch.setitem(globals(), "TEMPERATURE", 9.0)
    assert lnb.Objective(model, data, cooled).fingerprint != before
    pair = Scaled(1.0), Scaled(2.0)
    pair[1].load_state_dict(pair[0].state_dict())
    assert lnb.Objective(pair[0], data).fingerprint != lnb.Objective(pair[1], data).fingerprint


def test_a_pruned_network_is_measured():
    model, x = nn.Linear(4, 4), torch.randn(40, 4)
    prune.l1_unstructured(model, "weight", 0.5)
    wanted = F.cross_entropy(model(x), LABELS).item()
    objective = lnb.Objective(model, (x, LABELS))
    before = lnb.Objective(model, (x, LABELS)).fingerprint
    line = lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=3, progress=False)
    assert float(line.loss[1]) == pytest.approx(wanted, rel=1e-5)
    assert objective.fingerprint == before
