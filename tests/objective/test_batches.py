"""How batches are read: of which kinds of data, and for how long where they have no length."""

import itertools
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from helpers import samples, seeded
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import landscape_nb as lnb
from landscape_nb.objective import batches as batches_module


class Endless(IterableDataset):
    def __iter__(self):
        return iter(lambda: (torch.randn(4), 0), None)


@pytest.mark.parametrize("limit", ["memory", "number"])
def test_data_that_do_not_end_are_given_up(monkeypatch, limit):
    if limit == "memory":
        monkeypatch.setattr(batches_module.psutil, "virtual_memory", lambda: SimpleNamespace(available=400_000))
    else:
        monkeypatch.setattr(batches_module, "_MOST_BATCHES", 50)
    with pytest.raises(ValueError, match=r"data: they have no length.*list\(itertools.islice\(data, n\)\)"):
        lnb.Objective(nn.Linear(4, 3), Endless(), batch_size=4)
    loader = torch.utils.data.DataLoader(Endless(), 4)
    assert lnb.Objective(nn.Linear(4, 3), list(itertools.islice(loader, 5))).samples == 20


def test_reading_without_a_length_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(batches_module, "_SILENT_SECONDS", 0)
    lnb.Objective(nn.Linear(4, 3), itertools.islice(torch.utils.data.DataLoader(Endless(), 4), 5))
    assert "Reading data" in capsys.readouterr().err
    lnb.Objective(nn.Linear(4, 3), (torch.randn(8, 4), torch.zeros(8, dtype=torch.long)))
    assert capsys.readouterr().err == ""


def test_a_batch_that_the_model_does_not_take_is_named_at_once():
    class Squeezing(nn.Linear):
        def forward(self, x):
            return super().forward(x).squeeze()

    x, y = samples(9)
    loader = DataLoader(TensorDataset(x, (y > 0).float()), 4)
    with pytest.raises(ValueError, match=r"data: batch 3 of 3, .*\(1, 4\).*cannot be evaluated"):
        lnb.Objective(seeded(Squeezing, 4, 1), loader, F.binary_cross_entropy_with_logits)


@pytest.mark.parametrize("form", [tuple, list, lambda pair: [tuple(pair)], lambda pair: [tuple(pair), tuple(pair)]])
def test_numpys_arrays_are_data(g, form):
    arrays = form([g.X.double().numpy(), g.y.numpy()])
    assert lnb.Objective(g.model, arrays)()["loss"] == pytest.approx(g.o()["loss"], rel=1e-6)
    double = nn.Sequential(nn.Linear(3, 2)).double()
    assert lnb.Objective(double, arrays).evaluator.data.batches[0][0].dtype == torch.float64


def test_numpys_arrays_are_data_in_dicts_too(g):
    nested = [{"inputs": {"x": g.X.numpy().copy()}, "labels": [g.y.numpy()]}]
    read = lnb.Objective(
        g.model,
        nested,
        forward=lambda model, batch: model(batch["inputs"]["x"]),
        criterion=lambda outputs, batch: F.cross_entropy(outputs, batch["labels"][0]),
    )
    assert read() == pytest.approx(g.o())
    nested[0]["inputs"]["x"][:] = 0
    assert read() == pytest.approx(g.o())
