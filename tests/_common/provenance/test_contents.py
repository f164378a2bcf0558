"""Whatever an object is, its contents can be read, and read again they are the same."""

import collections
import functools
import itertools
import logging
import os
import re
import threading
import types
import weakref

import numpy as np
import pytest
import torch
from helpers import Slotted
from torch import nn
from torch.nn.utils import parametrizations, prune

from landscape_nb._common.provenance import fingerprint


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
    "empty slot": lambda: Slotted(1),
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
