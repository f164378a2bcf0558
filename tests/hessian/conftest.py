"""What tests of curvature share."""

import pytest
import torch
import torch.nn.functional as F

import landscape_nb as lnb


@pytest.fixture(scope="module")
def trained(digits):
    """A small convolutional net after a few steps on 64 digits."""
    data = digits.subset(64)
    model = lnb.models.vgg9(0.0625, **data.shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(model(data.train[0]), data.train[1]).backward()
        optimizer.step()
    return lnb.Objective(model, data)
