"""Notebooks under their full preset, on CIFAR-10: the paper's networks for a few steps on a few images."""

from collections import Counter
from types import SimpleNamespace

import ipywidgets
import matplotlib.pyplot as plt
import nbformat
import pytest
import torchvision
from helpers import real_file

import landscape_nb as lnb
from landscape_nb.course.notebooks import NOTEBOOKS

FEW = 8
CUTS = {
    "images": FEW, "vgg_images": FEW, "train": 64, "few": FEW, "points": 3, "resolution": 3, "map_points": 2,
    "epochs": 2, "long": 24, "batches": (4, 8), "fits": {4: 1, 8: 2}, "record": 1, "steps": 20, "probes": 1, "jobs": 1,
    "windows": 8, "lr": 1e-3,
}  # fmt: skip


def cut(settings):
    """The settings with numbers that take seconds; which networks and data, stays."""
    smaller = settings | {name: value for name, value in CUTS.items() if name in settings}
    several = {name: value for name, value in settings.items() if name in CUTS and isinstance(value, tuple)}
    return smaller | {name: (CUTS[name],) * len(value) for name, value in several.items() if name != "batches"}


@pytest.fixture(scope="module")
def cifar10():
    """The data, read once for all notebooks."""
    real_file("cifar10.npz")
    return lnb.datasets.cifar10()


@pytest.fixture
def full(monkeypatch, tmp_path, cifar10):
    """Notebooks in this process take the full preset and train on few images; the settings and networks they had."""
    seen = SimpleNamespace(settings={}, networks=[])
    train, choose = lnb.train, lnb.choose_preset

    def choose_full(name, **presets):
        seen.settings = presets["full"]
        return choose("full", full=cut(presets["full"]))

    def train_briefly(model, data, *args, **options):
        if data.name == "CIFAR-10":
            seen.networks.append(sum(p.numel() for p in model.parameters()))
        return train(model, data.subset(FEW, FEW), *args, **options | {"progress": False})

    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path))
    monkeypatch.delenv("LANDSCAPE_NB_STRICT")
    monkeypatch.setitem(lnb.datasets.LOADERS, "cifar10", lambda: cifar10)
    monkeypatch.setattr(lnb, "choose_preset", choose_full)
    monkeypatch.setattr(lnb, "train", train_briefly)
    yield seen
    plt.close("all")
    ipywidgets.Widget.close_all()  # ipywidgets keeps all that were ever made, and with them what a notebook drew


NETWORKS = {
    "00": lambda: [lnb.models.resnet(56), lnb.models.resnet(56, shortcuts=False)],
    "01": lambda: [lnb.models.mlp((512, 512))] * 3 + [lnb.models.vgg9()] * 2,
    "02": lambda: [lnb.models.vgg9()],
    "03": lambda: [lnb.models.vgg9()] * 4,
    "04": lambda: [lnb.models.vgg9()] * 4,
    "05": lambda: [lnb.models.resnet(depth, shortcuts) for depth in (20, 56, 110) for shortcuts in (True, False)],
    "06": lambda: [lnb.models.resnet(56, shortcuts, k) for k in (1, 2, 4, 8) for shortcuts in (True, False)],
    "07": lambda: [lnb.models.resnet(56), lnb.models.resnet(56, shortcuts=False)],
    "08": lambda: [lnb.models.resnet(56), lnb.models.resnet(56, shortcuts=False), lnb.models.densenet121()],
    "09": lambda: [lnb.models.vgg9()],
    "10": lambda: [lnb.models.vgg9()] * 8,
    "11": lambda: [lnb.models.mlp((64, 64))] * 2 + [lnb.models.vgg9()] * 2,
    "12": lambda: [torchvision.models.shufflenet_v2_x0_5(num_classes=10)],
}
"""A notebook's networks in the paper's setting. (06 also trains a DenseNet-121, after minutes of planes.)"""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.number)
def test_full_trains_the_papers_networks_on_cifar10(notebook, full):
    """Up to the cell that has trained them all; what follows is the same as in the quick preset."""
    wanted = Counter(sum(p.numel() for p in net.parameters()) for net in NETWORKS[notebook.number]())
    names = {"__name__": "__main__"}
    for number, cell in enumerate(nbformat.read(notebook.path, as_version=4).cells):
        if cell.cell_type == "code" and "google.colab" not in cell.source:
            exec(compile(cell.source, f"{notebook.name}, cell {number}", "exec"), names)
        if wanted <= Counter(full.networks):
            break
    assert full.settings["data"] == "cifar10"
    assert wanted <= Counter(full.networks)
