"""Initial weights are the paper's, and a seed decides them."""

import math

import pytest
import torch

from landscape_nb import models


def test_initial_weights_are_the_papers():
    net = models.resnet(110, width=2, seed=4)
    for name, weight in net.named_parameters():
        if weight.ndim == 4:
            fan_in = weight[0].numel()
            assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.15), name
        elif ".weight" in name and weight.ndim == 1:
            assert (weight == 1).all()
    assert net.linear.weight.std().item() == pytest.approx(1e-3, rel=0.1)
    assert not net.linear.bias.any()


def test_seeds_decide_the_weights_and_spare_the_global_state():
    before = torch.get_rng_state()
    first, again, other = (models.vgg9(width=0.25, image_size=8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.linear.weight, again.linear.weight)
    assert not torch.equal(first.linear.weight, other.linear.weight)
