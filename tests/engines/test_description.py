"""What an engine says of itself, as the sentence that results carry."""

import dataclasses

import pytest
import torch
from helpers import images, stirred
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.choose import choose_engine
from landscape_nb.engines.description import Description, Replay
from landscape_nb.weights.params import Affine

SENTENCES = {
    "one point at a time": Description(),
    "one point at a time (a large net; batch norm is recalibrated)": Description(
        reasons=("a large net", "batch norm is recalibrated")
    ),
    "1 point at once (vmap)": Description(points=1, batched="vmap"),
    "64 points at once (vmap)": Description(points=64, batched="vmap", reasons=("not said",)),
    "8 points at once, layer by layer": Description(points=8, batched="layer by layer"),
    "one point at a time, in bfloat16": Description(bfloat16=True),
    "one point at a time, calls replayed, 0 batch norms folded, 1 sample a batch": Description(
        replay=Replay(folded=0, tiled=0, channels_last=False, samples=1)
    ),
    "a batch a thread, calls replayed, 20 batch norms folded, 1 convolution in tiles, channels-last, 250 samples a "
    "batch, in bfloat16 (why)": Description(
        threaded=True,
        replay=Replay(folded=20, tiled=1, channels_last=True, samples=250),
        bfloat16=True,
        reasons=("why",),
    ),
    "a batch a thread, calls replayed, 1 batch norm folded, 19 convolutions in tiles, 2 samples a batch": Description(
        threaded=True, replay=Replay(folded=1, tiled=19, channels_last=False, samples=2)
    ),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_description_is_a_sentence(sentence):
    assert str(SENTENCES[sentence]) == sentence


def test_every_field_is_said():
    """Where one is changed alone, the sentence is another: none of two engines passes for the other in a store."""
    replay = Replay(folded=2, tiled=3, channels_last=False, samples=4)
    base = Description(replay=replay)
    others = [
        dataclasses.replace(base, replay=dataclasses.replace(replay, **{name: value}))
        for name, value in {"folded": 5, "tiled": 5, "channels_last": True, "samples": 5}.items()
    ]
    others += [dataclasses.replace(base, **{name: True}) for name in ("threaded", "bfloat16")]
    others += [Description(), Description(points=5, batched="vmap"), Description(points=6, batched="vmap")]
    assert len({str(each) for each in [base, *others]}) == len(others) + 1


def test_an_engines_description_counts_what_the_model_has():
    layers = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.Flatten()]
    model = stirred(nn.Sequential(*layers, nn.Linear(128, 4)))
    objective = lnb.Objective(model, images(12), batch_size=5)
    engine = choose_engine(objective, Affine(objective.origin, lnb.random_directions(model, 1)))
    replay = engine.description.replay
    assert replay.folded == sum(isinstance(layer, nn.BatchNorm2d) for layer in model)
    assert replay.samples == max(len(labels) for _, labels in engine.evaluator.batches)
    assert engine.description.threaded == str(engine.description).startswith("a batch a thread")
    assert torch.equal(engine.evaluator.batches[0][1], images(12)[1][: replay.samples])


def convolutional():
    layers = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)]
    return stirred(nn.Sequential(*layers))


REPLAYED = "one point at a time, calls replayed, 1 batch norm folded, "


def test_what_measures_one_point_after_the_other_does_not_say_that_batches_run_in_threads():
    model = convolutional()
    objective = lnb.Objective(model, images(12))
    directions = lnb.random_directions(model, 2)
    line = lnb.interpolate(objective, model, model, resolution=3, progress=False)
    *_, plane = lnb.progressive_plane(objective, directions, resolution=3, progress=False)
    assert line.attrs["engine"].startswith(REPLAYED)
    assert plane.attrs["engine"].startswith(REPLAYED)
    assert lnb.evaluate_plane(objective, directions, resolution=3, progress=False).engine.startswith("a batch a thread")


@pytest.mark.parametrize(
    ("asked", "reason"), [("auto", "batch norm is recalibrated"), ("plain", "plain, as asked for")]
)
def test_an_interpolation_with_recalibrated_batch_norm_says_why_it_is_plain(asked, reason):
    model = convolutional()
    objective = lnb.Objective(model, images(12))
    line = lnb.interpolate(
        objective, model, model, resolution=3, batch_norm="recalibrated", progress=False, engine=asked
    )
    assert line.attrs["engine"] == f"one point at a time ({reason})"


def curvature(model, **how):
    objective = lnb.Objective(model, images(12))
    directions = lnb.random_directions(model, 2)
    found = lnb.curvature_map(objective, directions, resolution=2, progress=False, **how).attrs["engine"]
    assert lnb.spectral_density(objective, steps=2, probes=1, **how).engine == found
    return found


def test_curvature_says_how_its_loss_is_computed():
    assert curvature(convolutional()) == f"{REPLAYED}12 samples a batch"
    assert curvature(convolutional(), engine="plain") == "one point at a time (plain, as asked for)"
    assert curvature(nn.Sequential(nn.Flatten(), nn.Linear(64, 4))) == "one point at a time (no convolutions)"


def test_curvature_says_what_a_fault_was_and_that_a_gradient_was_another(monkeypatch):
    monkeypatch.setattr("landscape_nb.hessian.operator._SAME", -1)
    assert curvature(convolutional()) == "one point at a time (replayed calls have another gradient)"
    monkeypatch.setenv("LANDSCAPE_NB_STRICT", "0")
    monkeypatch.delattr("landscape_nb.engines.replay.in_place")
    assert curvature(convolutional()) == "one point at a time (name 'in_place' is not defined)"
