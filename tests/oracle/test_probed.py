"""Ordinary models and data for which the library once gave a wrong number without a word, or fell over."""

import pickle
import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader, TensorDataset

import landscape_nb as lnb
from landscape_nb._common.provenance import fingerprint
from landscape_nb.engines.points import OneByOne
from landscape_nb.weights.params import Affine

LABELS = torch.arange(40) % 4


class Quadratic(nn.Module):
    """Its weights are its output, so that a loss of them has the Hessian that one likes."""

    def __init__(self, n):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, n))

    def forward(self, x):
        return self.w.expand(len(x), 1, -1)


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_eigenvalue_is_found_among_hundreds_of_zeros(seed):
    spectrum = torch.tensor([100.0, 50, 20, 10, 5, 2, 1] + [0] * 300 + [-3])
    model, data = Quadratic(len(spectrum)), (torch.zeros(5, 1), torch.zeros(5))
    objective = lnb.Objective(model, data, lambda w, t: (spectrum * w[0] ** 2).sum() / 2)
    ends = lnb.extreme_eigenvalues(objective, seed=seed)
    assert (ends.min, ends.max) == pytest.approx((-3, 100), rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_eigenvalue_of_a_trained_perceptron_is_negative(seed):
    pixels, digits = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels[:100], dtype=torch.float32) / 16, torch.tensor(digits[:100])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.2, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    objective = lnb.Objective(model, (x, y))
    exact = lnb.extreme_eigenvalues(objective, tolerance=1e-6)
    assert exact.min < -1e-4
    found = lnb.extreme_eigenvalues(objective, tolerance=1e-2, seed=seed)
    assert found.min == pytest.approx(exact.min, rel=0.5)


def test_curvature_through_weight_normalization_is_that_of_the_loss():
    torch.manual_seed(0)
    model = weight_norm(nn.Linear(5, 4)).double()
    objective = lnb.Objective(model, (torch.randn(40, 5).double(), LABELS))
    for seed in range(3):
        (direction,) = lnb.random_directions(model, 1, normalize="none", seed=seed)
        step = 1e-4
        low, mid, high = (objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (-step, 0, step))
        wanted = (low - 2 * mid + high) / step**2 / lnb.norm(direction) ** 2
        assert lnb.curvature_along(objective, direction) == pytest.approx(wanted, abs=1e-6)


def test_an_overflow_is_seen_though_the_first_image_is_blank():
    def convolution(channels):
        return [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.ReLU()]

    torch.manual_seed(0)
    deep = [layer for _ in range(15) for layer in convolution(16)]
    model = nn.Sequential(*convolution(1), *deep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    images = torch.randn(40, 1, 8, 8)
    images[0] = 0
    objective = lnb.Objective(model, (images, LABELS))
    (direction,) = lnb.random_directions(model, 1)
    found = lnb.evaluate_line(objective, direction, (-1e4, 1e4), 5, progress=False).loss
    plain = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in found.alpha.values]
    assert np.isnan(plain).sum() == 4
    np.testing.assert_allclose(found, plain, rtol=1e-4)


def share_right(outputs, targets, reduction="mean"):
    right = (outputs.argmax(-1) == targets).float()
    return right.mean() if reduction == "mean" else right


def test_measures_of_batches_of_as_many_samples_as_classes():
    x, y = torch.randn(200, 20), torch.randint(0, 10, (200,))
    for seed in range(60):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))
        batches = list(zip(x.split(10), y.split(10), strict=True))
        objective = lnb.Objective(model, batches, metrics={"accuracy": share_right})
        (direction,) = lnb.random_directions(model, 1, seed=1)
        line = lnb.evaluate_line(objective, direction, resolution=3, progress=False)
        points = [lnb.move(objective.origin, [direction], [a]) for a in line.alpha.values]
        np.testing.assert_allclose(line.accuracy, [objective(point)["accuracy"] for point in points], atol=1e-6)


def test_accuracy_counts_pixels_and_letters_and_refuses_what_does_not_fit():
    scores, targets = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long)
    scores[:, 1, 0] = 1.0
    assert lnb.accuracy(scores, targets).item() == pytest.approx(3 / 4)
    assert lnb.accuracy(scores.movedim(1, -1), targets).item() == pytest.approx(3 / 4)
    with pytest.raises(ValueError, match="fits both ways"):
        lnb.accuracy(torch.zeros(2, 3, 3), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"outputs: got shape \(5,\)"):
        lnb.accuracy(torch.zeros(5), torch.zeros(5, dtype=torch.long))


class Tokens(nn.Module):
    """Gives one row of scores a token, so more rows than samples."""

    def __init__(self):
        super().__init__()
        self.embedding, self.scores = nn.Embedding(9, 6), nn.Linear(6, 9)

    def forward(self, x):
        return self.scores(self.embedding(x)).flatten(0, 1)


def test_a_plane_and_a_hessian_are_of_the_same_loss_when_outputs_are_tokens():
    torch.manual_seed(0)
    model = Tokens()
    model.scores.bias.data[0] = 3
    short = torch.randint(0, 9, (4, 3)), torch.randint(0, 9, (12,))
    long = torch.randint(0, 9, (4, 30)), torch.zeros(120).long()
    objective = lnb.Objective(model, [short, long])
    differentiated = sum(share * float(loss) for share, loss in objective.evaluator.batch_losses(objective.origin))
    assert objective()["loss"] == pytest.approx(differentiated)


def test_progressive_planes_of_tokens():
    torch.manual_seed(0)
    model, t = Tokens(), torch.randint(0, 9, (40, 5))
    objective = lnb.Objective(model, [(part, part.flatten()) for part in t.split(20)])
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=3, progress=False)
    assert float(plane.loss.sel(alpha=0, beta=0)) == pytest.approx(objective()["loss"])


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


class Scaled(nn.Module):
    """Has a parameter that is a single number."""

    def __init__(self):
        super().__init__()
        self.temperature, self.layer = nn.Parameter(torch.tensor(2.0)), nn.Linear(4, 4)

    def forward(self, x):
        return self.temperature * self.layer(x)


def test_a_parameter_may_be_a_single_number():
    x = torch.randn(40, 4)
    model = Scaled()
    objective, directions = lnb.Objective(model, (x, LABELS)), lnb.random_directions(model, 2)
    plane = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    moved = lnb.move(objective.origin, directions, [1.0, -1.0])
    assert moved["temperature"] == 2
    assert float(plane.loss.sel(alpha=1, beta=-1)) == pytest.approx(objective(moved)["loss"], rel=1e-5)


def test_an_origin_of_another_precision_may_come_second():
    x = torch.randn(40, 4)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    objective, directions = lnb.Objective(model, (x, LABELS)), lnb.random_directions(model, 2)
    first = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    origin = {name: tensor.double() for name, tensor in objective.origin.items()}
    second = lnb.evaluate_plane(objective, directions, resolution=3, origin=origin, progress=False)
    np.testing.assert_allclose(first.loss, second.loss, rtol=1e-6)


def test_nothing_finite_is_diagnosed():
    nowhere = xr.Dataset({"loss": ("alpha", np.full(3, np.nan))}, {"alpha": [0.5, 0.75, 1.0]}, {"origin_loss": 12.0})
    assert "not-finite" in lnb.diagnose(nowhere).codes


def test_a_lone_sample_does_not_end_a_recalibration():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    data = TensorDataset(torch.randn(33, 4), LABELS[:33])
    loader = DataLoader(data, batch_size=16)
    assert np.isfinite(lnb.Objective(model, loader, batch_norm="recalibrate")()["loss"])


def test_directions_that_could_not_move_are_refused():
    with pytest.raises(ValueError, match="ignore: it leaves no parameter to move"):
        lnb.random_directions({"w": torch.ones(3)}, 1)
    (direction,) = lnb.random_directions({"w": torch.ones(3)}, 1, ignore=None)
    assert direction["w"].any()


SETTINGS = {"smoothing": 0.0}
LOSS = nn.CrossEntropyLoss()
SPACE = types.SimpleNamespace(smoothing=0.0)


class Settings:
    smoothing = 0.0


def smoothed_by_a_dict(outputs, targets):
    return F.cross_entropy(outputs, targets, label_smoothing=SETTINGS["smoothing"])


def smoothed_by_a_module(outputs, targets):
    return LOSS(outputs, targets)


def smoothed_by_a_namespace(outputs, targets):
    return F.cross_entropy(outputs, targets, label_smoothing=SPACE.smoothing)


def smoothed_by_a_class(outputs, targets):
    return F.cross_entropy(outputs, targets, label_smoothing=Settings.smoothing)


@pytest.mark.parametrize(
    ("criterion", "change"),
    [
        (smoothed_by_a_dict, lambda m: m.setitem(SETTINGS, "smoothing", 0.5)),
        (smoothed_by_a_module, lambda m: m.setattr(LOSS, "label_smoothing", 0.5)),
        (smoothed_by_a_namespace, lambda m: m.setattr(SPACE, "smoothing", 0.5)),
        (smoothed_by_a_class, lambda m: m.setattr(Settings, "smoothing", 0.5)),
    ],
)
def test_a_store_is_refused_when_something_that_the_criterion_names_has_changed(
    criterion, change, monkeypatch, tmp_path
):
    def line():
        objective = lnb.Objective(model, (x, LABELS), criterion)
        return lnb.evaluate_line(objective, direction, resolution=3, store=tmp_path / "line.zarr", progress=False)

    torch.manual_seed(0)
    model, x = nn.Linear(4, 4), torch.randn(40, 4)
    (direction,) = lnb.random_directions(model, 1)
    kept = line()
    xr.testing.assert_equal(kept, line())
    change(monkeypatch)
    with pytest.raises(ValueError, match="store"):
        line()


class Slots:
    __slots__ = ("value",)


@pytest.mark.parametrize("make", [object, Slots, lambda: torch.Generator().manual_seed(3)])
def test_a_fingerprint_has_no_address_in_it(make):
    assert fingerprint({"a": make()}) == fingerprint({"a": make()})


def test_generators_are_told_apart():
    assert fingerprint(torch.Generator().manual_seed(3)) != fingerprint(torch.Generator().manual_seed(4))


def test_objects_that_hold_each_other_are_hashed_once():
    nodes = [types.SimpleNamespace(number=i) for i in range(40)]
    for node in nodes:
        node.others = [other for other in nodes if other is not node]
    assert fingerprint(nodes) == fingerprint(nodes)


def agrees_with_the_plain_way(objective, direction, extent=(-1, 1), origin=None):
    """Whether a line of seven points is what the model gives point by point; returns the line."""
    line = lnb.evaluate_line(objective, direction, extent, 7, origin, progress=False)
    plain = OneByOne(objective.evaluator)(Affine(origin or objective.origin, [direction]), line.alpha.values[:, None])
    np.testing.assert_allclose(line.loss, plain["loss"], rtol=1e-4)
    return line


class Cropped(nn.Module):
    """Adds a part of larger images to a convolution's results."""

    def __init__(self, halves=False):
        super().__init__()
        self.halves = halves
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.convolution = nn.Conv2d(8, 8, 3, padding=1) if halves else nn.Conv2d(16, 16, 3)
        self.head = nn.Linear(8 if halves else 16, 4)

    def forward(self, x):
        y = self.stem(x)
        images, added = y.chunk(2, 1)[::-1] if self.halves else (y, y[:, :, 1:-1, 1:-1])
        return self.head(F.relu(self.convolution(images) + added).mean((2, 3)))


@pytest.mark.parametrize("halves", [False, True])
def test_parts_of_images_are_added_in_tiles(halves):
    torch.manual_seed(0)
    model = Cropped(halves)
    objective = lnb.Objective(model, (torch.randn(40, 3, 8, 8), LABELS))
    line = agrees_with_the_plain_way(objective, lnb.random_directions(model, 1)[0])
    assert "1 convolution in tiles" in line.engine


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


class Sliced(nn.Module):
    """As many rows as a weight says."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16, 4)

    def forward(self, x):
        rows = (self.head.bias[0] * 20).floor().long().clamp(-4, 3) + 5
        return self.head(F.relu(self.convolution(x))[:, :, :rows].mean((2, 3)))


def test_a_slice_ends_where_a_weight_says_at_each_point():
    torch.manual_seed(1)
    model = Sliced()
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    agrees_with_the_plain_way(objective, lnb.random_directions(model, 1, ignore=None)[0], (-3, 3))


class Peaked(nn.Module):
    """Divides images by their largest entry."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 20, 3, padding=1), nn.Conv2d(20, 20, 3, padding=1)
        self.head = nn.Linear(20, 4)
        nn.init.constant_(self.first.bias, 0.1)

    def forward(self, x):
        y = F.relu(self.first(x))
        y = y / y.amax((1, 2, 3), keepdim=True)
        return self.head(F.relu(self.second(y)).mean((2, 3)))


def test_an_image_that_is_divided_by_zero_is_not_a_number():
    torch.manual_seed(0)
    model, images = Peaked(), torch.randn(40, 1, 8, 8)
    images[5] = 0
    direction = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    direction["first.bias"] -= 1
    direction["first.weight"] += 0.01
    line = agrees_with_the_plain_way(lnb.Objective(model, (images, LABELS)), direction, (0, 0.3))
    assert np.isfinite(line.loss[:2]).all()
    assert np.isnan(line.loss[2:]).all()


def test_the_number_format_that_torch_makes_by_default_decides_nothing():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1))
    objective = lnb.Objective(model, (torch.randn(40, 3, 8, 8), torch.randint(8, (40, 8, 8))))
    (direction,) = lnb.random_directions(model, 1)
    before = agrees_with_the_plain_way(objective, direction)
    torch.set_default_dtype(torch.float64)
    try:
        during = agrees_with_the_plain_way(objective, direction)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(before.loss, during.loss)


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


def test_a_variance_that_is_a_parameter_moves():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(576, 4)).eval()
    del model[1].running_var
    model[1].running_var = nn.Parameter(torch.ones(16))
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    direction = {name: torch.zeros_like(p) for name, p in objective.origin.items()} | {"1.running_var": torch.ones(16)}
    agrees_with_the_plain_way(objective, direction, (0, 5))
