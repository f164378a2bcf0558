"""How the values of batches become one is found on the data: means, weighted means, sums, and none of them."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import between_linears, four_classes, made_and_said, normal
from torch import nn

import landscape_nb as lnb
from landscape_nb.objective.batches import Batches
from landscape_nb.objective.combining import find_combinations
from landscape_nb.objective.forward import Plain

SAMPLES, CLASSES = 23, 3

SIZES = (1, 5, 64)

WEIGHTS = torch.tensor([1.0, 7.0, 0.2], dtype=torch.float64)


LABELS = normal(SAMPLES, seed=1).abs().long().clamp(max=CLASSES - 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [2, 3, 7, 33])
def test_ordinary_models_are_not_warned_of(dtype, size):
    model = between_linears(nn.BatchNorm1d(8), nn.LayerNorm(8), nn.ReLU(), dtype=dtype)
    made, messages = made_and_said(model, four_classes(dtype=dtype), batch_size=size)
    assert made.reductions["loss"] in ("mean over samples", "weighted mean")
    assert not messages


class WithLoss(nn.Module):
    """As models of languages have it: the mean over tokens that count, found inside."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.scores = nn.Linear(6, 4)

    def forward(self, batch):
        scores = self.scores(batch["x"])
        return {"loss": F.cross_entropy(scores, batch["y"], ignore_index=1), "scores": scores}


def test_a_weighted_mean_inside_the_model_stays_one():
    model, (x, y) = WithLoss().double(), four_classes()
    batches = [{"x": x[low : low + 13], "y": y[low : low + 13]} for low in (0, 13, 26)]
    made, messages = made_and_said(model, batches, lambda out, _: out["loss"], forward=lambda m, b: m(b))
    assert made.reductions["loss"] == "weighted mean"
    assert not messages
    assert made()["loss"] == pytest.approx(float(model({"x": x[:39], "y": y[:39]})["loss"].detach()))


def test_batches_that_cannot_be_evaluated_are_named():
    x, y = four_classes()
    late = torch.where(torch.arange(40) == 37, 9, y)
    with pytest.raises(ValueError, match="data: batch 3 of 3, .* cannot be evaluated"):
        lnb.Objective(between_linears(), (x, late), batch_size=16)()
    with pytest.raises(ValueError, match="data: batch 1 of 1, .* cannot be evaluated"):
        lnb.Objective(between_linears(), (x, late))
    with pytest.raises(ValueError, match="data: batch 2 of 2, .* cannot be evaluated"):
        lnb.Objective(between_linears(), [(x[:8], y[:8]), (x[:8, :5], y[:8])])()


def test_two_returned_means_are_not_a_sum_and_a_weight():
    def pair(outputs, targets):
        return F.cross_entropy(outputs, targets), (outputs.argmax(1) == targets).double().mean()

    with pytest.raises(ValueError, match="criterion: it returns two numbers"):
        lnb.Objective(between_linears(), four_classes(), pair)


@pytest.mark.parametrize("size", [16, 40])
def test_a_metric_that_writes_on_outputs_spoils_no_other(size):
    model, (x, y) = nn.Sequential(between_linears(), nn.Softmax(1)), four_classes()

    def written(outputs, targets):
        return F.nll_loss(outputs.log_(), targets)

    made = lnb.Objective(model, (x, y), written, {"top": lambda o, t: o.max(1).values.mean()}, batch_size=size)
    shares = model(x).detach()
    assert made()["loss"] == pytest.approx(float(F.nll_loss(shares.log(), y)))
    assert made()["top"] == pytest.approx(float(shares.max(1).values.mean()))


ENTROPIES = partial(F.cross_entropy, reduction="none")

COUPLED = {
    "clipped": lambda o, t: F.cross_entropy(o, t).clamp(max=8),
    "clipped far off": lambda o, t: F.cross_entropy(o, t).clamp(max=300),
    "floored": lambda o, t: F.cross_entropy(o, t).clamp(min=1e-3),
    "flooded": lambda o, t: (F.cross_entropy(o, t) - 0.02).abs() + 0.02,
    "the worst": lambda o, t: ENTROPIES(o, t).topk(max(1, len(t) // 4)).values.mean(),
    "trimmed": lambda o, t: ENTROPIES(o, t).sort().values[: max(1, len(t) - len(t) // 10)].mean(),
    "quantile": lambda o, t: torch.minimum(ENTROPIES(o, t), ENTROPIES(o, t).quantile(0.95)).mean(),
    "huberized": lambda o, t: F.huber_loss(F.cross_entropy(o, t), o.new_zeros(()), delta=20.0),
    "finite ones": lambda o, t: ENTROPIES(o, t).nanmean(),
    "contrast": lambda o, t: F.cross_entropy(o @ o.T, torch.arange(len(o))),
    "standardized": lambda o, t: F.cross_entropy(o - o.mean(0), t),
    "two weights": lambda o, t: F.cross_entropy(o, t, WEIGHTS) + 0.1 * o.square().mean(),
    "root": lambda o, t: F.cross_entropy(o, t).sqrt(),
    "by hand": lambda o, t: float(F.cross_entropy(o, t).detach().sqrt()),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", COUPLED)
def test_what_depends_on_the_batches_is_said(name, size):
    inputs, model = normal(SAMPLES, 4), nn.Linear(4, CLASSES).double()
    batches = list(zip(inputs.split(size), LABELS.split(size), strict=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = lnb.Objective(model, batches, metrics={"odd": COUPLED[name]})
    assert made.reductions == {"loss": "mean over samples", "odd": "mean over batches"}
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == (size < SAMPLES)
    assert all("metrics['odd']" in text and "batch_size" in text and "(sum, weight)" in text for text in messages)
    values = [float(COUPLED[name](model(x).detach(), y)) for x, y in batches]
    assert made()["odd"] == pytest.approx(np.average(values, weights=list(map(len, inputs.split(size)))), rel=1e-12)


MEANS = {
    "torch's": F.cross_entropy,
    "module": nn.CrossEntropyLoss(),
    "accuracy": lnb.accuracy,
    "own": lambda o, t: (o.argmax(1) == t).float().mean(),
    "clipped each": lambda o, t: ENTROPIES(o, t).clamp(max=2).mean(),
    "focal": lambda o, t: ((1 - (-ENTROPIES(o, t)).exp()) ** 2 * ENTROPIES(o, t)).mean(),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "numpy": lambda o, t: float((o.argmax(1) == t).numpy().mean()),
    "float32": lambda o, t: F.cross_entropy(o.float(), t),
}


@pytest.mark.parametrize("name", MEANS)
def test_means_over_samples_are_found(name):
    batches = list(zip(normal(SAMPLES, 4, seed=5).split(5), LABELS.split(5), strict=True))
    made, messages = made_and_said(nn.Linear(4, CLASSES).double(), batches, MEANS[name])
    assert not messages
    assert made.reductions["loss"] == "mean over samples"
    assert (made.evaluator.by_sample["loss"] is None) == (name == "numpy")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("metric", "reduction"),
    [
        (F.l1_loss, "mean over samples"),
        (partial(F.cross_entropy, weight=WEIGHTS), "weighted mean"),
        (lambda o, t: (ENTROPIES(o, t).sum(), len(t)), "weighted mean"),
        (nn.CrossEntropyLoss(reduction="sum"), "sum"),
        (lambda o, t: o.max(), "mean over batches"),
    ],
    ids=["mean", "weights of classes", "sum and weight", "sum", "largest"],
)
def test_each_way_of_combining_is_found_for_each_metric_alone(size, metric, reduction):
    """Among others, which combine in other ways."""
    model = nn.Linear(4, CLASSES).double()
    targets = normal(SAMPLES, CLASSES) if metric is F.l1_loss else LABELS
    others = {"first": lambda o, t: o[:, 0].mean(), "total": lambda o, t: nn.L1Loss(reduction="sum")(o, 0 * o)}
    groups = {"": Batches.read((normal(SAMPLES, 4), targets), size, "cpu")}
    groups["more_"] = Batches.read((normal(9, 4), targets[:9]), 64, "cpu")
    _, found = find_combinations(Plain(model), groups, {"loss": metric, **others})
    wanted = {"loss": reduction, "first": "mean over samples", "total": "sum"}
    assert {name: one.reduction for name, one in found.items()} == wanted


def test_targets_that_are_ignored_in_a_later_batch_do_not_count():
    labels = torch.arange(512) % 3
    labels[300:350] = -100
    x, model = torch.randn(512, 4), nn.Linear(4, 3)
    found = lnb.Objective(model, (x, labels), nn.CrossEntropyLoss(ignore_index=-100))()["loss"]
    assert found == pytest.approx(F.cross_entropy(model(x), labels).item(), rel=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_class_weights_hold_where_one_batch_does_not_show_them(scale):
    labels, x, model = (torch.arange(64) >= 32).long(), torch.randn(64, 4), nn.Linear(4, 2)
    nn.init.constant_(model.bias, 0)
    model.weight.data *= scale
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.0]))
    objective = lnb.Objective(model, (x, labels), criterion, batch_size=64)
    point = {name: p + 0.3 for name, p in objective.origin.items()} | {"bias": torch.tensor([0.5, -0.5])}
    wanted = criterion(torch.func.functional_call(model, point, (x,)), labels).item()
    assert objective(point)["loss"] == pytest.approx(wanted, rel=1e-5)
