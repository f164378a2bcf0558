"""What decides a value changes the fingerprint; what use alone changes, or where an object lies, does not."""

import argparse
import copy
import dataclasses
import decimal
import enum
import fractions
import functools
import logging
import operator
import pathlib
import pickle
import re
import types

import cloudpickle
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from helpers import Slotted
from torch import nn

from landscape_nb._common.provenance import fingerprint


def halved(x):
    return x / 2


def with_default(x, scale=1.0):
    return x * scale


def with_loop(x):
    total = 0
    for i in range(200):
        total = total + (x * i if i in {"a", 3} else 0)
    return total


def test_code_counts_as_it_was_compiled():
    before = fingerprint(with_loop)
    for _ in range(200):
        with_loop(1.0)
    assert fingerprint(with_loop) == before
    moved = compile(f"\n\n\ndef {halved.__name__}(x):\n    return x / 2\n", "elsewhere.py", "exec")
    exec(moved, elsewhere := {"__name__": "elsewhere"})
    assert fingerprint(elsewhere["halved"]) == fingerprint(halved)


def test_a_docstring_does_not_count():
    written = "def f(x):\n    'text'\n    def g():\n        'text'\n    return x, g, 'a'"
    assert fingerprint(compiled(written)) == fingerprint(compiled(written.replace("text", "another")))
    assert fingerprint(compiled(written)) != fingerprint(compiled(written.replace("'a'", "'c'")))


def outer(value):
    def inner(x):
        return x + value

    return inner


def wrapped(function):
    return torch.no_grad()(functools.wraps(F.cross_entropy)(function))


class Setting(nn.Module):
    names = ("a", "b")

    def __init__(self, value):
        super().__init__()
        self.value, self._used, self._unused = value, [value], {"cache": value}

    def forward(self, x):
        return x * self._used[0]


@dataclasses.dataclass(frozen=True)
class Config:
    width: float
    kind: str = "relu"


class Colour(enum.Enum):
    RED, GREEN = 1, 2


class Criterion:
    def __init__(self, smoothing):
        self.smoothing = smoothing

    def __call__(self, outputs, targets):
        return F.cross_entropy(outputs, targets, label_smoothing=self.smoothing)


class Text(str):
    pass


def hooked(factor):
    module = nn.Linear(2, 2)
    nn.init.ones_(module.weight)
    nn.init.ones_(module.bias)
    module.register_forward_hook(lambda _module, _inputs, output: output * factor)
    return module


def with_instance_forward(factor):
    module = nn.Identity()
    module.forward = types.MethodType(lambda self, x: x * factor, module)
    return module


def unpersistent(value):
    module = nn.Module()
    module.register_buffer("table", torch.tensor(value), persistent=False)
    return module


def with_class_body(value):
    return type("Made", (nn.Module,), {"scale": value, "forward": halved})()


class Frame(pd.DataFrame):
    @property
    def _constructor(self):
        return Frame


class ArrayLike:
    """One that says it is from an installed package, and keeps its values out of sight."""

    __module__ = "sklearn.made_up"

    def __init__(self, value):
        self._inside = lambda: value

    def __array__(self, dtype=None, copy=None):
        return np.full(2, self._inside())

    def __deepcopy__(self, _):
        return ArrayLike(self._inside())


def with_attribute(value):
    def loss(x):
        return x * loss.scale

    loss.scale = value
    return loss


def wrapped_with_attribute(value):
    function = wrapped(outer(1))
    function.scale = value
    return function


def compiled(text, **around):
    exec(text, around := {"__name__": "__main__", **around})
    return around["f"]


def with_global(name, value):
    return compiled(f"def f(x):\n    return x * {name}", **{name: value})


PAIRS = {
    "numbers": (1, 1.0),
    "true and one": (True, 1),
    "zeros": (0.0, -0.0),
    "nested containers": ([[1], 2], [[1, 2]]),
    "order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "values of a set": ({1, "a"}, {1, "b"}),
    "sets and lists": ({1}, [1]),
    "body": (lambda x: x + 1, lambda x: x + 2),
    "names": (lambda x: x.sin(), lambda x: x.cos()),
    "order of arguments": (lambda a, b: a - b, lambda b, a: a - b),
    "inner function": (lambda x: [i + 1 for i in x], lambda x: [i + 2 for i in x]),
    "installed function": (lambda x: F.relu(x), lambda x: F.gelu(x)),
    "defaults": (with_default, types.FunctionType(with_default.__code__, globals(), None, (2.0,))),
    "closure": (outer(1), outer(2)),
    "closure of an installed wrapper": (wrapped(outer(1)), wrapped(outer(2))),
    "called function": (lambda x: halved(x), lambda x: with_default(x)),
    "partial": (functools.partial(F.cross_entropy, label_smoothing=0.1), functools.partial(F.cross_entropy)),
    "bound method": (Criterion(0.1).__call__, Criterion(0.2).__call__),
    "callable instance": (Criterion(0.1), Criterion(0.2)),
    "setting": (Setting(1.0), Setting(2.0)),
    "setting of a library's layer": (nn.Dropout(0.1), nn.Dropout(0.2)),
    "class": (nn.ReLU(), nn.Tanh()),
    "class body": (with_class_body(1), with_class_body(2)),
    "weights": (nn.Linear(2, 2), nn.Linear(2, 2)),
    "buffer": (unpersistent(1.0), unpersistent(2.0)),
    "hook": (hooked(1), hooked(2)),
    "forward of an instance": (with_instance_forward(1), with_instance_forward(2)),
    "dataclass": (Config(1.0), Config(2.0)),
    "dataclass in a set": ({Config(1.0)}, {Config(2.0)}),
    "enum": (Colour.RED, Colour.GREEN),
    "namespace": (argparse.Namespace(a=1), argparse.Namespace(a=2)),
    "slots": (Slotted(1), Slotted(2)),
    "text": (Text("a"), Text("b")),
    "path": (pathlib.Path("a"), pathlib.Path("b")),
    "pattern": (re.compile("a"), re.compile("b")),
    "fraction": (fractions.Fraction(1, 3), fractions.Fraction(2, 3)),
    "decimal": (decimal.Decimal("0.1"), decimal.Decimal("0.2")),
    "itemgetter": (operator.itemgetter(1), operator.itemgetter(2)),
    "sparse": (torch.eye(3).to_sparse(), torch.zeros(3, 3).to_sparse()),
    "quantized": tuple(torch.quantize_per_tensor(torch.ones(3), s, 0, torch.qint8) for s in (0.1, 0.2)),
    "functions of torch": (F.relu, F.gelu),
    "distribution": (torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.0, 2.0)),
    "device": (torch.device("cpu"), torch.device("meta")),
    "values of a series": (pd.Series([1, 2]), pd.Series([1, 3])),
    "name of a series": (pd.Series([1], name="a"), pd.Series([1], name="b")),
    "index of a series": (pd.Series([1, 2]), pd.Series([1, 2], index=[1, 0])),
    "dtype of a series": (pd.Series([1, 2]), pd.Series([1, 2], dtype="Int64")),
    "order of categories": tuple(pd.Series(pd.Categorical(["a", "b"], order)) for order in (["a", "b"], ["b", "a"])),
    "times with a zone": tuple(pd.Series(pd.to_datetime([i], utc=True)) for i in (1, 2)),
    "objects in a series": (pd.Series([Config(1.0), None]), pd.Series([Config(2.0), None])),
    "timestamp": (pd.Timestamp(1), pd.Timestamp(2)),
    "index": (pd.MultiIndex.from_tuples([(1, "a")]), pd.MultiIndex.from_tuples([(1, "b")])),
    "values of a frame": (pd.DataFrame({"a": [2**53], "b": [0.5]}), pd.DataFrame({"a": [2**53 + 1], "b": [0.5]})),
    "columns of a frame": (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    "subclass of a frame": (Frame({"a": [1]}), Frame({"a": [2]})),
    "frame in a closure": (outer(pd.DataFrame({"a": [1]})), outer(pd.DataFrame({"a": [2]}))),
    "values of a data array": (xr.DataArray([1.0, 2.0]), xr.DataArray([1.0, 3.0])),
    "dimension of a data array": (xr.DataArray([1.0], dims="x"), xr.DataArray([1.0], dims="y")),
    "coordinate": tuple(xr.DataArray([1.0], dims="x", coords={"x": [value]}) for value in (0, 1)),
    "values of a data set": tuple(xr.Dataset({"a": ("x", [value])}) for value in (1, 2)),
    "coordinate of a data set": tuple(xr.Dataset(coords={"x": [value]}) for value in (1, 2)),
    "data tree": tuple(xr.DataTree(children={"a": xr.DataTree(xr.Dataset({"b": value}))}) for value in (1, 2)),
    "image": (PIL.Image.new("L", (2, 2), 1), PIL.Image.new("L", (2, 2), 2)),
    "array of another library": (ArrayLike(1), ArrayLike(2)),
    "attribute of a function": (with_attribute(1), with_attribute(2)),
    "attribute of an installed wrapper": (wrapped_with_attribute(1), wrapped_with_attribute(2)),
    "private global": (with_global("__scale", 1), with_global("__scale", 2)),
    "global between underscores": (with_global("__scale__", 1), with_global("__scale__", 2)),
    "constant between underscores": (type("Made", (), {"__scale__": 1}), type("Made", (), {"__scale__": 2})),
    "text that is not a docstring": (lambda x: ["a" for _ in x], lambda x: ["b" for _ in x]),
    "returned docstring": (compiled("def f():\n  'a'\n  return 'a'"), compiled("def f():\n  'b'\n  return 'b'")),
    "polynomial": (np.polynomial.Polynomial([1, 2]), np.polynomial.Polynomial([1, 3])),
    "domain of a polynomial": (np.polynomial.Polynomial([1, 2]), np.polynomial.Polynomial([1, 2], domain=[0, 1])),
    "plain containers": ([(1, "a"), {"b": [None]}], [(1, "a"), {"b": [0]}]),
    "lists and tuples inside": ([(1, 2)], [[1, 2]]),
    "tuples in a set": ({(1, "a"), (2, "b")}, {(1, "b"), (2, "a")}),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_decides_a_value_counts(name):
    first, second = PAIRS[name]
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(first) == fingerprint(first)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda part: pickle.loads(cloudpickle.dumps(part))])
def test_a_copy_counts_the_same(name, copied):
    part = PAIRS[name][0]
    assert fingerprint(copied(part)) == fingerprint(part)


def test_an_attribute_that_no_code_of_the_module_names_is_not_a_setting():
    module = Setting(1.0)
    before = fingerprint(module)
    module._unused["cache"] = 2.0
    assert fingerprint(module) == before
    module._used[0] = 2.0
    assert fingerprint(module) != before


class Cached:
    def __init__(self):
        self.value = 1

    @functools.cached_property
    def double(self):
        return 2 * self.value


def counting_itself(outputs, _):
    counting_itself.calls += 1
    return outputs.sum()


counting_itself.calls = 0


def counting():
    calls = 0

    def criterion(outputs, _):
        nonlocal calls
        global CALLS
        calls, CALLS = calls + 1, CALLS + 1
        return outputs.sum()

    return criterion


CALLS = 0


def test_what_use_alone_changes_does_not_count():
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    part = Cached(), counting(), functools.lru_cache(halved), logging.getLogger("landscape"), counting_itself, frame
    before = fingerprint(part)
    assert part[0].double == 2
    part[1](torch.ones(2), None)
    part[2](3)
    part[3].isEnabledFor(10)
    part[4](torch.ones(2), None)
    assert frame.loc["y", "a"] == 2
    assert fingerprint(part) == before


def test_a_patched_library_counts(monkeypatch):
    def forward(self, x):
        return x + 1

    before = fingerprint(nn.Sequential(nn.Hardswish()))
    monkeypatch.setattr(nn.Hardswish, "forward", forward)
    assert fingerprint(nn.Sequential(nn.Hardswish())) != before


def test_named_attributes_of_modules_can_be_left_out():
    net = nn.Sequential(nn.Sequential(Setting(1.0)), Setting(1.0))
    without = {("0.0", "value"), ("1", "_used")}
    before = fingerprint(net, without=without)
    net[0][0].value, net[1]._used = 5.0, [7]
    assert fingerprint(net, without=without) == before
    assert fingerprint(copy.deepcopy(net), without=without) == before
    net[1].value = 5.0
    assert fingerprint(net, without=without) != before


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
