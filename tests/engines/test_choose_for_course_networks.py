"""The course's networks are measured by the fast engines, whose values are the plain way's.

An engine that does not apply is turned down without an error, as somebody's model may rightly have that. For these
networks it would be a fault, and all that showed of it would be slow notebooks.
"""

import numpy as np
import pytest
import torch
from helpers import images, stirred

import landscape_nb as lnb
from landscape_nb import models

SHAPE = {"channels": 1, "image_size": 8}
LAYERS = (2, 3)
NETWORKS = {
    "MLP": (lambda: models.mlp((16, 16), **SHAPE), "layer by layer"),
    "MLP with batch norm": (lambda: models.mlp((16, 16), batch_norm=True, **SHAPE), "layer by layer"),
    "VGG-9": (lambda: models.vgg9(0.25, **SHAPE), "calls replayed, 8 batch norms folded"),
    "ResNet-20": (lambda: models.resnet(20, **SHAPE), "calls replayed, 21 batch norms folded"),
    "ResNet-20 without shortcuts": (
        lambda: models.resnet(20, shortcuts=False, **SHAPE),
        "calls replayed, 19 batch norms folded",
    ),
    "narrow ResNet-32": (lambda: models.resnet(32, width=0.25, **SHAPE), "calls replayed, 33 batch norms folded"),
    "DenseNet": (lambda: models.densenet(LAYERS, growth=4, **SHAPE), f"calls replayed, {sum(LAYERS)} batch norms"),
}
"""How each is made, and what its engine says. Batch norms that follow a convolution or a linear map are folded into
it: all of a VGG or a ResNet, that between the two convolutions of each of a DenseNet's layers."""


REPLAYED = [name for name, (_, engine) in NETWORKS.items() if "replayed" in engine]


def network(name):
    build, engine = NETWORKS[name]
    return stirred(build()), engine


def objective_of(model):
    return lnb.Objective(model, images(30), metrics={"accuracy": lnb.accuracy}, batch_size=16)


def assert_alike(found, plain):
    assert "plain, as asked for" in plain.attrs["engine"]
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-3)
    np.testing.assert_allclose(found.accuracy, plain.accuracy, atol=1.01 / 30)  # one sample of 30 may be on the border


@pytest.mark.parametrize("name", NETWORKS)
def test_a_plane_is_measured_by_the_fast_engine(name):
    model, engine = network(name)
    objective = objective_of(model)
    directions = lnb.random_directions(model, 2, seed=1)
    found, plain = (
        lnb.evaluate_plane(objective, directions, resolution=3, progress=False, engine=how) for how in ("auto", "plain")
    )
    assert engine in found.attrs["engine"]
    assert_alike(found, plain)


@pytest.mark.parametrize("name", REPLAYED)
def test_a_progressive_plane_is_measured_by_the_fast_engine(name):
    model, engine = network(name)
    directions = lnb.random_directions(model, 2, seed=1)
    *_, found = lnb.progressive_plane(objective_of(model), directions, resolution=3, error=1e-6, progress=False)
    assert engine in found.attrs["engine"]


@pytest.mark.parametrize("name", NETWORKS)
def test_these_networks_tell_images_apart(name):
    model, _ = network(name)
    with torch.no_grad():
        scores = model(images(30)[0])
    assert scores.isfinite().all()
    assert scores.std(0).min() > 0
