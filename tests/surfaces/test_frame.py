"""A frame refuses what does not fit, and says the same of itself in every result that is measured on it."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import landscape_nb as lnb
from landscape_nb._common import schema
from landscape_nb.surfaces.frame import Frame, describe

QUIET = {"progress": False}


@pytest.fixture
def linear() -> lnb.Objective:
    model = nn.Linear(2, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    return lnb.Objective(model, (torch.eye(2), torch.zeros(2, 1)), nn.functional.mse_loss)


def point(*entries: float, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {"weight": torch.tensor([entries], dtype=dtype)}


def last(yields):
    *_, plane = yields
    return plane


PLANES = {
    "plane": lnb.evaluate_plane,
    "map": lnb.curvature_map,
    "progressive": lambda *args, **kwargs: last(lnb.progressive_plane(*args, **kwargs)),
}


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"objective": nn.Linear(2, 1)}, TypeError, "objective: got Linear, wants an Objective"),
        ({"directions": point(1, 0)}, ValueError, "directions: got one direction"),
        ({"directions": [point(1, 0)]}, ValueError, "directions: got 1, a plane has two"),
        ({"directions": [point(1, 0)] * 3}, ValueError, "directions: got 3, a plane has two"),
        ({"directions": [point(1, 0), point(1)]}, ValueError, r"directions\[1\]: 'weight' has shape \(1, 1\)"),
        ({"directions": [point(1, 0), {}]}, ValueError, r"directions\[1\]: has no tensor for 'weight'"),
        ({"origin": point(1)}, ValueError, "origin: 'weight' has shape"),
        ({"origin": point(np.nan, 0)}, ValueError, "origin: 'weight' has NaN"),
        ({"extent": (1, -1)}, ValueError, "extent: got"),
        ({"resolution": 1}, ValueError, "resolution: got 1"),
        ({"resolution": (3, 3, 3)}, ValueError, "resolution: got 3 of them for 2 axes"),
    ],
)
@pytest.mark.parametrize("kind", PLANES)
def test_all_planes_refuse_the_same_in_the_same_words(linear, kind, change, error, text):
    right = {"objective": linear, "directions": [point(1, 0), point(0, 1)], "extent": (-1, 1), "resolution": 3}
    with pytest.raises(error, match=text):
        PLANES[kind](**right | change, **QUIET)


def test_a_line_has_one_axis_and_a_plane_two(linear):
    line = Frame(linear, [point(1, 0)], (0, 1), 3)
    plane = Frame.plane(linear, (point(1, 0), point(0, 1)), [(0, 1), (2, 4)], (2, 3))
    assert {name: axis.tolist() for name, axis in line.axes.items()} == {"alpha": [0, 0.5, 1]}
    assert {name: axis.tolist() for name, axis in plane.axes.items()} == {"alpha": [0, 1], "beta": [2, 3, 4]}
    assert (line.describe()["kind"], plane.describe()["kind"]) == ("line", "plane")


def test_points_have_the_number_format_of_the_objective(linear):
    wide = [point(1, 0, dtype=torch.float64)]
    at = Frame(linear, wide, (0, 1), 3, origin=point(1, 1, dtype=torch.float64)).affine()
    assert at(0.5)["weight"].dtype == torch.float32
    assert at(0.5)["weight"].tolist() == [[1.5, 1.0]]


def test_another_draw_starts_at_the_same_origin(linear):
    frame = Frame(linear, [point(1, 0)], (0, 1), 3)
    assert frame.affine()(1.0)["weight"].tolist() == [[3.0, 2.0]]
    assert frame.affine([point(0, 5)])(1.0)["weight"].tolist() == [[2.0, 7.0]]


def test_the_loss_at_the_own_origin_is_measured_once(linear, monkeypatch):
    calls, measure = [], lnb.Objective.measure
    monkeypatch.setattr(lnb.Objective, "measure", lambda *args: calls.append(args) or measure(*args))
    losses = [Frame(linear, [point(1, 0)], (0, 1), n).describe()["origin_loss"] for n in (2, 3, 4)]
    assert losses == [4.0] * 3
    assert len(calls) == 1
    assert Frame(linear, [point(1, 0)], (0, 1), 2, point(3, 3)).describe()["origin_loss"] == 9.0


@pytest.mark.parametrize("kind", PLANES)
def test_every_plane_carries_the_description_of_its_frame(objective, kind):
    directions = lnb.random_directions(objective.origin, 2, seed=3)
    origin = {name: 1.5 * weight for name, weight in objective.origin.items()}
    where = {"extent": [(-1, 1), (0, 0.5)], "resolution": (3, 2), "origin": origin}
    plane = PLANES[kind](objective, directions, **where, **QUIET)
    wanted = Frame.plane(objective, directions, **where).describe()
    assert wanted["seed"] == 3
    assert len(wanted["direction_norms"]) == 2
    assert len(wanted["relative_steps"]) == 2
    wanted["kind"] = {"map": "curvature map"}.get(kind, "plane")
    assert {name: plane.attrs[name] for name in wanted} == wanted


def test_further_draws_are_another_geometry_with_the_same_first_directions(objective):
    frame = Frame(objective, lnb.random_directions(objective.origin, 1, seed=3), (-1, 1), 3)
    one, two = frame.describe(), frame.describe([frame.directions, lnb.random_directions(objective.origin, 1, seed=4)])
    assert {name for name in one if one[name] != two[name]} == {"geometry"}


def test_an_interpolation_says_the_same_of_its_objective_as_a_line(objective):
    end = {name: weight + 1 for name, weight in objective.origin.items()}
    path = lnb.interpolate(objective, objective.origin, end, (0, 1), 3, **QUIET)
    line = lnb.evaluate_line(objective, end, (0, 1), 3, **QUIET)
    shared = describe(objective, "", {}).keys() - {"kind", "geometry"}
    assert {n: path.attrs[n] for n in shared} == {n: line.attrs[n] for n in shared}


def test_the_geometry_of_points_that_are_known_stays(linear):
    """A store is resumed if its attributes are those of the call: another fingerprint would refuse all that exist."""
    origin, d1, d2 = point(1, 2), point(1, 0), point(0, 1)
    line, plane = Frame(linear, [d1], (0, 1), 3, origin), Frame.plane(linear, (d1, d2), (0, 1), 3, origin)
    found = [frame.describe()["geometry"] for frame in (line, plane)] + [line.describe([[d1], [d2]])["geometry"]]
    assert found == ["14f60872f92a6303", "8451b7244e0729bf", "f2419522c3b3b116"]


def test_a_store_keeps_the_description_without_what_rounds(linear, tmp_path):
    directions = [point(1, 0), point(1, 1)]
    lnb.evaluate_plane(linear, directions, (0, 1), 3, store=tmp_path / "plane", **QUIET)
    job = json.loads(json.loads((tmp_path / "plane" / "zarr.json").read_text())["attributes"]["landscape_nb_job"])
    wanted = Frame.plane(linear, directions, (0, 1), 3).describe()
    kept = {name: value for name, value in wanted.items() if name not in schema.ROUNDED}
    assert {name: job.get(name) for name in kept} == kept
    assert not job.keys() & {"origin_loss", "direction_norms", "direction_cosine", "precision_error"}
