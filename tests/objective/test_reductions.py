"""The loss of all data at once, whatever the batches: against torch's own, called once on everything."""

import inspect
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import batch_norm_net, normal, small_data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, hessian

import landscape_nb as lnb
from landscape_nb.weights.params import flatten, unflatten

SAMPLES, CLASSES = 23, 3

WEIGHTS = torch.tensor([1.0, 7.0, 0.2], dtype=torch.float64)

SIZES = (1, 5, 64)


LABELS = normal(SAMPLES, seed=1).abs().long().clamp(max=CLASSES - 1)

SIGNS = torch.where(normal(SAMPLES, seed=2) > 0, 1.0, -1.0).double()

REALS = normal(SAMPLES, CLASSES, seed=3)

SHARES = REALS.softmax(1)

BITS = (REALS > 0).double()

LENGTHS = torch.full((1,), 2)


def as_sequences(scores):
    """Scores of one class at four times, time first, as CTC takes them."""
    return torch.stack([scores, -scores, 2 * scores, scores.flip(1)]).log_softmax(-1)


def ctc(scores, targets, **settings):
    count = len(targets)
    return F.ctc_loss(
        as_sequences(scores), 1 + targets % 2, torch.full((count,), 4), 1 + (targets[:, 0] > 0).long(), **settings
    )


LOSSES = {
    "cross_entropy": (F.cross_entropy, LABELS),
    "probabilities": (F.cross_entropy, SHARES),
    "weighted probabilities": (partial(F.cross_entropy, weight=WEIGHTS), SHARES),
    "class weights": (partial(F.cross_entropy, weight=WEIGHTS), LABELS),
    "ignored": (partial(F.cross_entropy, ignore_index=1), LABELS),
    "ignored and weighted": (partial(F.cross_entropy, ignore_index=0, weight=WEIGHTS), LABELS),
    "smoothed": (partial(F.cross_entropy, label_smoothing=0.2), LABELS),
    "smoothed and weighted": (partial(F.cross_entropy, label_smoothing=0.2, weight=WEIGHTS, ignore_index=2), LABELS),
    "nll_loss": (lambda o, t, **k: F.nll_loss(o.log_softmax(1), t, weight=WEIGHTS, **k), LABELS),
    "mse_loss": (F.mse_loss, REALS),
    "l1_loss": (F.l1_loss, REALS),
    "smooth_l1_loss": (F.smooth_l1_loss, REALS),
    "huber_loss": (partial(F.huber_loss, delta=0.3), REALS),
    "binary": (lambda o, t, **k: F.binary_cross_entropy(o.sigmoid(), t, weight=WEIGHTS, **k), BITS),
    "binary with logits": (partial(F.binary_cross_entropy_with_logits, weight=WEIGHTS, pos_weight=2 * WEIGHTS), BITS),
    "kl_div": (lambda o, t, **k: F.kl_div(o.log_softmax(1), t, **k), SHARES),
    "poisson": (F.poisson_nll_loss, BITS),
    "gaussian": (lambda o, t, **k: F.gaussian_nll_loss(o, t, o.exp(), **k), REALS),
    "ctc": (ctc, torch.ones(SAMPLES, 2, dtype=torch.long).index_fill(0, torch.tensor([0, 4]), 0)),
    "hinge": (lambda o, t, **k: F.hinge_embedding_loss(o[:, 0].abs(), t, **k), SIGNS),
    "ranking": (lambda o, t, **k: F.margin_ranking_loss(o[:, 0], o[:, 1], t, **k), SIGNS),
    "margin": (partial(F.multi_margin_loss, weight=WEIGHTS), LABELS),
    "multilabel margin": (F.multilabel_margin_loss, torch.stack([LABELS, LABELS * 0 - 1, LABELS], 1)),
    "multilabel soft margin": (partial(F.multilabel_soft_margin_loss, weight=WEIGHTS), BITS),
    "soft margin": (F.soft_margin_loss, 2 * BITS - 1),
    "cosine": (lambda o, t, **k: F.cosine_embedding_loss(o, o.flip(1), t, **k), SIGNS),
    "triplet": (lambda o, t, **k: F.triplet_margin_loss(o, t, t.flip(1), **k), REALS),
    "triplet with distance": (lambda o, t, **k: F.triplet_margin_with_distance_loss(o, t, t.flip(1), **k), REALS),
}

CASES = {
    f"{name} {how}": (partial(loss, reduction=how), t) for name, (loss, t) in LOSSES.items() for how in ("mean", "sum")
}
CASES |= {
    "batchmean": (lambda o, t: F.kl_div(o.log_softmax(1), t, reduction="batchmean"), SHARES),
    "legacy sum": (nn.MSELoss(size_average=False), REALS),
    "legacy mean": (lambda o, t: F.cross_entropy(o, t, WEIGHTS, size_average=True), LABELS),
    "module": (nn.CrossEntropyLoss(WEIGHTS), LABELS),
    "viewed": (lambda o, t: F.cross_entropy(o, t, WEIGHTS).reshape(1), LABELS),
    "scaled and shifted": (lambda o, t: 0.5 * F.cross_entropy(o, t, WEIGHTS) + 0.1, LABELS),
    "masked": (lambda o, t: F.cross_entropy(o, t, reduction="none")[t > 0].mean(), LABELS),
    "masked by hand": (lambda o, t: (F.cross_entropy(o, t, reduction="none") * (t > 0)).sum() / (t > 0).sum(), LABELS),
    "sum by samples": (lambda o, t: F.cross_entropy(o, t, reduction="sum") / len(t), LABELS),
    "in place": (lambda o, t: F.cross_entropy(o, t, WEIGHTS).mul_(2).div_(4), LABELS),
    "own sum": (lambda o, t: (o - t).square().sum(), REALS),
}  # fmt: skip

if "weight" in inspect.signature(F.mse_loss).parameters:  # newer torch has it
    CASES["squares with weights"] = lambda o, t: F.mse_loss(o, t, weight=1 + t.abs()), REALS
    CASES["Huber with weights"] = lambda o, t: F.huber_loss(o, t, weight=1 + t.abs()), REALS


def objective(criterion, targets, size, **settings):
    inputs = normal(SAMPLES, 4, seed=5)
    model = nn.Linear(4, CLASSES).double()
    for parameter in model.parameters():
        parameter.data = normal(*parameter.shape, seed=6)
    batches = list(zip(inputs.split(size), targets.split(size), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message="size_average and reduce|reduction: 'mean' divides")
        return lnb.Objective(model, batches, criterion, **settings), model, inputs


@pytest.mark.filterwarnings("ignore:size_average and reduce", "ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES)
def test_the_loss_is_that_of_all_data_at_once(case, size):
    criterion, targets = CASES[case]
    made, model, inputs = objective(criterion, targets, size)
    wanted = float(criterion(model(inputs), targets).detach())
    assert made()["loss"] == pytest.approx(wanted, rel=1e-12)
    moved = {name: 1.3 * tensor + 0.1 for name, tensor in made.origin.items()}
    wanted = float(criterion(functional_call(model, moved, inputs), targets).detach())
    assert made(moved)["loss"] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "case", ["class weights mean", "ignored mean", "mse_loss sum", "masked by hand", "scaled and shifted"]
)
def test_the_hessian_is_that_of_all_data_at_once(case, size):
    criterion, targets = CASES[case]
    made, model, inputs = objective(criterion, targets, size)
    flat = flatten(made.origin)
    wanted = hessian(lambda p: criterion(functional_call(model, unflatten(p, made.origin), inputs), targets))(flat)
    found = lnb.hessian_operator(made, ignore=None) @ np.eye(len(flat))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-9, atol=1e-12)
    ends = lnb.extreme_eigenvalues(made, ignore=None)
    assert ends.max == pytest.approx(float(torch.linalg.eigvalsh(wanted)[-1]), rel=1e-9)
    assert lnb.spectral_density(made, steps=2, probes=1).attrs["reduction"] == made.reductions["loss"]


@pytest.mark.parametrize("size", [5, 64])
@pytest.mark.parametrize("case", ["class weights mean", "cross_entropy sum", "masked by hand", "ignored mean"])
def test_planes_by_all_engines_are_of_all_data_at_once(case, size):
    criterion, targets = CASES[case]
    made, model, inputs = objective(criterion, targets, size, extra_data={"more": (normal(9, 4), LABELS[:9])})
    directions = lnb.random_directions(model, 2)
    plane = lnb.evaluate_plane(made, directions, resolution=3, progress=False)
    assert "at once" in plane.attrs["engine"]
    assert plane.attrs["reduction"] == made.reductions["loss"]
    for alpha in plane.alpha.values:
        for beta in plane.beta.values:
            point = {n: p + alpha * directions[0][n] + beta * directions[1][n] for n, p in made.origin.items()}
            for name, x, y in (("loss", inputs, targets), ("more_loss", normal(9, 4), LABELS[:9])):
                wanted = float(criterion(functional_call(model, point, x), y).detach())
                assert float(plane[name].sel(alpha=alpha, beta=beta)) == pytest.approx(wanted, rel=1e-9)


def test_convolutions_and_progressive_planes_are_weighted_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    images, labels = torch.randn(SAMPLES, 1, 8, 8), LABELS
    criterion = nn.CrossEntropyLoss(WEIGHTS.float(), ignore_index=2)
    made = lnb.Objective(model, (images, labels), criterion, batch_size=5)
    directions = lnb.random_directions(model, 2)
    plane = lnb.evaluate_plane(made, directions, resolution=(3, 2), progress=False)
    assert "replayed" in plane.attrs["engine"]
    *_, progressive = lnb.progressive_plane(made, directions, resolution=(3, 2), progress=False)
    for found in (plane, progressive):
        at = {n: p - directions[0][n] + directions[1][n] for n, p in made.origin.items()}
        wanted = float(criterion(functional_call(model, at, images), labels).detach())
        assert float(found.loss.sel(alpha=-1, beta=1)) == pytest.approx(wanted, rel=1e-4)


class Writer(nn.Module):
    """A language model that computes its loss itself, shifted by a letter, as those of Hugging Face do."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(11, 6), nn.Linear(6, 11)

    def forward(self, ids, labels):
        logits = self.out(self.embed(ids).cumsum(1).tanh())
        flat = logits[:, :-1].reshape(-1, 11)
        return SimpleNamespace(loss=F.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=-100), logits=logits)


def texts(lengths, width=9):
    ids = normal(len(lengths), width).mul(5).long().abs() % 11
    labels = torch.where(torch.arange(width) < torch.tensor(lengths)[:, None], ids, -100)
    return {"ids": ids, "labels": labels}


@pytest.mark.parametrize("cuts", [(6,), (1, 5), (2, 2, 2), (1, 1, 1, 1, 1, 1)])
def test_a_padded_language_model_that_computes_its_loss(cuts):
    torch.manual_seed(0)
    model = Writer().double()
    text = texts([0, 9, 2, 3, 8, 1])
    batches = [
        dict(zip(text, parts, strict=True))
        for parts in zip(*(tensor.split(cuts) for tensor in text.values()), strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made = lnb.Objective(
            model, batches, lambda out, batch: out.loss, forward=lambda m, b: m(b["ids"], labels=b["labels"])
        )
    assert made.reductions == {"loss": "weighted mean"}

    def loss(params):
        return functional_call(model, params, (text["ids"], text["labels"])).loss

    assert made()["loss"] == pytest.approx(float(loss(made.origin).detach()), rel=1e-12)
    direction = lnb.random_directions(model, 1)[0]
    line = lnb.evaluate_line(made, direction, resolution=2, progress=False)
    at = {name: p + direction[name] for name, p in made.origin.items()}
    assert float(line.loss[-1]) == pytest.approx(float(loss(at).detach()), rel=1e-9)
    flat = flatten(made.origin)
    wanted = hessian(lambda p: loss(unflatten(p, made.origin)))(flat)
    probe = normal(len(flat), seed=9).numpy()
    np.testing.assert_allclose(
        lnb.hessian_operator(made, ignore=None) @ probe, wanted.numpy() @ probe, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("reading", [lambda out, batch: 2 * out.loss, lambda out, batch: out.loss.sqrt()])
def test_what_is_made_of_a_models_own_loss_is_said(reading):
    text = texts([0, 9, 2, 3])
    batches = [{name: part[rows] for name, part in text.items()} for rows in (slice(2), slice(2, 4))]
    with pytest.warns(UserWarning, match="criterion: not seen to be a mean over samples"):
        made = lnb.Objective(Writer(), batches, reading, forward=lambda m, b: m(b["ids"], labels=b["labels"]))
    assert made.reductions == {"loss": "mean over batches"}


def test_a_batch_of_ignored_targets_counts_nothing():
    targets = LABELS.clone()
    targets[:5] = 9
    made, model, inputs = objective(partial(F.cross_entropy, ignore_index=9), targets, 5)
    values = made.measure()
    assert values["loss"] == pytest.approx(float(F.cross_entropy(model(inputs)[5:], targets[5:]).detach()), rel=1e-12)
    assert np.isfinite(values["loss_stderr"])
    operator = lnb.hessian_operator(made, ignore=None)
    probe = normal(operator.shape[0]).numpy()
    fewer = lnb.Objective(model, (inputs[5:], targets[5:]))
    np.testing.assert_allclose(operator @ probe, lnb.hessian_operator(fewer, ignore=None) @ probe, rtol=1e-9)


def test_a_metric_says_its_weight():
    def weighted(outputs, targets):
        weights = 1.0 + targets
        return (weights * F.cross_entropy(outputs, targets, reduction="none")).sum(), weights.sum()

    def plain(outputs, targets):
        total, weight = weighted(outputs, targets)
        return total / weight

    for size in SIZES:
        made, model, inputs = objective(weighted, LABELS, size, metrics={"again": weighted})
        wanted = float(plain(model(inputs), LABELS).detach())
        assert made() == {"loss": pytest.approx(wanted, rel=1e-12), "again": pytest.approx(wanted, rel=1e-12)}
        flat = flatten(made.origin)
        matrix = hessian(lambda p: plain(functional_call(model, unflatten(p, made.origin), inputs), LABELS))(flat)  # noqa: B023
        np.testing.assert_allclose(
            lnb.hessian_operator(made, ignore=None) @ np.eye(len(flat)), matrix, rtol=1e-9, atol=1e-12
        )
    data = normal(SAMPLES, 4).float(), LABELS
    run = lnb.train(nn.Linear(4, 3), data, epochs=1, batch_size=8, criterion=weighted, cache=False, progress=False)
    assert np.isfinite(run.history["train_loss"]).all()


def test_bad_weights_are_named():
    for pair, message in (((1.0, -1.0), "gave a weight of -1.0"), ((torch.ones(2), 1.0), r"shape \(2,\)")):
        with pytest.raises(ValueError, match=message):
            objective(lambda o, t: pair, LABELS, 5)  # noqa: B023
    made, *_ = objective(lambda o, t: (o.sum(), o.exp().sum()), LABELS, 5)
    with pytest.raises(ValueError, match="criterion: its weight depends on the parameters"):
        lnb.hessian_operator(made) @ np.ones(12)


def test_flattened_words_and_words_of_other_batches_count_alike():
    class Words(nn.Linear):
        def forward(self, x):
            return super().forward(x).flatten(0, 1)

    model = Words(4, CLASSES).double()
    batches = [(normal(n, length, 4), normal(n * length).abs().long().clamp(max=2)) for n, length in ((3, 7), (2, 4))]
    made = lnb.Objective(model, batches, metrics={"accuracy": lnb.accuracy})
    outputs, targets = (torch.cat(parts) for parts in zip(*((model(x).detach(), y) for x, y in batches), strict=True))
    wanted = {"loss": float(F.cross_entropy(outputs, targets)), "accuracy": float(lnb.accuracy(outputs, targets))}
    assert made() == pytest.approx(wanted, rel=1e-6)
    assert made.samples == 5


def test_standard_errors_of_weighted_means_and_sums():
    """A ratio's linearized error, as textbooks on sampling have it; a sum's is that of the mean times the samples."""
    made, model, inputs = objective(nn.CrossEntropyLoss(WEIGHTS), LABELS, 4)
    batches = list(zip(inputs.split(4), LABELS.split(4), strict=True))
    weights = np.array([float(WEIGHTS[y].sum()) for _, y in batches])
    sums = weights * [float(F.cross_entropy(model(x).detach(), y, WEIGHTS)) for x, y in batches]
    ratio, count = sums.sum() / weights.sum(), len(batches)
    wanted = np.sqrt(count / (count - 1) * ((sums - ratio * weights) ** 2).sum()) / weights.sum()
    assert made.measure()["loss_stderr"] == pytest.approx(wanted, rel=1e-9)
    added, *_ = objective(lambda o, t: (o[:, 0] ** 2).sum(), LABELS, 4)
    mean, *_ = objective(lambda o, t: ((o[:, 0] ** 2).sum(), float(len(t))), LABELS, 4)
    assert added.measure()["loss_stderr"] == pytest.approx(SAMPLES * mean.measure()["loss_stderr"], rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(samples=st.integers(2, 60), batch_size=st.integers(1, 70), seed=st.integers(0, 100))
def test_the_error_is_that_of_the_mean_over_samples(samples, batch_size, seed):
    model, (images, labels) = batch_norm_net(), small_data(seed, samples)
    with torch.no_grad():
        losses = F.cross_entropy(model(images), labels, reduction="none").double().numpy()
    values = lnb.Objective(model, (images, labels), batch_size=batch_size).measure()
    assert values["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert values["loss_stderr"] == pytest.approx(losses.std(ddof=1) / np.sqrt(samples), rel=1e-4)


def test_the_error_is_the_spread_over_fresh_samples():
    model = batch_norm_net()
    drawn = [lnb.Objective(model, small_data(seed, 40)).measure() for seed in range(200)]
    spread = np.std([values["loss"] for values in drawn], ddof=1)
    assert np.mean([values["loss_stderr"] for values in drawn]) == pytest.approx(spread, rel=0.15)


def test_a_metric_that_is_not_a_mean_over_samples_gets_its_error_from_the_batches():
    model, (images, labels) = batch_norm_net(), small_data(samples=30)
    largest = {"largest": lambda outputs, targets: outputs.max()}
    values = lnb.Objective(model, (images, labels), metrics=largest, batch_size=10).measure()
    with torch.no_grad():
        maxima = np.array([model(part).max().item() for part in images.split(10)])
    assert values["largest"] == pytest.approx(maxima.mean(), rel=1e-6)
    assert values["largest_stderr"] == pytest.approx(maxima.std(ddof=1) / np.sqrt(3), rel=1e-5)
    alone = lnb.Objective(model, (images, labels), metrics=largest).measure()
    assert np.isnan(alone["largest_stderr"])
