"""A store is resumed where it is that of the same measurement, and refused where it is not."""

import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from helpers import LABELS
from torch import nn

import landscape_nb as lnb
from landscape_nb.surfaces import frame
from landscape_nb.surfaces.grid import Grid
from landscape_nb.surfaces.store import Store

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


def test_a_store_is_told_by_what_it_was_made_from_and_not_by_rounding(tmp_path, monkeypatch):
    model = nn.Linear(4, 4)
    arguments = lnb.random_directions(model, 1)[0], (-1, 1), 9
    objectives = [lnb.Objective(model, (torch.ones(40, 4), LABELS)) for _ in range(2)]
    lnb.evaluate_line(objectives[0], *arguments, store=tmp_path / "x.zarr", progress=False)
    values = objectives[1].measure()
    monkeypatch.setattr(frame, "origin_values", lambda _: values | {"loss": values["loss"] * (1 + 1e-7)})
    again = lnb.evaluate_line(objectives[1], *arguments, store=tmp_path / "x.zarr", progress=False)
    assert again.attrs["origin_loss"] != values["loss"]
