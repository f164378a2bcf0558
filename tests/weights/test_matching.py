"""Neurons in another order: the same function, and as close as renumbering brings it."""

import copy
import itertools

import pytest
import torch
from helpers import batch_norm_net
from torch import nn

import landscape_nb as lnb
from landscape_nb.weights.chain import hidden_layers
from landscape_nb.weights.matching import Matching, reordered

IMAGE = {"channels": 1, "classes": 4, "image_size": 9}


def randomized(model, seed):
    """The model with all weights, and running statistics, of a size that matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) / tensor[0].numel() ** 0.5)
                tensor.abs_().add_(0.1) if name.endswith("running_var") else None
    return model.eval()


MAKERS = {
    "mlp": lambda seed: randomized(lnb.models.mlp((12, 9), **IMAGE, seed=seed), seed),
    "norms": lambda seed: randomized(lnb.models.mlp((12, 9), batch_norm=True, **IMAGE, seed=seed), seed),
    "vgg9": lambda seed: randomized(lnb.models.vgg9(0.125, **IMAGE, seed=seed), seed),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
seeds = pytest.mark.parametrize("seed", range(4))


def outputs(model, seed=0):
    images = torch.randn(20, 1, 9, 9, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return model(images)


def distance(model, other):
    return lnb.norm(lnb.towards(lnb.parameters_of(model), lnb.parameters_of(other)))


def shuffled(model, seed):
    """A copy with its units in another order, written down for these networks by hand."""
    generator = torch.Generator().manual_seed(seed)
    model = copy.deepcopy(model)
    layers = [module for module in model.modules() if list(module.parameters(recurse=False))]
    weighted = [n for n, layer in enumerate(layers) if layer.weight.ndim > 1]
    for first, last in itertools.pairwise(weighted):
        units = len(layers[first].weight)
        order = torch.randperm(units, generator=generator)
        for layer in layers[first:last]:
            for tensor in layer.state_dict().values():
                if tensor.ndim:
                    tensor.copy_(tensor[order].clone())
        weight = layers[last].weight.data
        pixels = weight.shape[1] // units
        columns = (order[:, None] * pixels + torch.arange(pixels)).ravel()
        weight.copy_(weight[:, columns].clone())
    return model


@makers
@seeds
def test_a_shuffled_network_is_unshuffled(make, seed):
    model = make(seed)
    other = shuffled(model, seed)
    torch.testing.assert_close(outputs(other), outputs(model), atol=1e-5, rtol=1e-4)
    assert distance(model, other) > 1
    found = lnb.match_neurons(model, other, seed).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


@makers
@seeds
def test_the_function_stays_and_the_weights_come_closer(make, seed):
    model, other = make(seed), make(seed + 10)
    states = [copy.deepcopy(net.state_dict()) for net in (model, other)]
    matched = lnb.match_neurons(model, other, seed)
    torch.testing.assert_close(outputs(matched), outputs(other), atol=1e-5, rtol=1e-4)
    assert distance(model, matched) < 0.99 * distance(model, other)
    for net, state in zip((model, other), states, strict=True):
        assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in state.items())


@makers
def test_no_sweep_makes_the_networks_less_alike(make):
    model, other = lnb.parameters_of(make(0)), lnb.parameters_of(make(1))
    matching = Matching(hidden_layers(make(0)), model, other)
    before = lnb.dot(model, other)
    assert matching.similarity == pytest.approx(before, rel=1e-5, abs=1e-5)
    gains = []
    for n in range(20):
        gains.append(matching.sweep(torch.randperm(len(matching.layers), generator=torch.Generator().manual_seed(n))))
        after = lnb.dot({name: w.double() for name, w in model.items()}, matching.others)
        assert after - before == pytest.approx(gains[-1], rel=1e-4, abs=1e-4)
        assert after >= before - 1e-9
        before = after
    assert gains[0] > 1
    assert gains[-1] == 0


@seeds
def test_one_hidden_layer_is_matched_as_well_as_can_be(seed):
    def tiny(seed):
        return randomized(nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)), seed)

    model, other = tiny(seed), tiny(seed + 10)
    tries = []
    for order in map(list, itertools.permutations(range(6))):
        tries.append(copy.deepcopy(other))
        tries[-1].load_state_dict(
            {
                "0.weight": other[0].weight[order],
                "0.bias": other[0].bias[order],
                "2.weight": other[2].weight[:, order],
                "2.bias": other[2].bias,
            }
        )
    best = min(distance(model, net) for net in tries)
    assert distance(model, lnb.match_neurons(model, other, seed)) == pytest.approx(best, rel=1e-6)


def test_huge_weights_are_matched():
    model = MAKERS["mlp"](0).double()
    other = shuffled(model, 1)
    with torch.no_grad():
        for param in (*model.parameters(), *other.parameters()):
            param *= 1e200
    found = lnb.match_neurons(model, other).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


def test_blocks_move_as_a_whole():
    tensor = torch.arange(12).reshape(2, 6)
    assert reordered(tensor, 1, torch.tensor([1, 2, 0])).tolist() == [[2, 3, 4, 5, 0, 1], [8, 9, 10, 11, 6, 7]]


def test_a_mode_and_frozen_weights_stay():
    other = batch_norm_net(1).train()
    other.linear.weight.requires_grad_(False)
    matched = lnb.match_neurons(batch_norm_net(0), other)
    assert matched.training
    assert not matched.linear.weight.requires_grad
    assert matched.hidden[1].weight.requires_grad


def test_the_seed_decides():
    model, other = MAKERS["vgg9"](0), MAKERS["vgg9"](1)
    states = [lnb.match_neurons(model, other, seed=0).state_dict() for _ in range(2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_does_not_fit_is_named():
    model, wider = lnb.models.mlp((5,)), lnb.models.mlp((6,))
    with pytest.raises(ValueError, match=r"other: 'hidden.1.weight' has shape \(6, 3072\), wants \(5, 3072\)"):
        lnb.match_neurons(model, wider)
    with pytest.raises(ValueError, match="other: .*no tensor|other: has"):
        lnb.match_neurons(model, lnb.models.mlp((5, 5)))
    with pytest.raises(TypeError, match="model: got NoneType"):
        lnb.match_neurons(None, model)
    with pytest.raises(TypeError, match="other: got dict"):
        lnb.match_neurons(model, lnb.parameters_of(model))
    with pytest.raises(ValueError, match="seed: got -1"):
        lnb.match_neurons(model, model, seed=-1)
    with pytest.raises(ValueError, match="model: the result of 'relu' goes to"):
        lnb.match_neurons(lnb.models.resnet(20), lnb.models.resnet(20))


def test_not_finite_weights_are_named():
    model, other = lnb.models.mlp((5,)), lnb.models.mlp((5,))
    nn.init.constant_(other.linear.bias, torch.nan)
    with pytest.raises(ValueError, match="other: 'linear.bias' has NaN or infinite entries"):
        lnb.match_neurons(model, other)


def test_layers_in_another_order_are_refused():
    class Backwards(nn.Sequential):
        def forward(self, x):
            return self[0](self[1](x))

    layers = nn.Linear(3, 3), nn.Linear(3, 3)
    with pytest.raises(ValueError, match="other: its layers follow one another in another way"):
        lnb.match_neurons(nn.Sequential(*layers), Backwards(*layers))
