"""How batches are counted, copied and moved, and how long data without a length are read."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import IterableDataset

import landscape_nb as lnb
from landscape_nb.objective import batches as batches_module
from landscape_nb.objective.batches import copied, count_samples, tensors_of, to_device


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps, self.scores = nn.GRU(3, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.scores(self.steps(x)[1][-1])


def sequences(*lengths):
    return pack_sequence([torch.randn(length, 3) for length in lengths], enforce_sorted=False)


@pytest.mark.parametrize("kind", ["time first", "packed"])
def test_sequences_are_counted_where_time_comes_first(kind):
    torch.manual_seed(0)
    model = Recurrent()
    inputs = (torch.randn(2, 30, 3), 5 + torch.randn(20, 4, 3)) if kind == "time first" else (
        sequences(*range(1, 31)), sequences(20, 30, 40, 10)
    )  # fmt: skip
    batches = list(zip(inputs, (torch.arange(30) % 2, torch.zeros(4, dtype=torch.long)), strict=True))
    made = lnb.Objective(model, batches)
    assert made.samples == 34
    assert made.reductions["loss"] == "mean over samples"
    losses = torch.cat([nn.functional.cross_entropy(model(x), y, reduction="none").detach() for x, y in batches])
    assert made()["loss"] == pytest.approx(losses.mean().item(), rel=1e-5)
    line = lnb.evaluate_line(made, lnb.random_directions(model, 1)[0], resolution=3, progress=False)
    assert float(line.loss[1]) == pytest.approx(losses.mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("batches", "counts"),
    [
        ([(torch.ones(5, 3), torch.ones(5))], [5]),
        ([(torch.ones(2, 16, 32), torch.ones(32)), (torch.ones(1, 16, 32), torch.ones(16))], [2, 1]),
        ([(torch.ones(3, 7, 4), torch.ones(21)), (torch.ones(2, 7, 4), torch.ones(14))], [3, 2]),
        ([(torch.ones(9, 6, 2), torch.ones(6, 3))], [6]),
        ([{"mask": torch.ones(8, 8), "x": torch.ones(3, 8), "y": torch.ones(3, 8)}], [3]),
        ([{"x": torch.ones(8, 3, 2), "y": torch.ones(3), "note": "text"}], [3]),
        ([(torch.tensor(1.0), torch.ones(4), torch.ones(4))], [4]),
        ([(sequences(3, 1, 2), None)], [3]),
        ([SimpleNamespace(x=torch.ones(2), to=lambda device: None)], [2]),
    ],
)
def test_samples_are_what_most_tensors_count(batches, counts):
    assert count_samples(batches) == counts


def test_a_batch_without_dimensions_is_named():
    with pytest.raises(TypeError, match="wants tensors whose first dimension counts samples"):
        count_samples([{"x": "text", "y": torch.tensor(1.0)}])


class Graph:
    def __init__(self, nodes):
        self.nodes = nodes

    def to(self, device):
        return Graph(self.nodes.to(device))


def test_copies_share_nothing():
    for batch in ((sequences(2, 3), torch.ones(2)), {"graph": Graph(torch.ones(2)), "rest": [torch.ones(1), "text"]}):
        copy = copied(batch)
        assert [p.data_ptr() for p in tensors_of(copy)] != [p.data_ptr() for p in tensors_of(batch)]
        assert all(torch.equal(*pair) for pair in zip(tensors_of(copy), tensors_of(batch), strict=True))
        assert all(part.device.type == "meta" for part in tensors_of(to_device(tensors_of(batch), "meta")))
    assert to_device({"graph": Graph(torch.ones(2))}, "meta")["graph"].nodes.device.type == "meta"


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
