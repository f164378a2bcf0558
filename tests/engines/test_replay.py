"""Replayed calls, folded batch norm and layers in stacks give what torch gives; what cannot be replayed is refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from conftest import small_data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

import landscape_nb as lnb
from landscape_nb.engines.batched_mlp import Perceptron
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.graph import UnreplayableError, record
from landscape_nb.engines.points import OneByOne
from landscape_nb.engines.replay import Replayed, replayed
from landscape_nb.weights.params import Affine, flatten, unflatten


def stirred(model, seed=0):
    """The model in evaluation mode, with batch norm whose statistics, γ and β are no defaults."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.3, 2, generator=generator)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2, generator=generator)
                nn.init.normal_(module.bias, 0, 0.3, generator=generator)
    return model.eval()


def images(count=9, side=8, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, side, side, generator=generator), torch.arange(count) % 4


class Net(nn.Module):
    """A small net whose forward pass is given."""

    def __init__(self, forward):
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.spare = nn.BatchNorm2d(4, affine=False)
        self.linear = nn.Linear(4, 4)
        self.pass_through = forward

    def forward(self, x):
        return self.linear(self.pass_through(self, x).mean((2, 3)))


def changed_in_between(net, x):
    y = net.conv(x)
    y.relu_()
    return net.norm(y)


def used_twice(net, x):
    y = net.conv(x)
    return net.norm(y) + y


def relu_and_more(net, x):
    y = net.norm(net.conv(x))
    return F.relu(y) + y


def functional(net, x):
    return F.batch_norm(F.conv2d(x, net.conv.weight), net.norm.running_mean, net.norm.running_var)


def another_bias(net, x):
    biases = net.conv.bias, net.norm.bias
    return net.norm(F.conv2d(x, net.conv.weight, biases[0])) * net.norm(F.conv2d(x, net.conv.weight, biases[1]))


FORWARDS = {
    "folded": (lambda net, x: F.relu(net.norm(net.conv(x))), 1),
    "two norms": (lambda net, x: net.other(net.norm(net.conv(x))), 2),
    "one layer, two norms": (lambda net, x: net.norm(net.conv(x)) + net.other(net.conv(x)), 2),
    "one norm, twice": (lambda net, x: net.norm(net.norm(net.conv(x))), 2),
    "without γ and β": (lambda net, x: net.spare(net.conv(x)), 1),
    "changed in between": (changed_in_between, 0),
    "used twice": (used_twice, 0),
    "ReLU, and its input again": (relu_and_more, 1),
    "functional": (functional, 1),
    "another bias": (another_bias, 2),
    "by keyword": (lambda net, x: torch.add(input=net.norm(net.conv(x)), other=net.conv(input=x)), 1),
    "a view": (lambda net, x: net.conv(x).transpose(2, 3).relu(), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", FORWARDS)
def test_whatever_surrounds_batch_norm_the_values_stay(name):
    forward, folds = FORWARDS[name]
    model = stirred(Net(forward))
    objective = lnb.Objective(model, images(), batch_size=4)
    faster = replayed(objective.evaluator)
    assert len(faster.forward.folds) <= folds
    assert bool(faster.forward.folds) == bool(folds)
    for seed in range(3):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.7])
        for value, wanted in zip(faster.measure(moved).values(), objective.measure(moved).values(), strict=True):
            assert value == pytest.approx(wanted, rel=1e-5)


NETS = {
    "ResNet": lambda: lnb.models.resnet(20, channels=1, image_size=8),
    "ResNet without shortcuts": lambda: lnb.models.resnet(20, shortcuts=False, channels=1, image_size=8),
    "VGG": lambda: lnb.models.vgg9(0.25, channels=1, image_size=8),
    "DenseNet": lambda: lnb.models.densenet121(channels=1, image_size=8, growth=2),
    "torchvision's ResNet": lambda: torchvision.models.resnet18(num_classes=4),
    "torchvision's MobileNet": lambda: torchvision.models.mobilenet_v2(num_classes=4),
    "torchvision's SqueezeNet": lambda: torchvision.models.squeezenet1_1(num_classes=4),
    "torchvision's ShuffleNet": lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=4),
}


@pytest.mark.parametrize("name", NETS)
def test_networks_are_replayed_as_they_are(name):
    torch.manual_seed(0)
    model = stirred(NETS[name]())
    channels, side = (1, 8) if name[0] != "t" else (3, 33)
    objective = lnb.Objective(model, images(7, side, channels), batch_size=5)
    directions = lnb.random_directions(model, 2, ignore=None)
    affine = Affine(objective.origin, directions)
    engine = choose_engine(objective, affine)
    assert isinstance(engine.evaluator.forward, Replayed)
    places = np.random.default_rng(0).uniform(-0.3, 0.3, (3, 2))
    wanted = OneByOne(objective.evaluator)(affine, places)
    np.testing.assert_allclose(engine(affine, places)["loss"], wanted["loss"], rtol=1e-4)


def test_large_images_are_laid_out_and_batched_anew():
    model = stirred(lnb.models.vgg9(0.125, channels=1, image_size=16))
    metrics = {"accuracy": lnb.accuracy}
    objective = lnb.Objective(model, images(40, 16), metrics=metrics, batch_size=7, extra_data={"test": images(9, 16)})
    faster = replayed(objective.evaluator)
    assert faster.data.counts == [40]
    assert faster.data.batches[0][0].is_contiguous(memory_format=torch.channels_last)
    assert objective.evaluator.data.counts[0] == 7
    for name, value in faster.measure().items():
        assert value == pytest.approx(objective.measure()[name], rel=1e-4)


def test_a_measure_of_batches_keeps_its_batches():
    metrics = {"largest": lambda outputs, targets: outputs.max()}
    objective = lnb.Objective(stirred(NETS["VGG"]()), images(10), metrics=metrics, batch_size=3)
    faster = replayed(objective.evaluator)
    assert faster.data.counts == objective.evaluator.data.counts
    assert faster.measure()["largest"] == pytest.approx(objective()["largest"], rel=1e-5)


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


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.GELU(),
    nn.LeakyReLU(0.3),
    nn.SiLU(),
    nn.ELU(),
]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    widths=st.lists(st.integers(1, 9), max_size=3),
    activation=st.sampled_from(ACTIVATIONS),
    bias=st.booleans(),
    norm=st.booleans(),
    points=st.integers(1, 70),
)
def test_layers_in_stacks_are_the_layers(widths, activation, bias, norm, points):
    torch.manual_seed(0)
    sizes = [64, *widths]
    hidden = [
        layer
        for i, width in enumerate(widths)
        for layer in (nn.Linear(sizes[i], width, bias), *[nn.BatchNorm1d(width)] * norm, activation)
    ]
    model = stirred(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], 4, bias)))
    objective = lnb.Objective(model, small_data(), metrics={"accuracy": lnb.accuracy}, batch_size=17)
    affine = Affine(objective.origin, lnb.random_directions(model, 2, ignore=None))
    places = np.random.default_rng(0).uniform(-1, 1, (points, 2))
    wanted, found = OneByOne(objective.evaluator)(affine, places), Perceptron(objective.evaluator)(affine, places)
    for name in objective.names:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-6)


def test_criteria_of_every_kind_go_through_stacks():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    x = torch.randn(12, 3)
    for criterion, targets in (
        (F.mse_loss, torch.randn(12, 1)),
        (lambda outputs, targets: (outputs[:, 0] - targets).abs().mean(), torch.randn(12)),
        (lambda outputs, targets: outputs.logsumexp(0).sum(), torch.randn(12)),
    ):
        objective = lnb.Objective(model, (x, targets), criterion)
        affine = Affine(objective.origin, lnb.random_directions(model, 1))
        places = np.linspace(-1, 1, 5)[:, None]
        wanted, found = OneByOne(objective.evaluator)(affine, places), Perceptron(objective.evaluator)(affine, places)
        np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-5)
        np.testing.assert_allclose(found["loss_stderr"], wanted["loss_stderr"], rtol=1e-4)


def test_bfloat16_is_compared_and_says_its_error():
    model = stirred(NETS["VGG"]())
    objective = lnb.Objective(model, images(40))
    directions = lnb.random_directions(model, 2)
    exact = lnb.evaluate_plane(objective, directions, (-0.3, 0.3), 5, progress=False)
    half = lnb.evaluate_plane(objective, directions, (-0.3, 0.3), 5, precision="bfloat16", progress=False)
    errors = np.abs(half.loss / exact.loss - 1).values
    assert 0 < errors.max() < 0.02
    assert half.attrs["precision_error"] == pytest.approx(errors[::2, ::2].max(), rel=0.1)
    assert "in bfloat16" in half.attrs["engine"]
    assert not any(how in half.attrs["engine"] for how in ("in blocks", "in tiles"))
    assert exact.attrs["precision"] == "full"


def test_bfloat16_takes_outputs_of_any_structure():
    class Twice(nn.Linear):
        def forward(self, x):
            return {"scores": super().forward(x), "kind": 7}

    def criterion(outputs, targets):
        assert outputs["scores"].dtype is torch.float32
        return torch.nn.functional.cross_entropy(outputs["scores"], targets)

    objective = lnb.Objective(Twice(4, 4), (torch.randn(40, 4), torch.randint(4, (40,))), criterion)
    (direction,) = lnb.random_directions(objective.origin, 1)
    half, full = (
        lnb.evaluate_line(objective, direction, resolution=5, precision=precision, progress=False)
        for precision in ("bfloat16", "full")
    )
    np.testing.assert_allclose(half.loss, full.loss, rtol=0.02)
    assert not np.array_equal(half.loss, full.loss)


def test_bfloat16_is_refused_where_it_draws_something_else(tmp_path):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    x = torch.linspace(256, 257, 50)[:, None]
    objective = lnb.Objective(model, (x, x + 0.1), F.mse_loss)
    direction = {"weight": torch.tensor([[0.001]])}
    with pytest.raises(ValueError, match="precision: bfloat16 gives a loss of .* use 'full'"):
        lnb.evaluate_line(objective, direction, precision="bfloat16", store=tmp_path / "s.zarr", progress=False)
    assert not (tmp_path / "s.zarr").exists()
    with pytest.raises(ValueError, match="precision: got 'float8'"):
        lnb.evaluate_line(objective, direction, precision="float8", progress=False)


class Noisy(nn.Module):
    """Draws in its forward pass, in evaluation too."""

    def __init__(self, own_generator=False):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(1, 4, 3), nn.Linear(4, 4)
        self.own_generator = own_generator

    def forward(self, x):
        y = self.conv(x).mean((2, 3))
        generator = torch.Generator().manual_seed(5) if self.own_generator else None
        return self.linear(y + torch.randn(y.shape, generator=generator))


@pytest.mark.parametrize("own_generator", [False, True])
def test_a_model_that_draws_leaves_the_random_state_and_draws_the_same_everywhere(own_generator):
    """Points measured in several threads would draw from each other's random state."""
    model = Noisy(own_generator)
    objective = lnb.Objective(model, images(12), seed=None if own_generator else 0)
    (direction,) = lnb.random_directions(model, 1)
    before = torch.get_rng_state()
    line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
    assert torch.equal(before, torch.get_rng_state())
    assert "draws random numbers" in line.attrs["engine"]
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (-1.0, 0.0, 1.0)]
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-5)


def test_an_engine_is_tried_once_and_not_on_other_data():
    objective = lnb.Objective(stirred(NETS["VGG"]()), images(10))
    affine = Affine(objective.origin, lnb.random_directions(objective.origin, 1))
    engine = choose_engine(objective, affine)
    assert choose_engine(objective, affine) is engine
    other = lnb.Objective(objective.model, images(5, seed=1))
    assert choose_engine(other, affine) is not engine
    assert choose_engine(other, affine)(affine, np.zeros((1, 1)))["loss"] == pytest.approx(other()["loss"], rel=1e-4)
    assert other.fingerprint != objective.fingerprint


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"padding": "same"}, {"dilation": 2}, {"groups": 4}])
@pytest.mark.parametrize("channels", [1, 3, 16, 20])
def test_convolutions_of_small_images_are_replayed(channels, settings):
    torch.manual_seed(0)
    first, last = nn.Conv2d(channels, 20, 3, padding=1), nn.Conv2d(20, 16, 3, **settings)
    model = nn.Sequential(first, nn.ReLU(), last, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(4))
    model(torch.ones(1, channels, 8, 8))
    objective = lnb.Objective(model, images(10, 8, channels))
    faster = replayed(objective.evaluator, tiles=False)
    program = faster.forward.programs[objective.evaluator.data.batches[0][0].shape]
    assert [call.function.__name__ for call in program.calls][:2] == ["conv2d", "relu_"]
    for seed in range(3):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.7])
        assert faster.measure(moved)["loss"] == pytest.approx(objective(moved)["loss"], rel=1e-5)


@pytest.mark.parametrize("number", [torch.float64, torch.bfloat16])
def test_other_number_formats_are_replayed(number):
    model = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Flatten(), nn.Linear(64, 4)).to(number)
    inputs, targets = images(100, 2, 16)
    objective = lnb.Objective(model, (inputs.to(number), targets))
    (direction,) = lnb.random_directions(model, 1)
    ends = [model, nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Flatten(), nn.Linear(64, 4)).to(number)]
    assert replayed(objective.evaluator).measure()["loss"] == pytest.approx(objective()["loss"], rel=1e-12)
    lnb.interpolate(objective, *ends, resolution=3, progress=False)
    line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
    assert "calls replayed" in line.attrs["engine"]


class Wide(nn.Module):
    """Two convolutions with channels that fill blocks, and what is given between and after them."""

    def __init__(self, forward):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.linear, self.pass_through = nn.Linear(16, 4), forward

    def forward(self, x):
        return self.linear(self.pass_through(self, x).mean((2, 3)))


def written_through_a_view(net, x):
    y = net.first(x)
    y.view(len(x), -1).relu_()
    return y + net.second(y)


def written_after_it_was_read(net, x):
    y = net.first(x)
    z = net.second(y)
    y.add_(z)
    return y * net.second(y)


def written_after_pooling_it(net, x):
    y = F.max_pool2d(net.first(x), 2)
    z = net.second(y)
    return z * net.second(y.relu_())


def sum_of_one(net, x):
    y = net.first(x)
    return net.second(y + y)


def sum_of_other_shapes(net, x):
    y = net.first(x)
    return net.second(y + y.mean((2, 3), keepdim=True)) + net.first(x[:1])


def sum_with_a_factor(net, x):
    return torch.add(net.first(x), net.first(x.flip(2)), alpha=-3)


def sum_with_a_number(net, x):
    return net.second(net.first(x) + 1.5) + net.second.bias[:, None, None]


def sum_used_again(net, x):
    left, right = net.first(x), net.first(x.flip(2))
    total = left + right
    return net.second(total).relu() + left * total


def relu_of_a_sum(net, x):
    return F.relu(net.second(F.relu(net.first(x), inplace=True)) + net.first(x), inplace=True)


def in_place_by_itself(net, x):
    y = net.first(x)
    y += net.second(y)
    return net.second(y.relu_())


BETWEEN = [
    written_through_a_view, written_after_it_was_read, written_after_pooling_it, sum_of_one,
    sum_of_other_shapes, sum_with_a_factor, sum_with_a_number, sum_used_again, relu_of_a_sum, in_place_by_itself,
]  # fmt: skip


@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize("forward", BETWEEN)
def test_whatever_is_between_convolutions_the_values_stay(forward, tiles):
    torch.manual_seed(0)
    model = Wide(forward)
    objective = lnb.Objective(model, images(12))
    faster = replayed(objective.evaluator, tiles=tiles)
    for seed in range(3):
        moved = lnb.move(objective.origin, lnb.random_directions(model, 1, seed=seed, ignore=None), [0.7])
        assert faster.measure(moved)["loss"] == pytest.approx(objective(moved)["loss"], rel=1e-5)
    assert engine_of(objective).evaluator.forward.plain is objective.evaluator.forward


def engine_of(objective):
    return choose_engine(objective, Affine(objective.origin, lnb.random_directions(objective.origin, 1)))


def test_sums_are_in_place_where_nobody_reads_a_summand_again():
    objective = lnb.Objective(stirred(lnb.models.resnet(20, channels=1, image_size=8)), images(10))
    program = replayed(objective.evaluator, tiles=False).forward.programs[objective.evaluator.data.batches[0][0].shape]
    names = [call.function.__name__ for call in program.calls]
    assert names.count("add_") == 9
    assert names.count("relu_") == 19


def test_hessians_use_nothing_in_tiles():
    objective = lnb.Objective(stirred(lnb.models.resnet(20, channels=1, image_size=8)), images(10))
    differentiable = replayed(objective.evaluator, differentiable=True)
    (program,) = differentiable.forward.programs.values()
    assert {"conv2d"} == {call.function.__name__ for call in program.calls if "conv" in call.function.__name__.lower()}
    weights = flatten(objective.origin).requires_grad_()
    ((_, loss),) = differentiable.batch_losses(unflatten(weights, objective.origin))
    (gradient,) = torch.autograd.grad(loss, weights, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), weights)[0].norm() > 0


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
