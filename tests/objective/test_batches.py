"""How batches are counted, copied and moved, and how long data without a length are read."""

import itertools
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, samples, seeded
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

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


class TestGraphs:
    """Graphs of PyTorch Geometric as data."""

    def graphs(self, count: int):
        data = pytest.importorskip("torch_geometric.data", reason="torch_geometric is not installed")
        torch.manual_seed(0)
        return [
            data.Data(x=torch.randn(n, 3), edge_index=torch.tensor([[0, 1], [1, 0]]), y=torch.tensor([n % 2]))
            for n in range(3, 3 + count)
        ]

    def mean_of_nodes(self, model, batch):
        sums = torch.zeros(batch.num_graphs, 3).index_add_(0, batch.batch, batch.x)
        return model(sums / torch.bincount(batch.batch)[:, None])

    def test_a_batch_counts_its_graphs(self, g):
        graphs = self.graphs(7)
        loader = pytest.importorskip("torch_geometric.loader").DataLoader(graphs, batch_size=4)
        read = lnb.Objective(
            g.model, loader, forward=self.mean_of_nodes, criterion=lambda o, batch: F.cross_entropy(o, batch.y)
        )
        means, y = torch.stack([graph.x.mean(0) for graph in graphs]), torch.cat([graph.y for graph in graphs])
        assert read.evaluator.data.counts == [4, 3]
        assert read()["loss"] == pytest.approx(F.cross_entropy(g.model(means), y).item(), rel=1e-5)

    def test_one_graph_is_one_batch_and_is_copied(self, g):
        (graph,) = self.graphs(1)
        graph.y = torch.tensor([0, 1, 1])
        read = lnb.Objective(
            g.model, graph, forward=lambda m, b: m(b.x), criterion=lambda o, b: F.cross_entropy(o, b.y)
        )
        wanted = F.cross_entropy(g.model(graph.x), graph.y).item()
        assert read.samples == 3
        assert read()["loss"] == pytest.approx(wanted, rel=1e-5)

    def test_a_forward_that_writes_into_a_graph_gets_a_copy(self, g):
        (graph,) = self.graphs(1)
        before = graph.x.clone()

        def forward(model, batch):
            batch.x.add_(1)
            return model(batch.x).mean(0, keepdim=True)

        read = lnb.Objective(g.model, [graph], forward=forward, criterion=lambda o, b: F.cross_entropy(o, b.y))
        assert read() == read()
        assert torch.equal(graph.x, before)

    def test_a_graph_needs_forward(self, g):
        with pytest.raises(ValueError, match="data: a batch is a Data with tensors .*without forward="):
            lnb.Objective(g.model, self.graphs(1))


class OfPairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 4)

    def forward(self, parts):
        return self.layer(torch.cat(parts, 1))


def test_inputs_of_several_tensors_are_measured():
    model, x = OfPairs(), torch.randn(40, 6)
    objective = lnb.Objective(model, [([x[:, :3], x[:, 3:]], LABELS)])
    line = lnb.evaluate_line(objective, lnb.random_directions(model, 1)[0], resolution=3, progress=False)
    assert float(line.loss[1]) == pytest.approx(F.cross_entropy(model.layer(x), LABELS).item(), rel=1e-5)


class Batch(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    note: str = ""


def test_named_tuples_keep_their_names():
    model, batch = nn.Linear(4, 4), Batch(torch.randn(40, 4), LABELS)
    objective = lnb.Objective(
        model, [batch], lambda o, b: F.cross_entropy(o, b.y), forward=lambda model, batch: model(batch.x)
    )
    assert objective()["loss"] == pytest.approx(F.cross_entropy(model(batch.x), LABELS).item(), rel=1e-5)
