"""The user's own code counts by what it says, in every process and however it is imported."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import cloudpickle
import pytest

from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.provenance.installed import package_of


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
