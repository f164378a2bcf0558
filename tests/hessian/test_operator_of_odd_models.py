"""Losses whose second derivative is missing or wrong are named; the rest have the curvature of the loss."""

import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, samples, seeded
from torch import nn

import landscape_nb as lnb


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].exp()


class Words(nn.Module):
    def __init__(self, embedding):
        super().__init__()
        self.embedding, self.out = embedding, nn.Linear(5, 3)

    def forward(self, words):
        vectors = self.embedding(words)
        return self.out(torch.tanh(vectors if vectors.ndim == 2 else vectors.mean(1)))


def words():
    return torch.randint(0, 7, (16, 4), generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3


def test_what_cannot_be_differentiated_twice_is_named():
    class Exponential(nn.Linear):
        def forward(self, x):
            return Once.apply(0.1 * super().forward(x))

    class Letters(nn.Linear):
        def forward(self, x):
            return super().forward(x).log_softmax(-1)

    def ctc(outputs, targets):
        return F.ctc_loss(outputs.transpose(0, 1), targets, torch.full((8,), 6), torch.full((8,), 2))

    speech = torch.randn(8, 6, 3), torch.randint(1, 5, (8, 2))
    refused = [
        (lnb.Objective(Words(nn.EmbeddingBag(7, 5)), words()), "EmbeddingBag 'embedding' has no second derivative"),
        (lnb.Objective(Letters(3, 5), speech, ctc), "criterion: the CTC loss has no second derivative"),
        (lnb.Objective(Exponential(4, 3), samples()), "marked @once_differentiable"),
    ]
    for objective, message in refused:
        with pytest.raises(ValueError, match=message):
            lnb.extreme_eigenvalues(objective)


def test_sparse_embeddings_have_the_curvature_of_dense_ones():
    ends = [
        lnb.extreme_eigenvalues(lnb.Objective(seeded(lambda s=sparse: Words(nn.Embedding(7, 5, sparse=s))), words()))
        for sparse in (True, False)
    ]
    assert ends[0].max == pytest.approx(ends[1].max, rel=1e-4)
    assert ends[0].min == pytest.approx(ends[1].min, rel=1e-2)


def test_the_padding_row_of_an_embedding_curves_as_the_loss_does():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.out = nn.Embedding(6, 8, padding_idx=0, scale_grad_by_freq=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.out(self.words(x).mean(1).tanh())

    model = seeded(Net).double()
    words = torch.randint(0, 6, (40, 5), generator=torch.Generator().manual_seed(0))
    objective = lnb.Objective(model, (words, torch.arange(40) % 3))
    direction, step = {name: torch.randn_like(p) for name, p in objective.origin.items()}, 1e-3
    low, middle, high = lnb.evaluate_line(objective, direction, (-step, step), 3, progress=False).loss.values
    curvature = (low - 2 * middle + high) / (step * lnb.norm(direction)) ** 2
    assert lnb.curvature_along(objective, direction) == pytest.approx(curvature, rel=1e-3)


def test_a_hessian_of_what_has_no_gradient_is_refused():
    model = nn.Linear(4, 4)
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS), lambda o, t: (o.argmax(1) != t).float().mean())
    with pytest.raises(ValueError, match="criterion: .* no gradient"):
        lnb.extreme_eigenvalues(objective)
