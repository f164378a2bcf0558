"""What rescaling a ReLU or a batch norm network changes, and what filter normalization undoes."""

import math

import numpy as np
import pytest
import torch
from helpers import batch_norm_net, small_data
from hypothesis import given, settings
from hypothesis import strategies as st

import landscape_nb as lnb

factors = st.floats(-3, 3).map(lambda power: 10**power).filter(lambda c: not 0.7 < c < 1.4)


def plane(model, normalize, seed):
    directions = lnb.random_directions(model, 2, normalize=normalize, seed=seed)
    objective = lnb.Objective(model, small_data())
    return lnb.evaluate_plane(objective, directions, (-1, 1), (5, 3), progress=False).loss.values


def assert_only_the_raw_plane_changes(model, rescaled, seed):
    images, _ = small_data()
    with torch.no_grad():
        np.testing.assert_allclose(rescaled(images), model(images), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(plane(rescaled, "filter", seed), plane(model, "filter", seed), rtol=1e-3)
    raw, raw_rescaled = plane(model, "none", seed), plane(rescaled, "none", seed)
    assert np.abs(raw_rescaled / raw - 1).max() > 0.05


@settings(deadline=None, max_examples=20)
@given(factor=factors, seed=st.integers(0, 10_000))
def test_relu_rescaling(factor, seed):
    model = lnb.models.mlp((12, 9), channels=1, classes=4, image_size=8, seed=seed).eval()
    torch.nn.init.normal_(model.linear.weight, generator=torch.Generator().manual_seed(seed))
    torch.nn.init.normal_(model.hidden[1].bias, generator=torch.Generator().manual_seed(seed))
    assert_only_the_raw_plane_changes(model, lnb.rescale_relu(model, "hidden.1", "hidden.3", factor), seed)


@settings(deadline=None, max_examples=20)
@given(factor=factors, seed=st.integers(0, 10_000))
def test_batch_norm_rescaling(factor, seed):
    model = batch_norm_net(seed)
    assert_only_the_raw_plane_changes(model, lnb.rescale_batch_norm(model, "hidden.1", "hidden.2", factor), seed)


def test_bad_rescalings_are_named():
    model = batch_norm_net()
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="factor: got"):
            lnb.rescale_relu(model, "hidden.1", "hidden.4", bad)
    with pytest.raises(ValueError, match=r"first: got 'hidden.0', the model has 'hidden.1', 'hidden.4', 'linear'"):
        lnb.rescale_relu(model, "hidden.0", "hidden.4", 2.0)
    with pytest.raises(ValueError, match=r"norm: got 'hidden.1', the model has 'hidden.2', 'hidden.5'"):
        lnb.rescale_batch_norm(model, "hidden.1", "hidden.1", 2.0)
