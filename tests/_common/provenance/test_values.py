"""Tensors and plain values count by their values."""

import torch
from torch import nn

from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.provenance import fingerprints as provenance
from landscape_nb._common.provenance.contents import contents


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
