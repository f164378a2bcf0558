"""Wrong calls of every public function: the error names the argument, and comes from this library, not from inside."""

import traceback
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from helpers import NAN, batch_norm_net
from torch import nn

import landscape_nb as lnb
from landscape_nb._common.levels import choose_levels
from landscape_nb.trajectories.random_walk import random_walk


def objective(**spoiled: object) -> Callable:
    """An `Objective` with one argument spoiled."""

    def call(g: SimpleNamespace) -> None:
        arguments = {"model": g.model, "data": (g.X, g.y)}
        lnb.Objective(**arguments | {k: v.value(g) if isinstance(v, Of) else v for k, v in spoiled.items()})

    return call


ODD = {
    "meta": "on the device 'meta'",
    "sparse": "sparse",
    "nested": "sparse or nested",
    "float8": "float8_e4m3fn",
}


def odd(g: SimpleNamespace, kind: str) -> dict:
    """The weights, of which one is a tensor that cannot be computed with."""
    make = {
        "meta": lambda w: w.to("meta"),
        "sparse": lambda w: w.to_sparse(),
        "nested": lambda w: torch.nested.nested_tensor([w[0], w[1]], layout=torch.jagged),
        "float8": lambda w: w.to(torch.float8_e4m3fn),
    }[kind]
    return dict(g.w) | {"0.weight": make(g.w["0.weight"])}


class Of:
    """A value that is made from what is given."""

    def __init__(self, value: Callable):
        self.value = value


OBJECTIVE = [
    (objective(model=None), TypeError, "model: got NoneType"),
    (objective(model=nn.Linear), TypeError, "model: got type"),
    (objective(model=Of(lambda g: g.w)), TypeError, "model: got dict"),
    (objective(data=None), TypeError, "data: got NoneType"),
    (objective(data="x"), TypeError, "data: got str"),
    (objective(data=Of(lambda g: g.X)), TypeError, "data: got Tensor"),
    (objective(data=Of(lambda g: {"x": g.X})), TypeError, "data: got dict"),
    (objective(data=Of(lambda g: (g.X, g.y[:5]))), ValueError, "data: got 8 inputs and 5 targets"),
    (objective(data=Of(lambda g: (g.X, g.y, g.y))), ValueError, "only a pair is read without forward="),
    (objective(data=[]), ValueError, "data: got no samples"),
    (objective(data=([[1.0, 2.0, 3.0]], [0])), TypeError, "torch.tensor makes one of lists of numbers"),
    (objective(data=Of(lambda g: (g.X[0, 0], g.y[0]))), ValueError, "data: got a tensor without dimensions"),
    (objective(data=(np.array(["a", "b"]), np.zeros(2))), TypeError, "data: got an array of <U1"),
    (objective(data=(np.array([{}, {}]), np.zeros(2))), TypeError, "data: got an array of object"),
    (objective(data=(xr.DataArray([1.0]), torch.ones(1))), TypeError, r"DataArray, wants tensors .* to_numpy\(\)"),
    (objective(criterion=nn.CrossEntropyLoss), TypeError, r"the class CrossEntropyLoss, .*: CrossEntropyLoss\(\)"),
    (objective(criterion=None), TypeError, "criterion: got NoneType"),
    (objective(criterion=lambda o, t: None), TypeError, "loss: got NoneType"),
    (objective(criterion=lambda o, t: (o.mean(), -1)), ValueError, "loss: gave a weight of -1"),
    (objective(criterion=lambda o, t: o), ValueError, r"loss: gave a tensor of shape \(8, 2\)"),
    (objective(criterion=lambda o, t: 1j * o.mean()), ValueError, "loss: gave a complex number"),
    (objective(metrics=[lnb.accuracy]), TypeError, "metrics: got list"),
    (objective(metrics=lnb.accuracy), TypeError, "metrics: got function"),
    (objective(metrics=torch.ones(2)), TypeError, "metrics: got Tensor"),
    (objective(metrics=""), TypeError, "metrics: got str"),
    (objective(metrics=np.ones(2)), TypeError, "metrics: got ndarray"),
    (objective(extra_data=torch.ones(2)), TypeError, "extra_data: got Tensor"),
    (objective(extra_data=""), TypeError, "extra_data: got str"),
    (objective(batch_norm=np.ones(2)), ValueError, "batch_norm: got array"),
    (objective(batch_size=10**30), ValueError, "batch_size: got 1000"),
    (objective(seed=10**30), ValueError, "seed: got 1000"),
    (objective(metrics={"a": nn.MSELoss}), TypeError, r"metrics\['a'\]: got the class MSELoss"),
    (objective(metrics={"a": 3}), TypeError, r"metrics\['a'\]: got int"),
    (objective(metrics={3: lnb.accuracy}), TypeError, "metrics: got int, wants names"),
    (objective(metrics={"a": lambda o, t: "x"}), TypeError, "a: got str"),
    (objective(metrics={"loss": lnb.accuracy}), ValueError, "metrics: the name 'loss'"),
    (objective(batch_size=1.5), ValueError, "batch_size: got 1.5"),
    (objective(batch_size="8"), ValueError, "batch_size: got '8'"),
    (objective(batch_norm=True), ValueError, "batch_norm: got True"),
    (objective(extra_data=Of(lambda g: (g.X, g.y))), TypeError, "extra_data: got tuple, wants a dict"),
    (objective(extra_data=3), TypeError, "extra_data: got int"),
    (objective(extra_data=Of(lambda g: {3: (g.X, g.y)})), TypeError, "extra_data: got int, wants names"),
    (objective(forward="f"), TypeError, "forward: got 'f'"),
    (objective(forward=nn.Linear), TypeError, "forward: got <class"),
    (objective(device="gpu"), ValueError, "device: got 'gpu'"),
    (objective(device="cuda:99"), ValueError, "device: got 'cuda:99'"),
    (objective(device="meta"), ValueError, "device: got 'meta'"),
    (objective(device=["cpu"]), TypeError, "device: got list"),
    (objective(device=torch.float32), TypeError, "device: got dtype"),
    (lambda g: g.o(3), TypeError, "params: got int"),
    (lambda g: g.o(g.arrays), TypeError, r"params: '0.weight' is a ndarray, .*torch.from_numpy"),
    (lambda g: g.o(g.other), ValueError, "params: '0.weight' has shape"),
    (lambda g: g.o(None, buffers=3), TypeError, "buffers: got int"),
    (lambda g: g.o.measure(batch_norm="x"), ValueError, "batch_norm: got 'x'"),
]

ALGEBRA = [
    (lambda g: lnb.parameters_of(nn.Linear), TypeError, "model: got type"),
    (lambda g: lnb.add(None, g.w), TypeError, "x: got NoneType"),
    (lambda g: lnb.add(g.w, [g.w]), TypeError, "y: got list"),
    (lambda g: lnb.add(g.w, g.arrays), TypeError, "y: '0.weight' is a ndarray"),
    (lambda g: lnb.add(g.w, g.other), ValueError, "y: '0.weight' has shape"),
    (lambda g: lnb.add(g.w, {}), ValueError, "y: has no tensor for '0.weight'"),
    (lambda g: lnb.dot(g.model, g.w), TypeError, "x: got Sequential"),
    (lambda g: lnb.dot(g.w, g.other), ValueError, "y: '0.weight' has shape"),
    (lambda g: lnb.norm("w"), TypeError, "x: got str"),
    (lambda g: lnb.scale(g.arrays, 2.0), TypeError, "x: '0.weight' is a ndarray"),
    (lambda g: lnb.scale(g.w, "a"), TypeError, "factor: got str"),
    (lambda g: lnb.scale(g.w, None), TypeError, "factor: got NoneType"),
    (lambda g: lnb.move(g.model, [g.d1], [1.0]), TypeError, "origin: got Sequential"),
    (lambda g: lnb.move(g.w, g.d1, [1.0]), ValueError, r"directions: got one direction \(a dict\)"),
    (lambda g: lnb.move(g.w, None, [1.0]), TypeError, "directions: got NoneType"),
    (lambda g: lnb.move(g.w, [g.other], [1.0]), ValueError, r"directions\[0\]: '0.weight' has shape"),
    (lambda g: lnb.move(g.w, [g.d1, g.d2], [1.0]), ValueError, "coordinates: got .*, wants 2 numbers"),
    (lambda g: lnb.move(g.w, [g.d1], 1.0), ValueError, "coordinates: got 1.0"),
    (lambda g: lnb.move(g.w, [g.d1], ["a"]), ValueError, "coordinates: got"),
    (lambda g: lnb.move(g.w, [g.d1], None), ValueError, "coordinates: got None"),
    (lambda g: lnb.towards(g.w, g.model), TypeError, "end: got Sequential"),
    (lambda g: lnb.towards(g.nan, g.w), ValueError, "start: '0.weight' has NaN"),
    (lambda g: lnb.cosines(g.d1), ValueError, "directions: got one direction"),
    (lambda g: lnb.cosines(3), TypeError, "directions: got int"),
    (lambda g: lnb.cosines([g.d1, g.other]), ValueError, r"directions\[1\]: '0.weight' has shape"),
    (lambda g: lnb.cosines([]), ValueError, "directions: got none"),
    (lambda g: lnb.cosines([1]), TypeError, r"directions\[0\]: got int"),
    (lambda g: lnb.cosines([g.d1, 1]), TypeError, r"directions\[1\]: got int"),
    (lambda g: lnb.scale(g.w, 10**30), ValueError, "factor: got 1000.*, wants a float"),
    (lambda g: lnb.scale(g.w, np.complex64(1j)), TypeError, "factor: got complex64"),
    (lambda g: lnb.scale(odd(g, "meta"), 2.0), ValueError, "x: '0.weight' is on the device 'meta'"),
    (lambda g: lnb.scale(odd(g, "sparse"), 2.0), ValueError, "x: '0.weight' is sparse"),
    (lambda g: lnb.dot(g.w, odd(g, "meta")), ValueError, "y: '0.weight' is on the device 'meta'"),
    (lambda g: lnb.move(g.w, [g.d1], [10**400]), ValueError, r"coordinates\[0\]: got 1000.*, wants a float"),
    (lambda g: lnb.Direction([1]), TypeError, "tensors: got list"),
    (lambda g: lnb.Direction({"a": 3}), TypeError, "tensors: 'a' is a int"),
]

DIRECTIONS = [
    (lambda g: lnb.random_directions(None), TypeError, "model: got NoneType"),
    (lambda g: lnb.random_directions([g.w]), TypeError, "model: got list"),
    (lambda g: lnb.random_directions(g.arrays), TypeError, "model: '0.weight' is a ndarray"),
    (lambda g: lnb.random_directions(g.nan), ValueError, "model: '0.weight' has NaN"),
    (lambda g: lnb.random_directions(nn.LazyLinear(3)), ValueError, "model: 'weight' has no values yet"),
    (lambda g: lnb.random_directions(nn.ReLU()), ValueError, "model: it has no parameters"),
    (lambda g: lnb.parameters_of(nn.LazyLinear(3)), ValueError, "model: 'weight' has no values yet"),
    (lambda g: lnb.dead_filters(nn.DataParallel(g.model)), ValueError, "model: got DataParallel|reference: got DataP"),
    (lambda g: lnb.random_directions(g.model, 0), ValueError, "count: got 0"),
    (lambda g: lnb.random_directions(g.model, "2"), ValueError, "count: got '2'"),
    (lambda g: lnb.random_directions(g.model, normalize="filtre"), ValueError, "normalize: got 'filtre'"),
    (lambda g: lnb.random_directions(g.model, seed=-1), ValueError, "seed: got -1"),
    (lambda g: lnb.random_directions(g.model, seed=None), ValueError, "seed: got None"),
    (lambda g: lnb.random_directions(g.model, ignore=["bias"]), ValueError, "ignore: got"),
    (lambda g: lnb.random_directions({"b": g.y * 1.0}), ValueError, "ignore: it leaves no parameter to move"),
    (lambda g: lnb.random_directions(g.model, orthogonal="yes"), TypeError, "orthogonal: got str"),
    (lambda g: lnb.random_directions(g.model, filter_dim=1), TypeError, "filter_dim: got int"),
    (lambda g: lnb.normalize_direction([g.d1], g.w), TypeError, "direction: got list"),
    (lambda g: lnb.normalize_direction(g.d1, None), TypeError, "reference: got NoneType"),
    (lambda g: lnb.normalize_direction(g.d1, g.other), ValueError, "direction: '0.weight' has shape"),
    (lambda g: lnb.normalize_direction(g.d1, g.w, None), ValueError, "method: got None"),
    (lambda g: lnb.relative_steps(g.d1, 3), TypeError, "reference: got int"),
    (lambda g: lnb.relative_steps(3, g.w), TypeError, "direction: got int"),
    (lambda g: lnb.relative_steps(g.d1, g.w, "weight"), ValueError, "method: got 'weight'"),
    (lambda g: lnb.dead_filters("w"), TypeError, "reference: got str"),
    (lambda g: lnb.dead_filters(g.w, {"zz": 1}), ValueError, "filter_dim: 'zz' fits no"),
    (lambda g: lnb.orthogonalized([g.d1, dict(g.d2)], g.w), TypeError, r"directions\[1\]: got dict, wants a Direction"),
    (lambda g: lnb.orthogonalized(g.d1, g.w), ValueError, "directions: got one direction"),
    (lambda g: lnb.orthogonalized([g.d1, g.d2], 3), TypeError, "reference: got int"),
    (lambda g: lnb.orthogonalized([g.d1, g.d2], g.other), ValueError, r"directions\[0\]: '0.weight' has shape"),
    (lambda g: lnb.orthogonalized([], g.w), ValueError, "directions: got none"),
    *[
        (call, ValueError, f"{name}: '0.weight' is {words}")
        for kind, words in ODD.items()
        for name, call in (
            ("direction", lambda g, kind=kind: lnb.normalize_direction(odd(g, kind), g.w)),
            ("direction", lambda g, kind=kind: lnb.relative_steps(odd(g, kind), g.w)),
            (r"directions\[0\]", lambda g, kind=kind: lnb.evaluate_line(g.o, odd(g, kind), progress=False)),
            ("reference", lambda g, kind=kind: lnb.normalize_direction(g.d1, odd(g, kind))),
            ("reference", lambda g, kind=kind: lnb.dead_filters(odd(g, kind))),
            ("model", lambda g, kind=kind: lnb.random_directions(odd(g, kind))),
        )
    ],
    (lambda g: lnb.dead_filters({"w": torch.ones(2, 2, dtype=int)}), ValueError, "reference: 'w' is int64"),
    (lambda g: lnb.random_directions(g.model, 10**30), ValueError, "count: got 1000.*, wants .* to 1000000"),
    (lambda g: lnb.random_directions(g.model, seed=10**30), ValueError, "seed: got 1000"),
    (lambda g: lnb.random_directions(g.model, ignore=int), ValueError, "ignore: got <class 'int'>"),
    (lambda g: lnb.random_directions(g.model, ignore=np.ones(2)), ValueError, "ignore: got array"),
    (lambda g: lnb.random_directions(g.model, normalize=np.ones(2)), ValueError, "normalize: got array"),
    (lambda g: lnb.normalize_direction(g.d1, g.w, torch.ones(2)), ValueError, "method: got tensor"),
    (lambda g: lnb.relative_steps(g.d1, g.w, np.array(["filter", "layer"])), ValueError, "method: got array"),
    (lambda g: lnb.rescale_relu(g.model, "0", "2", 10**30), ValueError, "factor: got 1000.*, wants a float"),
    (lambda g: lnb.evaluate_line(g.o, g.d1, repeats=10**30, progress=False), ValueError, "repeats: got 1000"),
    (lambda g: choose_levels(10**30, []), ValueError, "levels: got 1000.*, wants .* to 10000"),
    (lambda g: random_walk(5, 10**30), ValueError, "dimension: got 1000"),
    (lambda g: lnb.random_walk_variance_ratio(6, 10**30), ValueError, "dimension: got 1000"),
    (lambda g: lnb.random_walk_variance_ratio(10**30, 5), ValueError, "points: got 1000"),
    (lambda g: lnb.rescale_relu(None, "0", "2", 2.0), TypeError, "model: got NoneType"),
    (lambda g: lnb.rescale_relu(g.model, "9", "2", 2.0), ValueError, "first: got '9'"),
    (lambda g: lnb.rescale_relu(g.model, "0", 2, 2.0), ValueError, "second: got 2"),
    (lambda g: lnb.rescale_relu(g.model, "0", "2", "a"), ValueError, "factor: got 'a'"),
    (lambda g: lnb.match_neurons(None, g.model), TypeError, "model: got NoneType"),
    (lambda g: lnb.match_neurons(g.model, g.w), TypeError, "other: got dict"),
    (lambda g: lnb.match_neurons(g.model, nn.Linear(3, 2)), ValueError, "other: has no tensor for '0.weight'"),
    (lambda g: lnb.match_neurons(g.model, g.model, seed=10**30), ValueError, "seed: got 1000"),
    (lambda g: lnb.rescale_batch_norm(g.model, "0", "1", 2.0), ValueError, "norm: got '1'"),
    (lambda g: lnb.rescale_batch_norm(g.model, None, "1", 2.0), ValueError, "layer: got None"),
]


def on_a_plane(**spoiled: object) -> list[Callable]:
    """Every function that measures a plane, with an argument spoiled."""
    small = {"resolution": 3, "progress": False} | spoiled
    return [
        lambda g: lnb.evaluate_plane(g.o, (g.d1, g.d2), **small),
        lambda g: lnb.curvature_map(g.o, (g.d1, g.d2), **small),
        lambda g: next(lnb.progressive_plane(g.o, (g.d1, g.d2), **small)),
    ]


def along_a_line(**spoiled: object) -> list[Callable]:
    """Every function that measures a line, with an argument spoiled."""
    small = {"resolution": 3, "progress": False} | spoiled
    return [
        lambda g: lnb.evaluate_line(g.o, g.d1, **small),
        lambda g: lnb.interpolate(g.o, g.w, g.path[0], **small),
    ]


def with_directions(directions: Callable) -> list[Callable]:
    """Every function of a plane, with other directions."""
    small = {"resolution": 3, "progress": False}
    return [
        lambda g: lnb.evaluate_plane(g.o, directions(g), **small),
        lambda g: lnb.curvature_map(g.o, directions(g), **small),
        lambda g: next(lnb.progressive_plane(g.o, directions(g), **small)),
    ]


def each(calls: list[Callable], error: type[Exception], message: str) -> list[tuple]:
    return [(call, error, message) for call in calls]


SURFACES = [
    *each(with_directions(lambda g: None), TypeError, "directions: got NoneType, a plane has two"),
    *each(with_directions(lambda g: g.d1), ValueError, r"directions: got one direction \(a dict\), a plane has two"),
    *each(with_directions(lambda g: [g.d1]), ValueError, "directions: got 1, a plane has two"),
    *each(with_directions(lambda g: (g.d1, g.d2, g.d1)), ValueError, "directions: got 3, a plane has two"),
    *each(with_directions(lambda g: (g.d1, 3)), TypeError, r"directions\[1\]: got int"),
    *each(with_directions(lambda g: (g.d1, g.model)), TypeError, r"directions\[1\]: got Sequential"),
    *each(with_directions(lambda g: (g.d1, g.other)), ValueError, r"directions\[1\]: '0.weight' has shape"),
    *each(with_directions(lambda g: (g.d1, g.arrays)), TypeError, r"directions\[1\]: '0.weight' is a ndarray"),
    *each([*on_a_plane(resolution="5"), *along_a_line(resolution="5")], ValueError, "resolution: got"),
    *each(on_a_plane(resolution=10**6), ValueError, "resolution: got 1e.12 points in all"),
    *each([*on_a_plane(resolution=10**9), *along_a_line(resolution=10**9)], ValueError, "resolution: got 1e"),
    *each([*on_a_plane(resolution=1), *along_a_line(resolution=5.0)], ValueError, "resolution: got"),
    *each([*on_a_plane(resolution=None), *along_a_line(resolution=(5, 5))], ValueError, "resolution: got"),
    *each([*on_a_plane(extent=(1, -1)), *along_a_line(extent=(1, 1))], ValueError, "extent: got .* low < high"),
    *each([*on_a_plane(extent=(NAN, 1)), *along_a_line(extent=(0, np.inf))], ValueError, "extent: got .* finite"),
    *each([*on_a_plane(extent=("a", "b")), *along_a_line(extent=(None, 1))], ValueError, "extent: got .* two numbers"),
    *each([*on_a_plane(extent=3), *along_a_line(extent=None)], ValueError, "extent: got"),
    *each(on_a_plane(origin=3), TypeError, "origin: got int"),
    *each(on_a_plane(progress="no"), TypeError, "progress: got str"),
    *each([*on_a_plane(n_jobs=0)[:2], *along_a_line(n_jobs=0)], ValueError, "n_jobs: got 0"),
    *each([*on_a_plane(n_jobs=1.5)[:2], *along_a_line(n_jobs="2")], ValueError, "n_jobs: got"),
    *each([*on_a_plane(n_jobs=10**6)[:2], *along_a_line(n_jobs=True)], ValueError, "n_jobs: got"),
    *each([*on_a_plane(store=3)[:2], *along_a_line(store=True)], TypeError, "store: got .*, wants a path"),
    *each(on_a_plane(seed=-1)[2:], ValueError, "seed: got -1"),
    *each(on_a_plane(seed="2")[2:], ValueError, "seed: got '2'"),
    *each(on_a_plane(error=0)[2:], ValueError, "error: got 0"),
    *each(on_a_plane(seconds="a")[2:], ValueError, "seconds: got 'a'"),
    *each(on_a_plane(tolerance=NAN)[1:2], ValueError, "tolerance: got nan"),
    *each(on_a_plane(repeats=0)[:1], ValueError, "repeats: got 0"),
    *each(along_a_line(repeats=1.5)[:1], ValueError, "repeats: got 1.5"),
    *each(along_a_line(precision="half")[:1], ValueError, "precision: got 'half'"),
    *each(along_a_line(batch_norm="no")[1:], ValueError, "batch_norm: got 'no'"),
    (lambda g: lnb.evaluate_line(g.model, g.d1), TypeError, "objective: got Sequential"),
    (lambda g: lnb.evaluate_line(g.o, [g.d1]), TypeError, r"directions\[0\]: got list"),
    (lambda g: lnb.evaluate_line(g.o, g.path[0], repeats=2), ValueError, "repeats: only directions of random"),
    (lambda g: lnb.evaluate_plane(None, (g.d1, g.d2)), TypeError, "objective: got NoneType"),
    (lambda g: lnb.curvature_map(g.model, (g.d1, g.d2)), TypeError, "objective: got Sequential"),
    (lambda g: next(lnb.progressive_plane(g.w, (g.d1, g.d2))), TypeError, "objective: got dict"),
    (lambda g: lnb.interpolate(g.o, g.model, g.w), TypeError, "start, end: wants two models or two points"),
    (lambda g: lnb.interpolate(g.o, g.w, g.other), ValueError, "end: '0.weight' has shape"),
    (lambda g: lnb.interpolate(g.o, [g.w], g.w), TypeError, "start: got list"),
]

HESSIAN = [
    (lambda g: lnb.extreme_eigenvalues(g.model), TypeError, "objective: got Sequential"),
    (lambda g: lnb.extreme_eigenvalues(g.o, g.other), ValueError, "params: '0.weight' has shape"),
    (lambda g: lnb.extreme_eigenvalues(g.o, tolerance="a"), ValueError, "tolerance: got 'a'"),
    (lambda g: lnb.extreme_eigenvalues(g.o, seed=1.5), ValueError, "seed: got 1.5"),
    (lambda g: lnb.extreme_eigenvalues(g.o, ignore=3), ValueError, "ignore: got 3"),
    (lambda g: lnb.extreme_eigenvalues(g.o, start=[g.w]), TypeError, "start: got list"),
    (lambda g: lnb.extreme_eigenvalues(g.o, start=g.model), TypeError, "start: got Sequential"),
    (lambda g: lnb.extreme_eigenvalues(g.o, start=[1.0]), ValueError, "start: wants a finite direction"),
    (lambda g: lnb.hessian_operator(g.o, 3), TypeError, "params: got int"),
    (lambda g: lnb.hessian_operator(g.o, ignore=lambda name: True), ValueError, "ignore: it leaves no parameter"),
    (lambda g: lnb.hessian_vector_product(g.o, g.arrays), TypeError, "direction: '0.weight' is a ndarray"),
    (lambda g: lnb.curvature_along(g.o, [g.d1]), TypeError, "direction: got list"),
    (lambda g: lnb.curvature_along(g.o, lnb.scale(g.d1, 0.0)), ValueError, "direction: it is zero"),
    (lambda g: lnb.spectral_density(None), TypeError, "objective: got NoneType"),
    (lambda g: lnb.spectral_density(g.o, grid=1), ValueError, "grid: got 1"),
    (lambda g: lnb.spectral_density(g.o, grid=10**10), ValueError, "grid: got 10000000000"),
    (lambda g: lnb.spectral_density(g.o, probes=10**10), ValueError, "probes: got"),
    (lambda g: lnb.spectral_density(g.o, steps=0), ValueError, "steps: got 0"),
    (lambda g: lnb.spectral_density(g.o, width=-1), ValueError, "width: got -1"),
]

TRAJECTORIES = [
    (lambda g: lnb.pca_directions(g.w), TypeError, "trajectory: got dict"),
    (lambda g: lnb.pca_directions(None), TypeError, "trajectory: got NoneType"),
    (lambda g: lnb.pca_directions(g.path, 5), ValueError, "count: got 5"),
    (lambda g: lnb.pca_directions(g.path, "1"), ValueError, "count: got '1'"),
    (lambda g: lnb.pca_directions(g.path, 1, "first"), ValueError, "center: got 'first'"),
    (lambda g: lnb.pca_directions(g.path, 1, model=g.w), TypeError, "model: got dict"),
    (lambda g: lnb.pca_directions([*g.path, {}], 1), ValueError, r"trajectory\[3\]: it has no tensors"),
    (lambda g: lnb.pca_directions([*g.path, 3], 1), TypeError, r"trajectory\[3\]: got int"),
    (lambda g: lnb.pca_directions([g.other, *g.path], 1), ValueError, r"trajectory\[0\]: '0.weight' has shape"),
    (lambda g: lnb.shared_plane(None), TypeError, "trajectories: got NoneType"),
    (lambda g: lnb.shared_plane([]), ValueError, "trajectories: got none"),
    (lambda g: lnb.shared_plane(g.path), TypeError, r"trajectories\[0\]: got dict"),
    (lambda g: lnb.project(3, [g.d1], g.w), TypeError, "points: got int"),
    (lambda g: lnb.project([], [g.d1], g.w), ValueError, "points: got none"),
    (lambda g: lnb.project(g.path, None, g.w), TypeError, "directions: got NoneType"),
    (lambda g: lnb.project(g.path, g.d1, g.w), ValueError, "directions: got one direction"),
    (lambda g: lnb.project(g.path, [g.d1, g.d1], g.w), ValueError, "directions: the 2 are linearly dependent"),
    (lambda g: lnb.project(g.path, [g.d1], g.model), TypeError, "origin: got Sequential"),
    (lambda g: lnb.plane_gap(g.model, g.path, [g.d1], g.w), TypeError, "objective: got Sequential"),
    (lambda g: lnb.plane_gap(g.o, g.path, 3, g.w), TypeError, "directions: got int"),
    (lambda g: lnb.step_cosines(3, g.o), TypeError, "trajectory: got int"),
    (lambda g: lnb.step_cosines([g.w], g.o), ValueError, "trajectory: got 1 point"),
    (lambda g: lnb.step_cosines([g.w, g.other], g.o), ValueError, r"trajectory\[1\]: '0.weight' has shape"),
    (lambda g: lnb.checkpoints(3, g.model), TypeError, "files: got int, wants a pattern such as"),
    (lambda g: lnb.checkpoints(None, g.model), TypeError, "files: got NoneType"),
    (lambda g: lnb.checkpoints([3], g.model), TypeError, r"files\[0\]: got int"),
    (lambda g: lnb.checkpoints([], g.model), ValueError, "files: got an empty list"),
    (lambda g: lnb.checkpoints("", g.model), ValueError, "files: got ''"),
    (
        lambda g: lnb.checkpoints("nowhere/*.pt", g.model),
        ValueError,
        r"files: got .*nowhere/\*.pt', which no file fits",
    ),
    (lambda g: lnb.checkpoints(["nowhere.pt"], g.model), ValueError, r"files\[0\]: there is no file .*nowhere.pt'"),
    (lambda g: lnb.checkpoints("https://x.org/a.pt", g.model), ValueError, "files: got .*URLs are not supported"),
    (lambda g: lnb.checkpoints("*.pt", g.w), TypeError, "model: got dict"),
    (lambda g: lnb.checkpoints("*.pt", nn.ReLU()), ValueError, "model: it has no parameters"),
    (lambda g: lnb.Recorder(g.w), TypeError, "model: got dict"),
    (lambda g: lnb.Recorder(g.model, 3), TypeError, "folder: got int"),
    (lambda g: lnb.Recorder(g.model, every="all"), ValueError, "every: got 'all'"),
    (lambda g: lnb.Recorder(g.model).record(-1), ValueError, "epoch: got -1"),
    (lambda g: lnb.Recorder(g.model).record(lr="0.1"), ValueError, "lr: got '0.1'"),
    (lambda g: lnb.extent_of(g.path), TypeError, r"path\[0\]: got dict, wants what project or plane_gap returned"),
    (lambda g: lnb.extent_of(None), TypeError, "path: got NoneType"),
    (lambda g: lnb.extent_of(lnb.project(g.path, [g.d1], g.w), -1), ValueError, "margin: got -1"),
    (lambda g: lnb.random_walk_ratios("2"), ValueError, "count: got '2'"),
    (lambda g: lnb.random_walk_ratios(2, "2"), ValueError, "points: got '2'"),
    (lambda g: lnb.random_walk_ratios(None), ValueError, "count: got None"),
    (lambda g: lnb.random_walk_variance_ratio(None, 9), ValueError, "points: got None"),
    (lambda g: lnb.random_walk_variance_ratio(9, 0), ValueError, "dimension: got 0"),
    (lambda g: lnb.random_walk_variance_ratio(9, 9, 2, -1), ValueError, "seed: got -1"),
]

RESULTS = [
    (lambda g: lnb.plane_curvatures(None), TypeError, "plane: got NoneType"),
    (lambda g: lnb.plane_curvatures(g.line), ValueError, "plane: wants 'loss' over"),
    (lambda g: lnb.plane_curvatures(g.plane, "acc"), ValueError, "variable: got 'acc', plane has"),
    (
        lambda g: lnb.plane_curvatures(g.plane.drop_vars("alpha")),
        ValueError,
        "plane: has no numbers as coordinates",
    ),
    (lambda g: lnb.nonconvex_fraction([g.plane]), TypeError, "plane: got list"),
    (lambda g: lnb.nonconvex_fraction(g.plane, "a"), TypeError, "tolerance: got str"),
    (lambda g: lnb.nonconvex_fraction(g.plane, -1), ValueError, "tolerance: got -1"),
    (lambda g: lnb.accuracy(1, 2), TypeError, "outputs: got int"),
    (lambda g: lnb.accuracy(g.X, [0]), TypeError, "targets: got list"),
    (lambda g: lnb.accuracy(g.X, g.y, "sum"), ValueError, "reduction: got 'sum'"),
    (lambda g: lnb.accuracy(g.X, g.y[:3]), ValueError, "outputs: got shape"),
    (lambda g: lnb.claim(3, True, "t"), TypeError, "id: got int"),
    (lambda g: lnb.claim("x", "yes", "t"), TypeError, "condition: got str"),
    (lambda g: lnb.claim("x", True, 5), TypeError, "text: got int"),
    (lambda g: lnb.claim("x", True, "t", a="q"), TypeError, "a: got 'q'"),
    (lambda g: lnb.choose_preset("fast", quick={}), ValueError, "PRESET: got 'fast'"),
    (lambda g: lnb.choose_preset("quick", quick=3), TypeError, "quick: got int"),
    (lambda g: lnb.shipped_planes(5), TypeError, "notebook: got int"),
    (lambda g: lnb.shipped_planes("*"), ValueError, r"notebook: got '\*'"),
    (lambda g: lnb.load_authors_checkpoint(3), TypeError, "path: got int"),
    (lambda g: lnb.load_authors_checkpoint("nope.t7"), FileNotFoundError, "path: there is no file nope.t7"),
    (lambda g: lnb.load_authors_checkpoint("/"), ValueError, "path: / is not a checkpoint"),
]

BUILDERS = [
    ("mlp", lambda **k: lnb.models.mlp(**k)),
    ("resnet", lambda **k: lnb.models.resnet(20, **k)),
    ("vgg9", lambda **k: lnb.models.vgg9(**k)),
    ("densenet", lambda **k: lnb.models.densenet(**k)),
    ("densenet121", lambda **k: lnb.models.densenet121(**k)),
]

BAD_SIZES = [
    ({"channels": 0}, "channels: got 0"),
    ({"classes": "a"}, "classes: got 'a'"),
    ({"image_size": None}, "image_size: got None"),
    ({"image_size": 8.5}, "image_size: got 8.5"),
    ({"image_size": (8, 8, 8)}, "image_size: got"),
    ({"seed": -1}, "seed: got -1"),
    ({"seed": "a"}, "seed: got 'a'"),
    ({"seed": 2**64}, "seed: got 18446744073709551616"),
]

MODELS = [
    *((lambda g, b=build, k=bad: b(**k), ValueError, message) for _, build in BUILDERS for bad, message in BAD_SIZES),
    (lambda g: lnb.models.mlp(5), TypeError, "hidden: got 5"),
    (lambda g: lnb.models.mlp("ab"), TypeError, "hidden: got 'ab'"),
    (lambda g: lnb.models.mlp((1.5,)), ValueError, r"hidden\[0\]: got 1.5"),
    (lambda g: lnb.models.resnet(21), ValueError, "depth: got 21"),
    (lambda g: lnb.models.resnet(20.0), ValueError, "depth: got 20.0"),
    (lambda g: lnb.models.resnet(20, width="a"), ValueError, "width: got 'a'"),
    (lambda g: lnb.models.vgg9(width=None), ValueError, "width: got None"),
    (lambda g: lnb.models.vgg9(width=1e-9), ValueError, "width: got 1e-09"),
    (lambda g: lnb.models.densenet(3), TypeError, "groups: got 3"),
    (lambda g: lnb.models.densenet(growth=0), ValueError, "growth: got 0"),
    (lambda g: lnb.models.mlp()(3), TypeError, "images: got int"),
    (lambda g: lnb.datasets.digits().subset("a"), ValueError, "train: got 'a'"),
    (lambda g: lnb.datasets.digits().subset(5, -1), ValueError, "test: got -1"),
    (lambda g: lnb.datasets.digits().images(g.X), ValueError, r"normalized: got \(8, 3\)"),
    (lambda g: lnb.datasets.data_directory(3), TypeError, "data_dir: got int"),
    (lambda g: lnb.datasets.find_files("mnist"), ValueError, "name: got 'mnist'"),
]

CALLS = [*OBJECTIVE, *ALGEBRA, *DIRECTIONS, *SURFACES, *HESSIAN, *TRAJECTORIES, *RESULTS, *MODELS]


@pytest.mark.parametrize(
    ("call", "error", "message"), CALLS, ids=[f"{i}-{m[:40]}" for i, (_, _, m) in enumerate(CALLS)]
)
def test_a_wrong_call_is_told_in_words(g, call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(g)
    raised_in = traceback.extract_tb(caught.value.__traceback__)[-1].filename
    assert "landscape_nb" in raised_in
    assert "site-packages" not in raised_in
    assert caught.type is error or not issubclass(error, ValueError | TypeError)


def test_what_is_given_is_right(g):
    """Without a spoiled argument every one of these calls works."""
    for call in [*on_a_plane(), *along_a_line(), with_directions(lambda g: (g.d1, g.d2))[0], objective()]:
        call(g)


def test_what_is_not_an_objective_is_named(objective):
    (d1, d2), net = lnb.random_directions(objective.origin, 2), batch_norm_net()
    points = [objective.origin] * 2
    for refuse in (
        lambda: lnb.evaluate_line(net, d1),
        lambda: lnb.evaluate_plane(net, (d1, d2)),
        lambda: lnb.interpolate(net, net, net),
        lambda: lnb.curvature_map(net, (d1, d2)),
        lambda: next(lnb.progressive_plane(net, (d1, d2))),
        lambda: lnb.plane_gap(net, points, (d1, d2), objective.origin),
        lambda: lnb.step_cosines(points, net),
        lambda: lnb.extreme_eigenvalues(net),
        lambda: lnb.spectral_density(net),
        lambda: lnb.curvature_along(net, d1),
        lambda: lnb.hessian_vector_product(net, d1),
    ):
        with pytest.raises(TypeError, match="objective: got .*, wants an Objective"):
            refuse()


def test_what_is_not_a_direction_point_or_dataset_is_named(objective):
    d1, d2 = lnb.random_directions(objective.origin, 2)
    with pytest.raises(TypeError, match=r"directions\[1\]: got dict, wants a Direction"):
        lnb.orthogonalized([d1, dict(d2)], objective.origin)
    with pytest.raises(TypeError, match="model: got str, wants a torch.nn.Module, or a dict"):
        lnb.random_directions("net", 2)
    with pytest.raises(TypeError, match=r"trajectory\[3\]: got .*, wants a dict of tensors"):
        lnb.pca_directions([batch_norm_net()] * 4)
    with pytest.raises(TypeError, match="dataset: got int, wants an xarray.Dataset"):
        lnb.diagnose(3)
