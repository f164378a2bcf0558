"""How samples are cut into batches, for objectives and for training alike."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb
from landscape_nb.objective.batches import batch_slices


@given(samples=st.integers(1, 200), size=st.integers(1, 250))
def test_every_sample_is_in_one_batch_and_none_is_alone(samples, size):
    sizes = [part.stop - part.start for part in batch_slices(samples, size)]
    assert [n for part in batch_slices(samples, size) for n in range(samples)[part]] == list(range(samples))
    assert all(n == size for n in sizes[:-1])
    assert sizes[-1] <= size + 1
    assert 1 not in sizes or samples == 1 or size == 1


def test_training_takes_the_same_batches(monkeypatch):
    sizes, forward = [], nn.Linear.forward

    def counting(self, inputs):
        if torch.is_grad_enabled():
            sizes.append(len(inputs))
        return forward(self, inputs)

    monkeypatch.setattr(nn.Linear, "forward", counting)
    for size in (1, 4, 100):
        sizes.clear()
        data = torch.randn(9, 2), torch.arange(9) % 2
        lnb.train(nn.Linear(2, 2), data, epochs=1, batch_size=size, progress=False)
        assert sizes[-len(batch_slices(9, size)) :] == {1: [1] * 9, 4: [4, 5], 100: [9]}[size]
