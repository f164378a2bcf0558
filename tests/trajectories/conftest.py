"""What tests of runs share."""

import pytest

import landscape_nb as lnb


@pytest.fixture
def data(digits):
    return digits.subset(151, 40)


@pytest.fixture
def model(digits):
    return lnb.models.mlp((8,), batch_norm=True, **digits.shape)
