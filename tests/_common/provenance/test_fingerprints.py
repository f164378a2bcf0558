"""A fingerprint never raises, is the same wherever it is made, and changes with whatever decides a value."""

import argparse
import collections
import copy
import dataclasses
import decimal
import enum
import fractions
import functools
import importlib.util
import itertools
import logging
import operator
import os
import pathlib
import pickle
import re
import subprocess
import sys
import threading
import types
import weakref

import cloudpickle
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import sklearn
import torch
import torch.nn.functional as F
import xarray as xr
from torch import nn
from torch.nn.utils import parametrizations, prune

from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.provenance import fingerprints as provenance
from landscape_nb._common.provenance.contents import contents
from landscape_nb._common.provenance.installed import package_of


class Raising:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def _raise(self, *_):
        raise RuntimeError

    __repr__ = __hash__ = __eq__ = __len__ = __iter__ = __bool__ = __getstate__ = __reduce_ex__ = _raise


class NoClass:
    @property
    def __class__(self):
        raise RuntimeError

    @property
    def __dict__(self):
        raise RuntimeError


class RaisingMapping(collections.abc.Mapping):
    def __getitem__(self, key):
        raise KeyError(key)

    def __iter__(self):
        raise RuntimeError

    def __len__(self):
        return 3


class RaisingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *_args, **_kwargs):
        raise RuntimeError


class Unhashable(type):
    __hash__ = None


class Slots:
    __slots__ = ("first", "never_set")

    def __init__(self, first):
        self.first = first


def empty_cell():
    def inner():
        return late

    if False:
        late = None
    return inner


def around_itself():
    part = types.SimpleNamespace(items=[], names={})
    part.items.append(part)
    part.names["part"] = part.items
    return part


def deep(wrap, times=10_000):
    part = None
    for _ in range(times):
        part = wrap(part)
    return part


def deep_modules():
    module = nn.Identity()
    for _ in range(3000):
        outer = nn.Module()
        outer.inner, module = module, outer
    return module


def many_ways_to_the_same():
    part = (1,)
    for _ in range(200):
        part = (part, part)
    return part


def left_by_a_forward_pass():
    module = nn.Linear(2, 2)
    module.seen = module(torch.ones(1, 2)) * 2
    return module


HOSTILE = {
    "raising": Raising,
    "no class": NoClass,
    "raising mapping": RaisingMapping,
    "raising tensor": lambda: torch.ones(2).as_subclass(RaisingTensor),
    "unhashable class": lambda: Unhashable("Odd", (), {}),
    "empty cell": empty_cell,
    "around itself": around_itself,
    "deep list": lambda: deep(lambda part: [part]),
    "deep tuple": lambda: deep(lambda part: (part, 1)),
    "deep dict": lambda: deep(lambda part: {"a": part}),
    "deep set": lambda: deep(lambda part: frozenset([part])),
    "deep partial": lambda: deep(lambda part: functools.partial(print, part)),
    "deep namespace": lambda: deep(lambda part: types.SimpleNamespace(part=part)),
    "deep modules": deep_modules,
    "many ways": many_ways_to_the_same,
    "lock": threading.Lock,
    "thread": threading.Thread,
    "logger": lambda: logging.getLogger("landscape"),
    "generator": lambda: (i for i in range(3)),
    "endless iterator": itertools.count,
    "module": lambda: torch,
    "weak reference": lambda: weakref.ref(nn.Linear),
    "weak proxy": lambda: weakref.proxy(nn.Identity()),
    "weak dict": weakref.WeakKeyDictionary,
    "file": lambda: open(os.devnull),  # noqa: SIM115
    "empty slot": lambda: Slots(1),
    "a number of 10,000 digits": lambda: [10**10_000, -1],
    "surrogate": lambda: ["\ud800", {"\ud800": 1}],
    "large list": lambda: list(range(300_000)),
    "nothing": lambda: None,
    "meta": lambda: torch.empty(10**6, 10**6, device="meta"),
    "coo": lambda: torch.eye(3).to_sparse(),
    "csr": lambda: torch.eye(3).to_sparse_csr(),
    "bsr": lambda: torch.eye(4).to_sparse_bsr((2, 2)),
    "csc": lambda: torch.eye(3).to_sparse_csc(),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "per channel": lambda: torch.quantize_per_channel(
        torch.ones(2, 2), torch.tensor([0.1, 0.2]), torch.zeros(2), 0, torch.qint8
    ),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "jagged": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
    "conjugate": lambda: torch.ones(2, dtype=torch.complex64).conj(),
    "negative view": lambda: torch.ones(2, dtype=torch.complex64).conj().imag,
    "half": lambda: torch.ones(2, dtype=torch.bfloat16),
    "float8": lambda: torch.ones(2).to(torch.float8_e4m3fn),
    "bool": lambda: torch.tensor(True),
    "empty": lambda: torch.empty(0, 3),
    "strided": lambda: torch.ones(4, 4)[:, ::2],
    "expanded": lambda: torch.ones(1, 4).expand(3, 4),
    "not a leaf": lambda: torch.ones(2, requires_grad=True) * 2,
    "lazy": lambda: nn.LazyLinear(3),
    "scripted": lambda: torch.jit.script(nn.Linear(2, 2)),
    "left by a forward pass": left_by_a_forward_pass,
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(2, 2)),
    "spectral norm": lambda: nn.utils.spectral_norm(nn.Linear(2, 2)),
    "pruned": lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", 0.5),
    "objects": lambda: np.array([None, {"a": 1}], object),
    "masked": lambda: np.ma.masked_array([1, 2], [True, False]),
    "records": lambda: np.zeros(2, [("a", "i4"), ("b", "O")]),
    "random": lambda: np.random.default_rng(0),
    "legacy random": lambda: np.random.RandomState(0),
    "ufunc": lambda: np.exp,
    "operator": lambda: torch.ops.aten.relu.default,
    "bound": lambda: torch.ones(2).sum,
    "bound builtin": lambda: [1].append,
    "enum": lambda: re.RegexFlag.I,
    "mock": lambda: __import__("unittest.mock").mock.MagicMock(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_raises_and_a_second_one_counts_the_same(name):
    torch.manual_seed(0)
    first = fingerprint(HOSTILE[name](), "after")
    torch.manual_seed(0)
    assert fingerprint(HOSTILE[name](), "after") == first


def test_tensors_inside_a_transform_count_by_their_values():
    found = []

    def read(x):
        found.append(fingerprint(x))
        return x.sum()

    for values in (torch.ones(3, 2), torch.zeros(3, 2)):
        torch.vmap(torch.func.grad(read))(values)
        assert found[-1] == fingerprint(values)
    assert len(set(found)) == 2


def test_tensors_count_by_their_values_however_they_lie():
    image = torch.randn(2, 3, 4, 4)
    ways = [image, image.contiguous(memory_format=torch.channels_last), nn.Parameter(image), image.clone().numpy()]
    assert len(set(map(fingerprint, ways[:3]))) == 1
    assert len(set(map(fingerprint, [*ways, image.double(), image[:1], image.flatten()]))) == 5


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


def test_plain_values_are_read_in_one_go(monkeypatch):
    opened = []
    monkeypatch.setattr(provenance, "contents", lambda part, _: opened.append(part) or contents(part))
    many = [[(i, str(i)) for i in range(1000)], {str(i) for i in range(1000)}, {str(i): [i] for i in range(1000)}]
    fingerprint(*many)
    assert len(opened) < 10


def test_what_is_held_twice_counts_like_its_copy(monkeypatch):
    monkeypatch.setattr("landscape_nb._common.provenance.values._MOST", 100)
    for times in (3, 300):
        assert fingerprint([[1, 2, 3]] * times) == fingerprint([[1, 2, 3] for _ in range(times)])


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
    "slots": (Slots(1), Slots(2)),
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


def test_what_is_installed_is_told_from_the_users_own():
    assert package_of("torch.nn.functional").startswith("torch 2")
    assert package_of(sklearn.__name__).split()[0] == "sklearn"
    assert package_of("collections.abc").startswith("python 3")
    assert package_of("builtins").startswith("python 3")
    assert package_of("landscape_nb.models").startswith("landscape_nb ")
    assert package_of(__name__) == package_of("__main__") == package_of("never.imported") == ""


def test_a_module_of_the_users_that_has_a_name_of_pythons_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "this", load(write(tmp_path / "this.py", "scale = 1"), "this"))
    assert package_of("this") == ""


OWN = """
import enum, functools, logging
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
import torch
import torch.nn.functional as F
from torch import nn

logger = logging.getLogger(__name__)
NAMES = {"alpha", "beta", "gamma", "delta"}
Pair = namedtuple("Pair", "left right")

class Mode(str, enum.Enum):
    FAST = "fast"
    SLOW = "slow"

@dataclass
class Config:
    width: int = 4
    names: set = field(default_factory=lambda: {"x", "y", "z", "w"})
    mode: Mode = Mode.FAST
    pair: Pair = Pair(1, 2)

class Base(nn.Module):
    KINDS = frozenset({"one", "two", "three"})

    def describe(self):
        return type(self).__name__, __name__, __file__

class Net(Base):
    def __init__(self, config):
        super().__init__()
        self.config, self.log, self.layers = config, logger, nn.Linear(4, 4)
        self._table = {name: len(name) for name in sorted(NAMES)}
        self.keys = NAMES | {None, 1, 2.0, (3, "four")}
        self.parts = {nn.ReLU, nn.Tanh, nn.Sigmoid, halved, F.relu}

    def forward(self, x):
        logger.debug("called")
        return halved(self.layers(x)) * (1 if self.config.mode in {"fast", "slow"} else 2) * self._table["beta"]

def halved(x):
    return x / 2 if "half" in {"half", "whole", "third"} else x

def make():
    torch.manual_seed(0)
    net = Net(Config())
    net.register_forward_hook(lambda module, inputs, output: halved(output))
    criterion = functools.partial(lambda outputs, targets, k: F.cross_entropy(halved(outputs), targets) * k, k=2)
    return net, criterion, lambda model, batch: model(batch["x"]), OrderedDict(a=Pair(1, 2)), Net, Mode.SLOW
"""

ASK = {
    "as a script": OWN + "\nfrom landscape_nb._common.provenance import fingerprint\nprint(fingerprint(make()))",
    "imported": "import own\nfrom landscape_nb._common.provenance import fingerprint\nprint(fingerprint(own.make()))",
    "from a package": "from inner import own\nfrom landscape_nb._common.provenance import fingerprint\n"
    "print(fingerprint(own.make()))",
    "after other models": "import torchvision, sklearn.linear_model, own, torch\n"
    "import landscape_nb as lnb\nfrom landscape_nb._common.provenance import fingerprint\n"
    "net = own.make()[0]\no = lnb.Objective(net, (torch.ones(8, 4), torch.zeros(8, dtype=torch.long)))\n"
    "lnb.evaluate_line(o, lnb.random_directions(net, 1)[0], resolution=3, progress=False)\n"
    "print(fingerprint(own.make()))",
    "run from its path": "import runpy\nfrom landscape_nb._common.provenance import fingerprint\n"
    "print(fingerprint(runpy.run_path('own.py')['make']()))",
    "in a worker": "import pickle\nfrom landscape_nb._common.provenance import fingerprint\n"
    "print(fingerprint(pickle.load(open('own.pickle', 'rb'))))",
}


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder with the user's module, a copy of it in a package, and what it makes, pickled by value."""
    folder = tmp_path_factory.mktemp("own")
    write(folder / "own.py", OWN)
    write(folder / "inner" / "own.py", OWN)
    module = load(folder / "own.py", "own_by_value")
    sys.modules["own_by_value"] = module
    cloudpickle.register_pickle_by_value(module)
    (folder / "own.pickle").write_bytes(cloudpickle.dumps(module.make()))
    cloudpickle.unregister_pickle_by_value(module)
    del sys.modules["own_by_value"]
    return folder, fingerprint(module.make())


@pytest.mark.parametrize(("way", "seed"), [*zip(ASK, range(1, 7), strict=True)])
def test_every_process_finds_the_same(elsewhere, way, seed):
    folder, wanted = elsewhere
    path = write(folder / f"ask_{seed}.py", ASK[way])
    root = str(pathlib.Path(__file__).parents[3])
    env = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    made = subprocess.run([sys.executable, path.name], cwd=folder, env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout.split()[-1] == wanted


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return x / 2", "return x / 3"),
        ('"half" in {"half"', '"half" in {"halves"'),
        ("width: int = 4", "width: int = 5"),
        ('"alpha", "beta"', '"alpha_", "beta"'),
        ("k=2)", "k=3)"),
        ('batch["x"]', 'batch["y"]'),
        ("F.cross_entropy(", "F.multi_margin_loss("),
        ('"one", "two"', '"one", "four"'),
        ('FAST = "fast"', 'FAST = "faster"'),
    ],
)
def test_a_changed_line_of_the_users_module_counts(tmp_path, before, after):
    assert before in OWN
    kept, changed = (write(tmp_path / f"{i}.py", text) for i, text in enumerate((OWN, OWN.replace(before, after))))
    assert fingerprint(load(kept, "own").make()) != fingerprint(load(changed, "own").make())


def test_a_helper_of_the_users_that_is_named_through_its_module_counts(tmp_path, monkeypatch):
    for scale in (1, 2):
        write(
            tmp_path / f"helpers_{scale}.py",
            f"SCALE = {scale}\nUNUSED = {scale}\ndef scaled(x):\n    return x * SCALE\n",
        )
    found = []
    for scale in (1, 2):
        helpers = load(tmp_path / f"helpers_{scale}.py", "helpers")
        exec("def f(x):\n    return helpers.scaled(x)", around := {"helpers": helpers, "__name__": "__main__"})
        found.append(fingerprint(around["f"]))
        helpers.UNUSED = 7
        assert fingerprint(around["f"]) == found[-1]
    assert found[0] != found[1]
