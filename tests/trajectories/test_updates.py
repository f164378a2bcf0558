"""Updates are those of torch's own optimizers."""

from types import MethodType

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from landscape_nb import models
from landscape_nb.objective.metrics import accuracy
from landscape_nb.trajectories.updates import Updates


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(6, 5, generator=generator), torch.randint(3, (6,), generator=generator), rate)
        for rate in (0.1, 0.1, 0.01, 0.01)
    ]


@pytest.mark.parametrize(
    ("name", "momentum", "make"),
    [
        ("sgd", 0.9, lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=0.01)),
        ("sgd", 0.0, lambda p: torch.optim.SGD(p, weight_decay=0.01)),
        ("adam", 0.9, lambda p: torch.optim.Adam(p, weight_decay=0.01)),
    ],
)
def test_weights_are_those_of_torchs_optimizer(batches, name, momentum, make):
    ours, theirs = network(), network()
    update = Updates(ours, {"loss": F.cross_entropy, "accuracy": accuracy}, name, 0.01, momentum, False, 6)
    optimizer = make(theirs.parameters())
    for inputs, targets, rate in batches:
        for group in optimizer.param_groups:
            group["lr"] = rate
        outputs = theirs(inputs)
        loss = F.cross_entropy(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values = update(inputs, targets, rate)
        assert float(values["loss"]) == pytest.approx(float(loss.detach()), rel=1e-6)
        assert float(values["accuracy"]) == pytest.approx(float((outputs.argmax(1) == targets).float().mean()))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_weights_that_are_not_to_be_trained_stay(batches):
    net = network()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    update = Updates(net, {"loss": F.cross_entropy}, "sgd", 0.1, 0.9, False, 6)
    update(*batches[0])
    assert torch.equal(net[0].weight, before)
    assert len(update.buffers["momentum"]) == 3


def test_values_have_no_gradient_and_a_loss_without_one_is_named(batches):
    net = network()
    values = Updates(net, {"loss": F.cross_entropy}, "sgd", 0.0, 0.9, False, 6)(*batches[0])
    assert not values["loss"].requires_grad
    update = Updates(net, {"loss": lambda o, t: F.cross_entropy(o, t).detach()}, "sgd", 0.0, 0.9, False, 6)
    with pytest.raises(ValueError, match="criterion: what it returned has no gradient"):
        update(*batches[0])


def test_only_layers_and_metrics_that_are_known_are_repeatable():
    def updates(net, loss=F.cross_entropy):
        return Updates(net, {"loss": loss, "accuracy": accuracy}, "sgd", 0.0, 0.9, False, 6)

    class Own(nn.Linear):
        pass

    watched, halving = network(), network()
    watched[1].register_forward_hook(lambda *of_call: None)
    halving[2].register_full_backward_hook(lambda layer, before, after: None)
    replaced = network()
    replaced[1].forward = MethodType(lambda layer, x: x.relu(), replaced[1])
    bent = nn.TransformerEncoderLayer(4, 2, activation=lambda x: x.relu())
    assert updates(network()).repeatable
    assert updates(models.resnet(20, width=0.25)).repeatable
    assert not updates(nn.Sequential(Own(5, 3))).repeatable
    assert updates(nn.TransformerEncoderLayer(4, 2)).repeatable
    assert not any(updates(net).repeatable for net in (watched, halving, replaced, bent))
    assert not updates(network(), lambda outputs, targets: F.cross_entropy(outputs, targets)).repeatable
