"""On a GPU everything gives what it gives on the CPU; these tests run wherever CUDA is found."""

import numpy as np
import pytest
import torch
from helpers import interrupted_before_epoch

import landscape_nb as lnb
from landscape_nb.gallery.build import default_jobs
from landscape_nb.trajectories import training

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")]
QUIET = {"progress": False}


@pytest.fixture(scope="module", autouse=True)
def _full_precision():
    """TF32 has ten bits: with it nothing would agree to more than three digits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def pair():
    """The same objective on the CPU and on the GPU."""
    data = lnb.datasets.digits().subset(200, 100)
    model = lnb.models.resnet(20, width=0.25, **data.shape).eval()
    more = {"metrics": {"accuracy": lnb.accuracy}, "extra_data": {"test": data.test}}
    return [lnb.Objective(model, data, device=device, **more) for device in ("cpu", "cuda")]


def directions(objective, count=2):
    return [
        {name: tensor.to(next(iter(objective.origin.values())).device) for name, tensor in d.items()}
        for d in lnb.random_directions({n: t.cpu() for n, t in objective.origin.items()}, count, seed=0)
    ]


def same(found, rtol=1e-3):
    cpu, gpu = found
    for name in cpu.data_vars:
        np.testing.assert_allclose(gpu[name], cpu[name], rtol=rtol, atol=1e-4, err_msg=name)


def test_objectives_and_their_lines_and_planes(pair):
    assert pair[1]() == pytest.approx(pair[0](), rel=1e-4)
    same([lnb.evaluate_line(o, directions(o, 1)[0], (-0.5, 0.5), 7, **QUIET)[["loss", "test_loss"]] for o in pair])
    same([lnb.evaluate_plane(o, directions(o), (-0.5, 0.5), 5, **QUIET)[["loss", "test_loss"]] for o in pair])


def test_progressive_planes(pair):
    dense = lnb.evaluate_plane(pair[0], directions(pair[0]), (-0.5, 0.5), 15, **QUIET).loss
    *_, plane = lnb.progressive_plane(pair[1], directions(pair[1]), (-0.5, 0.5), 15, **QUIET)
    assert float(((np.log10(plane.loss) - np.log10(dense)) ** 2).mean() ** 0.5) < 0.04


def test_interpolation(pair):
    data = lnb.datasets.digits()
    start, end = (lnb.models.resnet(20, width=0.25, **data.shape, seed=seed) for seed in (0, 1))
    same([lnb.interpolate(o, start, end, resolution=5, **QUIET)[["loss"]] for o in pair])


def test_eigenvalues_and_maps(pair):
    ends = [lnb.extreme_eigenvalues(o, tolerance=1e-3) for o in pair]
    assert ends[1].max == pytest.approx(ends[0].max, rel=0.02)
    assert ends[1].min == pytest.approx(ends[0].min, rel=0.02, abs=0.01 * ends[0].max)
    same([lnb.curvature_map(o, directions(o), resolution=3, **QUIET)[["lambda_max"]] for o in pair], rtol=0.05)


@pytest.mark.parametrize("precision", ["full", "bfloat16"])
def test_training_and_its_principal_components(precision):
    data = lnb.datasets.digits().subset(300, 100)
    model = lnb.models.vgg9(0.125, **data.shape)
    how = {"epochs": 3, "batch_size": 50, "lr": 0.02, "record": 1, "cache": False, "precision": precision, **QUIET}
    runs = [
        lnb.train(model.to(device), data, augment=lnb.datasets.Augmentation(1), **how) for device in ("cpu", "cuda")
    ]
    assert runs[1].history["train_loss"] == pytest.approx(runs[0].history["train_loss"], rel=0.05)
    assert next(runs[1].model.parameters()).is_cuda
    shares = [lnb.pca_directions(run, 2).explained_variance_ratio for run in runs]
    np.testing.assert_allclose(*shares, atol=0.05)


@pytest.mark.parametrize("precision", ["full", "bfloat16"])
@pytest.mark.parametrize(("optimizer", "lr", "rel"), [("sgd", 0.03, 2e-3), ("adam", 2e-3, 2e-2)])
def test_recorded_updates_train_as_those_that_are_called(optimizer, lr, rel, precision, monkeypatch):
    data = lnb.datasets.digits().subset(410, 100)
    model = lnb.models.resnet(20, width=0.25, **data.shape).cuda()
    how = {"epochs": 3, "batch_size": 20, "lr": lr, "optimizer": optimizer, "precision": precision, "cache": False}
    how["augment"] = lnb.datasets.Augmentation(1)
    recorded = lnb.train(model, data, **how, **QUIET)
    monkeypatch.setattr(training, "_FEWEST_TO_RECORD", 10**9)
    called = lnb.train(model, data, **how, **QUIET)
    rel = rel if precision == "full" else 0.05
    for name in ("train_loss", "test_loss", "weight_norm"):
        assert recorded.history[name] == pytest.approx(called.history[name], rel=rel)
    for name, tensor in called.states[-1].items():
        if name.endswith("num_batches_tracked"):
            assert recorded.states[-1][name] == tensor == 3 * 21
    assert recorded.history["train_loss"][-1] < 0.95 * recorded.history["train_loss"][0]


def test_dropout_is_drawn_anew_at_every_replay():
    data = lnb.datasets.digits().subset(400, 100)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.Dropout(0.5), torch.nn.Linear(64, 10)
    )
    runs = [
        lnb.train(net.cuda(), data, epochs=2, batch_size=20, lr=0.02, seed=seed, cache=False, **QUIET)
        for seed in (0, 0, 1)
    ]
    assert runs[0].history["train_loss"] == pytest.approx(runs[1].history["train_loss"], rel=1e-4)
    assert runs[0].history["train_loss"][1] < runs[0].history["train_loss"][0]


def test_what_cannot_be_recorded_is_called_plainly(monkeypatch):
    """A metric of one's own is called plainly anyway; here it is taken for a known one."""
    monkeypatch.setattr("landscape_nb.trajectories.updates.is_known", lambda thing: True)
    data = lnb.datasets.digits().subset(400, 100)
    model = lnb.models.mlp(**data.shape).cuda()
    metrics = {"wrong": lambda outputs, targets: float((outputs.argmax(1) != targets).sum()) / len(targets)}
    how = {"epochs": 2, "batch_size": 20, "lr": 0.01, "metrics": metrics, "cache": False}
    stream = torch.cuda.current_stream()
    with pytest.warns(UserWarning, match="cannot be recorded as a CUDA graph.*waits for the GPU"):
        run = lnb.train(model, data, **how, **QUIET)
    assert run.history["train_wrong"][1] < run.history["train_wrong"][0]
    assert torch.cuda.current_stream() == stream
    assert torch.rand(1, device="cuda") < 1


def test_a_killed_run_is_recorded_anew_and_ends_as_an_uninterrupted_one(tmp_path):
    data = lnb.datasets.digits().subset(400, 100)
    model = lnb.models.mlp(**data.shape).cuda()
    how = {"epochs": 3, "batch_size": 20, "lr": 0.01, **QUIET}
    whole = lnb.train(model, data, cache=tmp_path / "whole", **how)
    with interrupted_before_epoch(2):
        lnb.train(model, data, cache=tmp_path / "parts", **how)
    parts = lnb.train(model, data, cache=tmp_path / "parts", **how)
    assert parts.history["train_loss"] == pytest.approx(whole.history["train_loss"], rel=1e-3)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
def test_updates_are_recorded_on_the_models_own_gpu():
    data = lnb.datasets.digits().subset(400, 100)
    how = {"epochs": 2, "batch_size": 20, "lr": 0.01, "cache": False, **QUIET}
    runs = [lnb.train(lnb.models.mlp(**data.shape).to(device), data, **how) for device in ("cuda:0", "cuda:1")]
    assert runs[1].history["train_loss"] == pytest.approx(runs[0].history["train_loss"], rel=1e-3)


def test_a_diverging_run_ends_with_an_error():
    data = lnb.datasets.digits().subset(400, 100)
    with pytest.raises(FloatingPointError, match="a lower lr"):
        lnb.train(lnb.models.mlp(**data.shape).cuda(), data, epochs=3, batch_size=20, lr=1e6, cache=False, **QUIET)


def test_the_gallery_picks_the_papers_networks():
    assert {job.scale for job in default_jobs("cuda")} == {"gpu"}
