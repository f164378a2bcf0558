"""What is torch's own is told from what a reader made, however it is wrapped."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers import clipped
from torch import nn

from landscape_nb._common.torchs import LOSSES, holder_of, is_torchs


class Loss(nn.CrossEntropyLoss):
    """A reader's loss, which inherits all of torch's."""


LOSS = nn.CrossEntropyLoss()
TORCHS = {
    "function": F.cross_entropy,
    "partial function": partial(partial(F.cross_entropy, label_smoothing=0.1), reduction="sum"),
    "loss": LOSS,
    "method": LOSS.forward,
}
READERS = {
    "function": lambda: clipped,
    "partial function": lambda: partial(clipped),
    "loss": Loss,
    "inherited method": lambda: Loss().forward,
    "scripted function": lambda: torch.jit.script(clipped),
    "scripted loss": lambda: torch.jit.script(Loss()),
    "compiled function": lambda: torch.compile(clipped, backend="eager"),
    "compiled loss": lambda: torch.compile(Loss(), backend="eager"),
}


@pytest.mark.parametrize("name", TORCHS)
def test_what_is_torchs_is_known(name):
    assert is_torchs(TORCHS[name])


@pytest.mark.parametrize("name", READERS)
def test_what_a_reader_made_is_not_torchs(name):
    assert not is_torchs(READERS[name]())


def test_losses_are_told_from_other_layers():
    assert is_torchs(LOSS, LOSSES)
    assert is_torchs(LOSS.forward, LOSSES)
    assert is_torchs(nn.BatchNorm1d(2))
    assert not is_torchs(nn.BatchNorm1d(2), LOSSES)


def test_a_name_that_only_begins_like_torchs_is_not_torchs():
    class Near:
        __module__ = "torch.nnx"

    assert not is_torchs(Near())


def test_what_a_partial_method_is_made_of():
    assert holder_of(partial(LOSS.forward, target=None)) is LOSS
    assert holder_of(LOSS) is LOSS
