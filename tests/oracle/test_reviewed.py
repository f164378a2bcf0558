"""Models, data and criteria that once gave other values than torch alone gives, or raised what nobody understood."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

import landscape_nb as lnb
from landscape_nb.surfaces import frame
from landscape_nb.surfaces.grid import Grid
from landscape_nb.surfaces.store import Store
from landscape_nb.surfaces.sweep import _loaded

LABELS = torch.arange(40) % 4


def centre(plane):
    return float(plane.loss.sel(alpha=0, beta=0))


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


def test_threads_of_one_process_do_not_share_a_model(tmp_path):
    path = tmp_path / "measurement"
    path.write_bytes(cloudpickle.dumps(lnb.Objective(nn.Linear(4, 4), (torch.randn(40, 4), LABELS))))
    both = threading.Barrier(2)

    def load(_):
        first = _loaded(str(path))
        both.wait()
        return first, _loaded(str(path))

    with ThreadPoolExecutor(2) as pool:
        (one, again), (other, _) = pool.map(load, range(2))
    assert one is again
    assert one.model is not other.model


def test_threads_measure_what_one_thread_measures():
    torch.manual_seed(0)
    objective = lnb.Objective(
        nn.Sequential(nn.Linear(8, 64), nn.Softmax(1), nn.Linear(64, 4)), (torch.randn(40, 8), LABELS)
    )
    end = {name: p + 0.5 for name, p in objective.origin.items()}
    wanted = lnb.interpolate(objective, objective.origin, end, progress=False)
    with joblib.parallel_config("threading", n_jobs=4):
        found = lnb.interpolate(objective, objective.origin, end, progress=False)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-6)


class Masked(nn.Module):
    def __init__(self, keep):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("mask", torch.triu(torch.full((4, 4), -torch.inf), 1))
        self.register_buffer("kept", torch.tensor(keep))

    def forward(self, x):
        return (self.layer(x * self.kept)[:, None] + self.mask).softmax(-1).sum(1)


def test_masks_between_two_models_are_the_nearer_ones():
    models = Masked([1, 1, 0, 1]), Masked([1, 0, 1, 1])
    data = torch.randn(40, 4), LABELS
    line = lnb.interpolate(lnb.Objective(models[0], data), *models, (-0.5, 1.5), 5, progress=False)
    assert np.isfinite(line.loss).all()
    for alpha, model in enumerate(models):
        wanted = F.cross_entropy(model(data[0]), LABELS).item()
        assert float(line.loss.sel(alpha=alpha)) == pytest.approx(wanted, rel=1e-5)


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


@pytest.mark.parametrize(("width", "how"), [(20, "calls replayed"), (16, "in tiles")])
def test_an_overflow_stays_one(width, how):
    torch.manual_seed(0)
    layers = [layer for _ in range(15) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
    ends = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()], [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4)]
    model = nn.Sequential(*ends[0], *layers, *ends[1])
    objective = lnb.Objective(model, (torch.randn(40, 1, 8, 8), LABELS))
    (direction,) = lnb.random_directions(model, 1)
    line = lnb.evaluate_line(objective, direction, (-1e4, 1e4), 21, progress=False)
    assert how in line.attrs["engine"]
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in line.alpha.values]
    assert np.isnan(wanted).any()
    assert np.isfinite(wanted).any()
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-3)


class OfSequences(nn.Module):
    """Batch norm over places of a sequence, of which there are as many as features."""

    def __init__(self):
        super().__init__()
        self.convolution, self.layer, self.norm = nn.Conv2d(1, 6, 3), nn.Linear(6, 6), nn.BatchNorm1d(6)
        self.last = nn.Linear(36, 4)

    def forward(self, x):
        places = self.convolution(x).flatten(2)[:, :, :6].transpose(1, 2)
        return self.last(self.norm(self.layer(places)).flatten(1))


def test_batch_norm_over_places_is_not_folded_into_features():
    torch.manual_seed(0)
    objective = lnb.Objective(OfSequences(), (torch.randn(40, 1, 8, 8), LABELS))
    lnb.evaluate_line(objective, lnb.random_directions(objective.origin, 1)[0], resolution=3, progress=False)
    (direction,) = lnb.random_directions(objective.origin, 1, normalize="none", ignore=None)
    line = lnb.evaluate_line(objective, direction, (-2, 2), 5, progress=False)
    wanted = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in line.alpha.values]
    np.testing.assert_allclose(line.loss, wanted, rtol=1e-4)


class OfPairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 4)

    def forward(self, parts):
        return self.layer(torch.cat(parts, 1))


def test_inputs_of_several_tensors_are_measured():
    model, x = OfPairs(), torch.randn(40, 6)
    objective = lnb.Objective(model, [([x[:, :3], x[:, 3:]], LABELS)])
    line = lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=3, progress=False)
    assert float(line.loss[1]) == pytest.approx(F.cross_entropy(model.layer(x), LABELS).item(), rel=1e-5)


def test_targets_that_are_ignored_in_a_later_batch_do_not_count():
    labels = torch.arange(512) % 3
    labels[300:350] = -100
    x, model = torch.randn(512, 4), nn.Linear(4, 3)
    found = lnb.Objective(model, (x, labels), nn.CrossEntropyLoss(ignore_index=-100))()["loss"]
    assert found == pytest.approx(F.cross_entropy(model(x), labels).item(), rel=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_class_weights_hold_where_one_batch_does_not_show_them(scale):
    labels, x, model = (torch.arange(64) >= 32).long(), torch.randn(64, 4), nn.Linear(4, 2)
    nn.init.constant_(model.bias, 0)
    model.weight.data *= scale
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.0]))
    objective = lnb.Objective(model, (x, labels), criterion, batch_size=64)
    point = {name: p + 0.3 for name, p in objective.origin.items()} | {"bias": torch.tensor([0.5, -0.5])}
    wanted = criterion(torch.func.functional_call(model, point, (x,)), labels).item()
    assert objective(point)["loss"] == pytest.approx(wanted, rel=1e-5)


def test_a_root_of_a_mean_that_is_zero_at_the_origin_is_no_mean():
    torch.manual_seed(0)
    model, x = nn.Linear(3, 1), torch.randn(50, 3)
    target = model(x).detach()
    objective = lnb.Objective(model, (x, target), lambda a, b: F.mse_loss(a, b).sqrt())
    point = {name: p + 0.3 for name, p in objective.origin.items()}
    wanted = F.mse_loss(torch.func.functional_call(model, point, (x,)), target).sqrt().item()
    assert objective(point)["loss"] == pytest.approx(wanted, rel=1e-5)


def test_probabilities_stay_means_over_samples():
    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid(), nn.Flatten(0))
    objective = lnb.Objective(model, (torch.randn(40, 4), (LABELS > 1).float()), nn.BCELoss())
    assert objective.evaluator.by_sample["loss"] is not None


@pytest.mark.parametrize("metric", [lambda o, t: (o.argmax(1) == t).sum(), lambda o, t, **_: float((o > 0).sum())])
def test_counts_are_metrics(metric):
    x, model = torch.randn(40, 4), nn.Linear(4, 4)
    assert lnb.Objective(model, (x, LABELS), metrics={"count": metric})()["count"] == metric(model(x), LABELS)


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


def test_outputs_that_heed_their_neighbours_are_not_taken_apart():
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    model = nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 4))
    data = torch.randn(400, 4) + torch.arange(400)[:, None] / 50, torch.arange(400) % 4
    objective = lnb.Objective(model, data, batch_size=400)
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=5, progress=False)
    assert centre(plane) == pytest.approx(objective()["loss"], rel=1e-5)


@pytest.mark.parametrize("factor", [0.0, float("nan")])
def test_a_progressive_plane_of_nothing_ends(factor):
    model = nn.Linear(3, 4)
    objective = lnb.Objective(model, (torch.randn(40, 3), LABELS), lambda a, b: F.cross_entropy(a, b) * factor)
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=31, progress=False)
    assert plane.attrs["stopped"] in ("error", "complete")


def test_an_interrupt_before_anything_is_measured_stays_one():
    def interrupted(outputs, targets):
        if calls:
            raise KeyboardInterrupt
        return F.cross_entropy(outputs, targets)

    calls = []
    model = nn.Linear(3, 4)
    objective = lnb.Objective(model, (torch.randn(40, 3), LABELS), interrupted)
    planes = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=5, progress=False)
    calls.append("now")
    with pytest.raises(KeyboardInterrupt):
        next(planes)


def test_a_store_whose_centre_is_not_finite_is_resumed(tmp_path):
    model = nn.Linear(2, 1)
    objective = lnb.Objective(model, (torch.ones(4, 2), torch.zeros(4, 1)), lambda a, b: (a - a).sum() * torch.nan)
    arguments = objective, lnb.random_directions(model, 1)[0]
    for _ in range(2):
        line = lnb.evaluate_line(*arguments, resolution=3, store=tmp_path / "a b.zarr", progress=False)
        assert np.isnan(line.loss).all()


def test_a_piece_of_negative_nan_counts_as_finished(tmp_path):
    store = Store(tmp_path / "x.zarr", Grid({"alpha": np.arange(8.0)}), ["loss"], {})
    store.write(0, {"loss": np.full(8, -np.nan)})
    assert list(store.read()) == [0]


def test_who_comes_second_takes_the_store_that_is_there(tmp_path, monkeypatch):
    grid, path = Grid({"alpha": np.arange(8.0)}), tmp_path / "x.zarr"
    first = Store(path, grid, ["loss"], {"seed": 0})
    first.write(0, {"loss": np.arange(8.0)})
    monkeypatch.setattr(type(path), "exists", lambda self, seen=[]: bool(seen) or seen.append(self) or False)
    second = Store(path, grid, ["loss"], {"seed": 0})
    assert list(second.read()) == [0]
    assert [p.name for p in tmp_path.iterdir()] == ["x.zarr"]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def test_tied_weights_and_plain_numbers_are_trained_with(tmp_path):
    errors = {"error": lambda o, t: float((o.argmax(1) != t).float().mean())}
    data = torch.randn(40, 4), LABELS
    run = lnb.train(Tied(), data, epochs=2, metrics=errors, cache=tmp_path, progress=False)
    again = lnb.train(Tied(), data, epochs=2, metrics=errors, cache=False, progress=False)
    assert len(run.history["train_error"]) == len(again.history["train_error"]) == 2


def test_a_last_batch_of_one_is_recalibrated():
    model = lnb.models.mlp((8,), batch_norm=True, channels=1, image_size=8)
    objective = lnb.Objective(model, (torch.randn(257, 1, 8, 8), torch.arange(257) % 10), batch_norm="recalibrate")
    assert np.isfinite(objective()["loss"])


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


def test_a_curvature_map_can_be_saved(tmp_path):
    model = nn.Linear(4, 4)
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS))
    directions = lnb.random_directions(model, 2)
    found = lnb.curvature_map(objective, directions, resolution=2, ignore=lambda name: "bias" in name, progress=False)
    found.to_netcdf(tmp_path / "map.nc", engine="scipy")
    assert found.attrs["ignored"] == "bias"


def test_a_store_is_told_by_what_it_was_made_from_and_not_by_rounding(tmp_path, monkeypatch):
    model = nn.Linear(4, 4)
    arguments = lnb.random_directions(model, 1)[0], (-1, 1), 9
    objectives = [lnb.Objective(model, (torch.ones(40, 4), LABELS)) for _ in range(2)]
    lnb.evaluate_line(objectives[0], *arguments, store=tmp_path / "x.zarr", progress=False)
    values = objectives[1].measure()
    monkeypatch.setattr(frame, "origin_values", lambda _: values | {"loss": values["loss"] * (1 + 1e-7)})
    again = lnb.evaluate_line(objectives[1], *arguments, store=tmp_path / "x.zarr", progress=False)
    assert again.attrs["origin_loss"] != values["loss"]


def test_a_point_in_another_number_format_is_converted():
    model = nn.Linear(4, 4)
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS))
    double = {name: p.double() for name, p in objective.origin.items()}
    assert objective(double) == objective()
    plane = lnb.evaluate_plane(objective, lnb.random_directions(model, 2), resolution=3, origin=double, progress=False)
    assert centre(plane) == pytest.approx(objective()["loss"], rel=1e-5)
    half = lnb.Objective(nn.Linear(4, 4).bfloat16(), (torch.randn(40, 4).bfloat16(), LABELS))
    assert half({name: p.float() for name, p in half.origin.items()}) == half()


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    note: str = ""


def test_named_tuples_keep_their_names():
    model, batch = nn.Linear(4, 4), Batch(torch.randn(40, 4), LABELS)
    objective = lnb.Objective(
        model, [batch], lambda o, b: F.cross_entropy(o, b.y), forward=lambda model, batch: model(batch.x)
    )
    assert objective()["loss"] == pytest.approx(F.cross_entropy(model(batch.x), LABELS).item(), rel=1e-5)


def test_a_pruned_network_is_measured():
    model, x = nn.Linear(4, 4), torch.randn(40, 4)
    prune.l1_unstructured(model, "weight", 0.5)
    wanted = F.cross_entropy(model(x), LABELS).item()
    objective = lnb.Objective(model, (x, LABELS))
    before = lnb.Objective(model, (x, LABELS)).fingerprint
    line = lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=3, progress=False)
    assert float(line.loss[1]) == pytest.approx(wanted, rel=1e-5)
    assert objective.fingerprint == before


def test_what_cannot_be_sent_to_processes_is_said():
    model = weight_norm(nn.Linear(4, 4))
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS))
    with pytest.raises(ValueError, match="n_jobs: .* cannot be sent"):
        lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=9, n_jobs=2, progress=False)


def test_a_hessian_of_what_has_no_gradient_is_refused():
    model = nn.Linear(4, 4)
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS), lambda o, t: (o.argmax(1) != t).float().mean())
    with pytest.raises(ValueError, match="criterion: .* no gradient"):
        lnb.extreme_eigenvalues(objective)
