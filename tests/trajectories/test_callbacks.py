"""Callbacks need their packages only when they are made; what real trainers do with them is tested in third_party."""

import sys

import pytest
import torch
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories.callbacks import rate_of


@pytest.mark.parametrize("make", ["lightning_callback", "transformers_callback"])
def test_without_its_package_a_callback_is_an_import_error(monkeypatch, make):
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pytorch_lightning|transformers"):
        getattr(lnb.Recorder(nn.Linear(1, 1)), make)()


def test_a_rate_is_a_number_even_if_it_is_a_tensor_and_may_be_missing():
    weights = [torch.zeros(1, requires_grad=True)]
    assert rate_of(torch.optim.Adam(weights, lr=torch.tensor(0.5))) == 0.5
    assert isinstance(rate_of(torch.optim.Adam(weights, lr=torch.tensor(0.5))), float)
    assert rate_of(torch.optim.Optimizer(weights, {})) is None
