"""What tests of several rooms share: files, data, small networks, objectives and planes whose values are known."""

import functools
import json
import os
import re
import warnings
import weakref
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
import xarray as xr
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import landscape_nb as lnb
from landscape_nb.engines.points import OneByOne
from landscape_nb.engines.winograd.llvm import this_processor
from landscape_nb.surfaces.grid import Grid
from landscape_nb.surfaces.store import Store
from landscape_nb.trajectories import random_walk, training
from landscape_nb.weights.params import Affine, flatten, unflatten

ROOT = Path(__file__).parent.parent


def real_file(name: str) -> Path:
    """A file of the data directory; it may be missing on a laptop, not in CI."""
    path = lnb.datasets.data_directory() / name
    if not path.exists():
        reason = f"{path} is not there; LANDSCAPE_NB_DATA names the directory"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class Quadratic(nn.Module):
    """Half of θᵀAθ, as a network whose parameter θ is a matrix of one row."""

    def __init__(self, matrix: torch.Tensor, theta: torch.Tensor):
        super().__init__()
        self.theta = nn.Parameter(theta[None].clone())
        self.register_buffer("matrix", matrix)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (0.5 * self.theta @ self.matrix @ self.theta.T).expand(len(inputs), 1)


def quadratic_objective(matrix: torch.Tensor, theta: torch.Tensor) -> lnb.Objective:
    data = (torch.zeros(3, 1), torch.zeros(3))
    return lnb.Objective(Quadratic(matrix, theta), data, criterion=lambda outputs, _: outputs.mean())


def batch_norm_net(seed: int = 0) -> nn.Module:
    """A small net with batch norm whose running statistics are no longer the initial ones."""
    net = lnb.models.mlp((12, 9), batch_norm=True, channels=1, classes=4, image_size=8, seed=seed)
    images, _ = small_data(seed)
    with torch.no_grad():
        nn.init.normal_(net.linear.weight, generator=torch.Generator().manual_seed(seed))
        for _ in range(20):
            net(images)
    return net.eval()


def small_data(seed: int = 0, samples: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(samples, 1, 8, 8, generator=generator)
    return images, torch.randint(4, (samples,), generator=generator)


# Data and networks
LABELS = torch.arange(40) % 4


def samples(count=48, features=4, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, features, generator=generator), torch.arange(count) % classes


def images(count=9, side=8, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, side, side, generator=generator), torch.arange(count) % 4


def drawn(generator, *shape):
    return torch.randn(*shape, generator=generator)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def packed(*lengths):
    """Sequences of such lengths, of three features a step."""
    return pack_sequence([torch.randn(length, 3) for length in lengths], enforce_sorted=False)


def four_classes(count=40, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 6, generator=generator).to(dtype), torch.arange(count) % 4


def between_linears(*layers, dtype=torch.float64):
    """A network for `four_classes`: these layers of eight neurons, between two linear ones."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), *layers, nn.Linear(8, 4)).to(dtype).eval()


def number_of_weights(net):
    return sum(p.numel() for p in net.parameters())


def made_and_said(model, *args, **settings):
    """An objective, and what it warned of when it was made."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = lnb.Objective(model, *args, **settings)
    return made, [str(warning.message) for warning in caught]


def clipped(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A loss that is a mean over samples only where none of them is far off; annotated for `torch.jit`."""
    return F.mse_loss(outputs, targets).clamp(max=100.0)


def seeded(make, *args):
    torch.manual_seed(0)
    return make(*args)


def mean_of_outputs(outputs, targets):
    return outputs.mean()


class Tokens(nn.Module):
    """Gives one row of scores a token, so more rows than samples."""

    def __init__(self):
        super().__init__()
        self.embedding, self.scores = nn.Embedding(9, 6), nn.Linear(6, 9)

    def forward(self, x):
        return self.scores(self.embedding(x)).flatten(0, 1)


class Lambda(nn.Module):
    """Two layers, called by a function that the module keeps: `copy.deepcopy` leaves its closure as it is."""

    def __init__(self, kind):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 3)
        chain = lambda x: self.b(torch.tanh(self.a(x)))  # noqa: E731
        kept = {"lambda": chain, "partial": functools.partial(self.both, torch.tanh), "default": chain}
        self.run = kept.get(kind, self.via)
        if kind == "default":
            self.run = lambda x, layers=(self.a, self.b): layers[1](torch.tanh(layers[0](x)))
        if kind == "hook":
            self.identity = nn.Identity()
            self.identity.register_forward_hook(lambda module, inputs, output: chain(inputs[0]))
            self.run = lambda x: self.identity(x)
        if kind == "list":
            self.steps = [self.a, torch.tanh, lambda x: self.b(x)]
            self.run = self.through

    def both(self, nonlinearity, x):
        return self.b(nonlinearity(self.a(x)))

    def via(self, x):
        return self.both(torch.tanh, x)

    def through(self, x):
        for step in self.steps:
            x = step(x)
        return x

    def forward(self, x):
        return self.run(x)


def two_layers(point, x):
    hidden = torch.tanh(F.linear(x, point["a.weight"], point["a.bias"]))
    return F.linear(hidden, point["b.weight"], point["b.bias"])


def resnet20() -> nn.Module:
    return lnb.models.resnet(20, channels=1, seed=2)


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


def stirred(model, seed=0):
    """The model in evaluation mode, with batch norm whose statistics, γ and β are not the defaults."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.3, 2, generator=generator)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2, generator=generator)
                nn.init.normal_(module.bias, 0, 0.3, generator=generator)
    return model.eval()


class Slotted:
    __slots__ = ("first", "never_set")

    def __init__(self, first):
        self.first = first


# Right arguments, which wrong calls spoil
NAN = float("nan")


def right_arguments() -> SimpleNamespace:
    """Right arguments, to be spoiled one at a time."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    other = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    x, y = torch.randn(8, 3), torch.arange(8) % 2
    objective, weights = lnb.Objective(model, (x, y)), lnb.parameters_of(model)
    d1, d2 = lnb.random_directions(model, 2)
    line = lnb.evaluate_line(objective, d1, resolution=3, progress=False)
    plane = lnb.evaluate_plane(objective, (d1, d2), resolution=3, progress=False)
    path = [lnb.move(weights, [d1], [step]) for step in (2.0, 1.0, 0.0)]
    return SimpleNamespace(
        model=model, other=lnb.parameters_of(other), X=x, y=y, o=objective, w=weights, d1=d1, d2=d2, line=line,
        plane=plane, path=path, arrays={name: tensor.numpy() for name, tensor in weights.items()},
        nan={name: tensor * NAN for name, tensor in weights.items()},
    )  # fmt: skip


# Engines and lines against evaluating point by point
with_tiles = pytest.mark.skipif(this_processor() is None, reason="this processor has no AVX2: torch convolves")


def agrees_with_the_plain_way(objective, direction, extent=(-1, 1), origin=None):
    """Whether a line of seven points is what the model gives point by point; returns the line."""
    line = lnb.evaluate_line(objective, direction, extent, 7, origin, progress=False)
    plain = OneByOne(objective.evaluator)(Affine(origin or objective.origin, [direction]), line.alpha.values[:, None])
    np.testing.assert_allclose(line.loss, plain["loss"], rtol=1e-4)
    return line


ALPHAS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def measured_line(objective, seed=0):
    (direction,) = lnb.random_directions(objective.origin, 1, seed=seed)
    return lnb.evaluate_line(objective, direction, resolution=len(ALPHAS), progress=False), direction


def losses_along(loss, start, direction):
    """A loss written out, at the points of a line."""
    return [float(loss(lnb.move(start, [direction], [alpha]))) for alpha in ALPHAS]


def assert_line(objective, loss, rtol=1e-5):
    start = dict(objective.origin)
    found, direction = measured_line(objective)
    np.testing.assert_allclose(found.loss, losses_along(loss, start, direction), rtol=rtol)
    assert np.ptp(found.loss.values) > 0.01


def centre(plane):
    return float(plane.loss.sel(alpha=0, beta=0))


# Hessians that are known
SPECTRUM = np.concatenate([[-4.0, -1.0], np.linspace(-0.5, 2, 35), [3.0, 7.0, 20.0]])


def small_net(dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 4)).to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator))
    return net


def three_batches(dtype=torch.float64, sizes=(7, 30, 13)):
    images, labels = small_data()
    return list(zip(images.to(dtype).split(sizes), labels.split(sizes), strict=True))


def small_objective(dtype=torch.float64, sizes=(7, 30, 13)):
    return lnb.Objective(small_net(dtype), three_batches(dtype, sizes))


def dense_hessian(net, ignore_biases=True):
    """By torch, of the mean over all samples at once, without the library."""
    images, labels = small_data()
    params = lnb.parameters_of(net)
    chosen = {name: p for name, p in params.items() if p.ndim > 1 or not ignore_biases}

    def loss(vector):
        outputs = torch.func.functional_call(net, params | unflatten(vector, chosen), (images.to(vector.dtype),))
        return F.cross_entropy(outputs, labels)

    return torch.autograd.functional.hessian(loss, flatten(chosen)).numpy()


def quadratic(spectrum=SPECTRUM, dtype=torch.float64, seed=0):
    """An objective whose Hessian has this spectrum everywhere, and the matrix of its eigenvectors."""
    n = len(spectrum)
    vectors, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    matrix = torch.from_numpy(vectors * spectrum @ vectors.T).to(dtype)
    return quadratic_objective(matrix, torch.ones(n, dtype=dtype)), vectors


def random_vector(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def alike(found, wanted):
    """How parallel two vectors are: 1 for the same up to sign and length."""
    return abs(found @ wanted) / np.linalg.norm(found) / np.linalg.norm(wanted)


# Runs, and points of weight space as the rows of a matrix
TRAINING = {"epochs": 4, "batch_size": 50, "lr": 0.05, "progress": False}


def same_runs(first, second):
    states = zip(first.states, second.states, strict=True)
    return first.history == second.history and all(torch.equal(a[name], b[name]) for a, b in states for name in a)


@contextmanager
def interrupted_before_epoch(number):
    """Training inside is interrupted, as by Ctrl-C."""
    train_epoch = training._Run._train_epoch

    def interrupted(self, *how):
        if self.epoch == number:
            raise KeyboardInterrupt
        train_epoch(self, *how)

    said = f"^stopped in epoch {number + 1} of"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt, match=said):
        patch.setattr(training._Run, "_train_epoch", interrupted)
        yield


LIKE = {"w": torch.zeros(4, 6), "b": torch.zeros(5)}

SIZE = 29


def as_points(matrix, dtype=torch.float32, like=LIKE):
    """The rows of a matrix as points of weight space."""
    reference = {name: tensor.to(dtype) for name, tensor in like.items()}
    return [unflatten(torch.as_tensor(row), reference) for row in np.asarray(matrix)]


def as_matrix(points):
    return np.stack([flatten(point).double().numpy() for point in points])


def walk(points=7, seed=0, scale=1.0, dtype=torch.float32):
    """Points around 10, so that what they have in common is larger than what they differ in."""
    return as_points(10 + scale * random_walk.random_walk(points, SIZE, seed), dtype)


class Lazy:
    """Checkpoints that exist when they are asked for, and counts how many do so at once."""

    def __init__(self, points):
        self.points, self.alive, self.most, self.reads = points, weakref.WeakSet(), 0, 0

    def __len__(self):
        return len(self.points)

    def __getitem__(self, index):
        if not 0 <= index < len(self.points):
            raise IndexError(index)
        point = {name: tensor.clone() for name, tensor in self.points[index].items()}
        self.alive.add(point["w"])
        self.reads += 1
        self.most = max(self.most, len(self.alive))
        return point


# A store of two pieces
SMALL_GRID = Grid({"alpha": np.array([0.0, 0.5]), "beta": np.array([-1.0, 0.0, 1.0])})

SMALL_VALUES = [{"loss": np.array([1.0, 2.0, 3.0])}, {"loss": np.array([4.0, 5.0, 6.0])}]


def small_store(path):
    return Store(path, SMALL_GRID, ["loss"], {"seed": 0})


# Planes to be drawn
AXIS = np.linspace(-1, 1, 11)

BOWL = 0.5 + AXIS[:, None] ** 2 + AXIS**2


def plane_of(values, **attrs):
    return xr.Dataset({"loss": (("alpha", "beta"), np.asarray(values))}, {"alpha": AXIS, "beta": AXIS}, attrs)


PLANES = {
    "bowl": plane_of(BOWL),
    "below zero": plane_of(BOWL - 10),
    "far below zero": plane_of(1e3 * (BOWL**20 - 1)),
    "nowhere finite": plane_of(BOWL * np.nan),
    "all infinite": plane_of(np.full_like(BOWL, np.inf)),
    "partly infinite": plane_of(np.where(AXIS > 0.3, np.inf, BOWL)),
    "one point": plane_of(np.where((AXIS[:, None] == 0) & (AXIS == 0), 1.0, np.nan)),
    "a finite rim": plane_of(np.where(np.maximum(np.abs(AXIS[:, None]), np.abs(AXIS)) < 1, np.nan, BOWL)),
    "constant": plane_of(np.full_like(BOWL, 1.5)),
    "zero": plane_of(np.zeros_like(BOWL)),
    "constant below zero": plane_of(np.full_like(BOWL, -1.5)),
    "whole numbers": plane_of((10 * BOWL).astype(int)),
    "float32": plane_of(BOWL.astype(np.float32)),
    "turned": plane_of(BOWL).transpose("beta", "alpha"),
    "downwards": plane_of(BOWL).isel(alpha=slice(None, None, -1)),
    "two rows": plane_of(BOWL).isel(alpha=[0, 5]),
    "a variable": plane_of(BOWL).loss,
    "several draws": xr.concat([plane_of(BOWL), plane_of(BOWL - 10)], "repeat"),
}


def plane_over(function, a=None, b=None):
    a = np.linspace(-1, 1, 9) if a is None else a
    b = np.linspace(-2, 2, 13) if b is None else b
    grid = np.meshgrid(a, b, indexing="ij")
    return xr.Dataset({"loss": (("alpha", "beta"), function(*grid))}, {"alpha": a, "beta": b})


# Planes to be judged
RANDOM = [{"kind": "random", "seed": 3, "draw": i, "normalization": "filter"} for i in (0, 1)]

COMPONENTS = [{"kind": "principal component", "number": i, "normalization": "none"} for i in (0, 1)]

ATTRS = {
    "kind": "plane",
    "normalization": "none",
    "seed": "none",
    "directions": json.dumps(COMPONENTS),
    "samples": 1000,
    "batch_norm": "recalibrate",
}


def bowl(a, b):
    return 0.01 + 6 * a**2 + 5 * b**2


def judged_plane(function=bowl, extent=(-1, 1), points=21, stderr=None, path=None, levels=None, **attrs):
    axes = [np.linspace(*pair, points) for pair in (extent if np.iterable(extent[0]) else [extent] * 2)]
    loss = function(*np.meshgrid(*axes, indexing="ij"))
    values = {"loss": loss} if stderr is None else {"loss": loss, "loss_stderr": np.broadcast_to(stderr, loss.shape)}
    attrs = {"origin_loss": float(function(np.float64(0), np.float64(0)))} | ATTRS | attrs
    dims = ("alpha", "beta")
    return xr.Dataset({k: (dims, v) for k, v in values.items()}, dict(zip(dims, axes, strict=True)), attrs)


def judged_line(function, extent=(-1, 1), points=21, **attrs):
    a = np.linspace(*extent, points)
    return xr.Dataset({"loss": ("alpha", function(a))}, {"alpha": a}, ATTRS | {"kind": "line"} | attrs)


def only_finding(found, code):
    (finding,) = [finding for finding in found if finding.code == code]
    return finding


def suggested_extents(text):
    """The pairs that follow `extent=`."""
    text = re.search(r"extent=(\[.*?\]|\(.*?\))", text)[1]
    values = list(map(float, re.findall(r"-?\d[\d.e+-]*", text)))
    return list(zip(values[::2], values[1::2], strict=True))
