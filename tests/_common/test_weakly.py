"""What is found out about an object dies with it."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from helpers import small_data
from torch import nn

import landscape_nb as lnb
from landscape_nb._common.weakly import Subject, weakly_cached


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
    alive = references(objective)
    del objective
    assert surviving(alive) == []


class Run:
    """A training run as many write it: it holds its objective, whose criterion is a method of it."""

    def __init__(self, model):
        self.objective = lnb.Objective(model, small_data(), self.loss, batch_size=20)

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)


MEASUREMENTS = {
    "a line": lambda objective, direction: lnb.evaluate_line(objective, direction, resolution=3, progress=False),
    "curvature": lambda objective, direction: lnb.curvature_along(objective, direction),
    "eigenvalues": lambda objective, direction: lnb.extreme_eigenvalues(objective),
}


@pytest.mark.parametrize("measure", MEASUREMENTS.values(), ids=MEASUREMENTS)
@pytest.mark.parametrize("make", [convolutional, lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 4))])
def test_a_measured_objective_dies_though_its_criterion_holds_it(make, measure):
    run = Run(make())
    measure(run.objective, lnb.random_directions(run.objective.origin, 1)[0])
    alive = references(run.objective)
    del run
    assert surviving(alive) == []


def references(objective):
    """Weak references to an objective, its weights and its data."""
    evaluator = objective.evaluator
    parts = [objective, evaluator, objective.model, *objective.origin.values()]
    parts += [tensor for batch in evaluator.batches for tensor in batch]
    return [weakref.ref(part) for part in parts]


def surviving(alive):
    gc.collect()
    return [reference() for reference in alive if reference() is not None]


def test_an_answer_is_found_once_an_object_and_goes_with_it():
    calls = []

    @weakly_cached
    def asked(subject, more=0):
        calls.append(more)
        return torch.ones(1)

    subjects = Subject(), Subject()
    answer = weakref.ref(asked(subjects[0], 1))
    assert asked(subjects[0], 2) is answer()
    assert asked(subjects[1], 3) is not answer()
    assert calls == [1, 3]
    del subjects
    gc.collect()
    assert answer() is None


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda subject: pickle.loads(pickle.dumps(subject))])
def test_a_copy_is_asked_anew_and_leaves_the_original_its_answer(copied):
    asked = weakly_cached(lambda subject: object())
    subject = Subject()
    answer = asked(subject)
    assert asked(copied(subject)) is not answer
    assert asked(subject) is answer
