"""What is found out about an object dies with it."""

import gc
import weakref

import pytest
import torch
from helpers import small_data
from torch import nn

import landscape_nb as lnb
from landscape_nb._common.weakly import weakly_cached


def convolutional():
    return nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 4))


@pytest.mark.parametrize("make", [convolutional, lambda: lnb.models.mlp((8,), channels=1, classes=4, image_size=8)])
def test_a_measured_objective_and_its_data_die_with_their_last_name(make):
    model = make()
    objective = lnb.Objective(model, small_data(), batch_size=20, extra_data={"test": small_data(1)})
    directions = lnb.random_directions(model, 2)
    lnb.evaluate_line(objective, directions[0], resolution=3, progress=False)
    lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    lnb.interpolate(objective, model, model, resolution=3, progress=False)
    list(lnb.progressive_plane(objective, directions, resolution=5, progress=False))
    lnb.curvature_map(objective, directions, resolution=2, progress=False)
    lnb.spectral_density(objective, steps=2, probes=1)
    evaluator = objective.evaluator
    alive = [objective, evaluator, objective.model, *objective.origin.values()]
    alive += [tensor for batch in evaluator.batches for tensor in batch]
    alive = [weakref.ref(each) for each in alive]
    del objective, evaluator
    gc.collect()
    assert [reference() for reference in alive if reference() is not None] == []


def test_an_answer_is_found_once_an_object_and_goes_with_it():
    calls = []

    @weakly_cached
    def asked(module, more=0):
        calls.append(more)
        return torch.ones(1)

    modules = nn.Identity(), nn.Identity()
    answer = weakref.ref(asked(modules[0], 1))
    assert asked(modules[0], 2) is answer()
    assert asked(modules[1], 3) is not answer()
    assert calls == [1, 3]
    del modules
    gc.collect()
    assert answer() is None
