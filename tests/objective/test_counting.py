"""How many samples a batch has, whatever it is made of."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from helpers import packed
from torch import nn

import landscape_nb as lnb
from landscape_nb.objective.counting import count_samples


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps, self.scores = nn.GRU(3, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.scores(self.steps(x)[1][-1])


@pytest.mark.parametrize("kind", ["time first", "packed"])
def test_sequences_are_counted_where_time_comes_first(kind):
    torch.manual_seed(0)
    model = Recurrent()
    inputs = (torch.randn(2, 30, 3), 5 + torch.randn(20, 4, 3)) if kind == "time first" else (
        packed(*range(1, 31)), packed(20, 30, 40, 10)
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
        ([(packed(3, 1, 2), None)], [3]),
        ([SimpleNamespace(x=torch.ones(2), to=lambda device: None)], [2]),
    ],
)
def test_samples_are_what_most_tensors_count(batches, counts):
    assert count_samples(batches) == counts


def test_a_batch_without_dimensions_is_named():
    with pytest.raises(TypeError, match="wants tensors whose first dimension counts samples"):
        count_samples([{"x": "text", "y": torch.tensor(1.0)}])


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
