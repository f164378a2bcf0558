"""Chains of layers are recognised, and whatever is not one is named."""

import copy
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

import landscape_nb as lnb
from landscape_nb.weights.chain import HiddenLayer, Part, hidden_layers


class Calls(nn.Module):
    """Layers by name, and what forward does with them."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.does = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x, factor=None):
        return self.does(self, x if factor is None else x * factor)


def linears(*sizes):
    return {f"layer{n}": nn.Linear(*pair) for n, pair in enumerate(pairwise(sizes))}


def test_the_units_of_a_perceptron():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4, bias=False))
    parts = [("1.weight", 0), ("1.bias", 0), ("2.weight", 0), ("2.bias", 0), ("2.running_mean", 0)]
    parts += [("2.running_var", 0), ("4.weight", 1)]
    assert hidden_layers(model) == [HiddenLayer(5, tuple(Part(*part) for part in parts))]


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.second(torch.flatten(F.max_pool2d(F.relu(net.first(x)), 2), 1)),
        lambda net, x: net.second(F.avg_pool2d(net.first(x).relu(), 2).flatten(start_dim=1)),
        lambda net, x: F.log_softmax(net.second(F.gelu(F.adaptive_avg_pool2d(net.first(x), 2)).flatten(1, -1)), 1),
        lambda net, x: net.second(torch.flatten(F.max_pool2d(net.first(x.view(x.size(0), 1, 6, 6)), 2), 1)),
    ],
)
def test_functions_count_like_modules(forward):
    model = Calls(forward, first=nn.Conv2d(1, 3, 3), second=nn.Linear(12, 2))
    assert model(torch.zeros(2, 1, 6, 6)).shape == (2, 2)
    assert hidden_layers(model) == [
        HiddenLayer(3, (Part("first.weight", 0), Part("first.bias", 0), Part("second.weight", 1)))
    ]


def test_the_papers_chains_are_chains():
    assert [layer.units for layer in hidden_layers(lnb.models.mlp((7, 5), batch_norm=True))] == [7, 5]
    vgg = lnb.models.vgg9(0.0625, channels=1, image_size=9)
    assert [layer.units for layer in hidden_layers(vgg)] == [4, 4, 8, 8, 16, 16, 16, 16]
    assert vgg.training


def test_one_layer_has_no_hidden_units():
    assert hidden_layers(nn.Linear(3, 2)) == hidden_layers(lnb.models.mlp(())) == []


def tied():
    model = Calls(lambda net, x: net.layer2(net.layer1(net.layer0(x))), **linears(3, 3, 3, 3))
    model.layer1.weight = model.layer0.weight
    return model


def hooked():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[0].register_forward_hook(lambda module, args, output: output.flip(1))
    return model


def twice(net, x):
    return net.layer1(net.layer0(net.layer0(x)))


def skip(net, x):
    x = net.layer0(x)
    return net.layer2(x + net.layer1(x))


def reads_a_buffer():
    layers = linears(3, 3, 2) | {"norm": nn.BatchNorm1d(3)}
    return Calls(lambda net, x: net.layer1(net.norm(net.layer0(x - net.norm.running_mean))), **layers)


def in_pixels(net, x):
    return net.second(net.first(x))


BAD = {
    "resnet": (lambda: lnb.models.resnet(20), "the result of 'relu' goes to '.*conv1' and to '.*' in '.*'"),
    "densenet": (lambda: lnb.models.densenet121(), "the result of .* goes to "),
    "skip": (lambda: Calls(skip, **linears(3, 3, 3, 3)), "the result of 'layer0' goes to 'layer1' and to 'add'"),
    "twice": (lambda: Calls(twice, **linears(3, 3, 3)), "'layer0' is called 2 times"),
    "tied": (tied, "'layer1.weight' is shared"),
    "a buffer read elsewhere": (reads_a_buffer, "'norm.running_mean' is read outside its layer"),
    "unused": (lambda: Calls(lambda net, x: net.layer0(x), **linears(3, 3, 3)), "'layer1.weight' is not used"),
    "read": (
        lambda: Calls(lambda net, x: net.layer0(x) @ net.layer0.weight, **linears(3, 3)),
        "'layer0.weight' is read",
    ),
    "hook": (hooked, "'0' has hooks"),
    "grouped": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, groups=2)), "'1' is a grouped"),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 4, 3), nn.Conv2d(4, 4, 3)), "'0' is a ConvTranspose2d"),
    "layernorm": (lambda: nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 3)), "'1' is a LayerNorm"),
    "softmax": (lambda: nn.Sequential(nn.Linear(3, 3), nn.Softmax(1), nn.Linear(3, 3)), "'1' lies between '0' and '2'"),
    "instance": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 1), nn.LocalResponseNorm(2), nn.Conv2d(3, 3, 1)),
        "'1' lies between '0' and '2'",
    ),
    "sorted": (
        lambda: Calls(lambda net, x: net.layer1(torch.cumsum(net.layer0(x), 1)), **linears(3, 3, 3)),
        "'cumsum' lies between 'layer0' and 'layer1'",
    ),
    "pooled channels": (
        lambda: nn.Sequential(nn.Conv1d(1, 4, 1), nn.MaxPool2d(3, 1, 1), nn.Conv1d(4, 2, 1)),
        "'1' lies between '0' and '2'",
    ),
    "pooled rows": (lambda: nn.Sequential(nn.Linear(4, 4), nn.MaxPool1d(1), nn.Linear(4, 4)), "'1' lies between"),
    "pixels": (
        lambda: Calls(in_pixels, first=nn.Conv2d(1, 4, 3), second=nn.Linear(4, 2)),
        "'second' does not read what 'first' writes",
    ),
    "channels": (
        lambda: Calls(in_pixels, first=nn.Linear(4, 4), second=nn.Conv1d(4, 2, 1)),
        "'second' does not read what 'first' writes",
    ),
    "tokens": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Flatten(), nn.Linear(6, 2)),
        "'2' does not read what '0' writes",
    ),
    "flat samples": (lambda: nn.Sequential(nn.Conv2d(1, 3, 1), nn.Flatten(0), nn.Linear(3, 2)), "'1' lies between"),
    "weight norm": (
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 3)), nn.Linear(3, 3)),
        "'0' is a ParametrizedLinear",
    ),
    "branches": (
        lambda: Calls(lambda net, x: net.layer0(x) if x.sum() > 0 else net.layer1(x), **linears(3, 3, 3)),
        "cannot be traced",
    ),
    "two inputs": (lambda: nn.Bilinear(3, 3, 3), "cannot be traced|'' is a Bilinear"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_a_chain_is_named(case):
    make, message = BAD[case]
    with pytest.raises(
        ValueError, match=f"(?s)^net: .*({message}).*; supported are Linear and Conv layers in one chain"
    ):
        hidden_layers(make(), "net")


def test_pruned_layers_are_refused():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    prune.random_unstructured(model[0], "weight", 1)
    with pytest.raises(ValueError, match="'0' has hooks"):
        hidden_layers(model)


def test_reading_a_chain_changes_nothing():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.layers = 0, nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))

        def forward(self, x):
            self.calls += 1
            return self.layers(x * torch.rand(()))

    model = Counting()
    state, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    assert len(hidden_layers(model)) == 1
    assert (model.calls, model.training) == (0, True)
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in state.items())
