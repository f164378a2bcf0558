"""Metrics that only look like means are found out on made-up scores; what is made up is what it is said to be."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from landscape_nb.objective.made_up import (
    adds_up,
    examples,
    is_mean_in_all,
    is_mean_of_singles,
    joined,
    looped,
    mix,
    shake,
)

COUNT, CLASSES = 12, 3


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


SCORES, LABELS, REALS = drawn(COUNT, CLASSES), torch.arange(COUNT) % CLASSES, drawn(COUNT, CLASSES, seed=1)


def entropies(outputs, targets):
    return F.cross_entropy(outputs, targets, reduction="none")


def squares(outputs, targets):
    return (outputs - targets).square().mean(-1)


MEANS = {
    "entropies": (entropies, LABELS, lambda o, t: entropies(o, t).mean()),
    "squares": (squares, REALS, lambda o, t: squares(o, t).mean()),
    "right ones": (
        lambda o, t: (o.argmax(1) == t).double(),
        LABELS,
        lambda o, t: float((o.argmax(1) == t).double().mean()),
    ),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_is_one_in_all_trials(name):
    form, targets, metric = MEANS[name]
    assert is_mean_in_all(form, metric, list(examples(SCORES, targets)))


LOOKALIKES = {
    "clipped": (entropies, LABELS, lambda o, t: entropies(o, t).mean().clamp(max=500.0)),
    "floored": (entropies, LABELS, lambda o, t: entropies(o, t).mean().clamp(min=1e-3)),
    "each clipped": (entropies, LABELS, lambda o, t: entropies(o, t).clamp(max=300).mean()),
    "without NaN": (entropies, LABELS, lambda o, t: entropies(o, t).nanmean()),
    "shares clipped": (squares, REALS, lambda o, t: squares(o, t).mean().clamp(max=1e4)),
    "worst": (squares, REALS, lambda o, t: squares(o, t).max()),
    "right where it is good": (entropies, LABELS, lambda o, t: (entropies(o, t).mean() - 0.001).abs() + 0.001),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_is_a_mean_on_the_data_and_not_beyond_is_found_out(name):
    form, targets, metric = LOOKALIKES[name]
    if name != "worst":
        assert is_mean_in_all(form, metric, [(SCORES, targets)])
    assert not is_mean_in_all(form, metric, list(examples(SCORES, targets)))


def test_a_form_that_fails_where_the_metric_does_not_is_none():
    def choosy(outputs, targets):
        if outputs.abs().max() > 100:
            raise ArithmeticError
        return squares(outputs, targets)

    tried = list(examples(SCORES, REALS))
    assert not is_mean_in_all(choosy, lambda o, t: squares(o, t).mean(), tried)
    assert is_mean_in_all(squares, lambda o, t: choosy(o, t).mean(), tried)


def test_trials_are_of_many_sizes_and_leave_the_data_alone():
    scores, labels = SCORES.float(), LABELS.clone()
    tried = list(examples(scores, labels))
    assert torch.equal(scores, SCORES.float())
    assert torch.equal(labels, LABELS)
    assert {outputs.dtype for outputs, _ in tried} == {torch.float64}
    sizes = [outputs.abs().max().item() for outputs, _ in tried if not outputs.isnan().any()]
    assert min(sizes) < 0.1
    assert max(sizes) > 1e3
    assert sum(outputs.isnan().any().item() for outputs, _ in tried) == 1
    assert any((outputs.argmax(1) == targets).all() for outputs, targets in tried)
    assert any((outputs.argmax(1) == targets).double().mean() < 0.5 for outputs, targets in tried)
    assert all(len(outputs) == len(targets) == COUNT for outputs, targets in tried)


def test_trials_of_probabilities_have_some_that_are_nearly_sure_of_it():
    shares = SCORES.softmax(1)
    ones = torch.ones(COUNT).double()
    likely = [o for o, _ in examples(shares, LABELS) if o.min() >= 0 and torch.allclose(o.sum(1), ones)]
    assert max(outputs.max(1).values.min().item() for outputs in likely) > 0.9 > shares.max(1).values.min().item()


def test_a_metric_that_takes_no_float64_is_tried_in_its_own_format():
    def single(outputs, targets):
        assert outputs.dtype == torch.float32
        return outputs.mean()

    assert {outputs.dtype for outputs, _ in examples(SCORES.float(), LABELS, single)} == {torch.float32}


def test_mixed_probabilities_are_probabilities_and_lie_between_two():
    shares = SCORES.softmax(1)
    mixed = mix(shares, torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed.sum(1), torch.ones(COUNT).double())
    low, high = torch.minimum(shares, shares.flip(0)), torch.maximum(shares, shares.flip(0))
    assert ((mixed >= low - 1e-12) & (mixed <= high + 1e-12)).all()
    assert not torch.allclose(mixed, shares)
    assert torch.equal(mix(LABELS, torch.Generator()), LABELS)


def test_noise_is_a_tenth_of_the_scores_and_one():
    many = 9 * torch.ones(200, 200).double()
    noise = shake(many, torch.Generator().manual_seed(0)) - many
    assert noise.std().item() == pytest.approx(1.0, rel=0.02)
    assert torch.equal(shake(LABELS, torch.Generator()), LABELS)


def test_targets_of_all_batches_are_joined_and_scores_repeated_beside_them():
    scores, targets = joined(torch.eye(3)[:2], [torch.tensor([0, 1]), torch.tensor([2, 2, 1]), torch.tensor([0])])
    assert targets.tolist() == [0, 1, 2, 2, 1, 0]
    assert scores.tolist() == torch.eye(3)[[0, 1, 0, 1, 0, 1]].tolist()


def test_of_many_batches_some_targets_of_each_part_are_taken():
    batches = [torch.full((100,), number) for number in range(50)]
    scores, targets = joined(torch.zeros(100, 4), batches)
    assert len(scores) == len(targets) <= 1100
    assert set(targets.tolist()) == set(range(50))
    wide_scores, wide_targets = joined(torch.zeros(100, 2**14), batches)
    assert wide_scores.numel() <= 2**20
    assert {0, 49} <= set(wide_targets.tolist())


def test_what_has_no_common_first_dimension_is_not_joined():
    assert joined(torch.zeros(4, 2), [torch.zeros(5)]) is None
    assert joined(torch.zeros(0, 2), [torch.zeros(0)]) is None
    _, targets = joined(torch.zeros(4, 2), [torch.zeros(4, 3), torch.ones(4, 9), torch.ones(4, 3)])
    assert targets.shape == (8, 3)


def test_nested_outputs_are_joined_part_by_part():
    outputs = {"a": torch.arange(2.0), "b": (torch.ones(2, 3), "text")}
    made, targets = joined(outputs, [torch.tensor([1, 2]), torch.tensor([3])])
    assert made["a"].tolist() == [0.0, 1.0, 0.0]
    assert made["b"][0].shape == (3, 3)
    assert made["b"][1] == "text"
    assert targets.tolist() == [1, 2, 3]


def test_a_loop_gives_each_samples_own_value():
    found = looped(lambda o, t: float(F.cross_entropy(o, t)))(SCORES, LABELS)
    torch.testing.assert_close(found, entropies(SCORES, LABELS))


SINGLES = {
    "right ones": (True, lambda o, t: float((o.argmax(1) == t).numpy().mean())),
    "largest": (False, lambda o, t: float(o.numpy().max())),
    "blind": (False, lambda o, t: 1.0),
    "a sum": (False, lambda o, t: float(entropies(o, t).sum())),
}


@pytest.mark.parametrize("name", SINGLES)
def test_means_of_single_samples_are_known_by_calling_one_after_the_other(name):
    wanted, metric = SINGLES[name]
    assert is_mean_of_singles(metric, SCORES, LABELS) == wanted


WEIGHTS = torch.tensor([1.0, 7.0, 0.2]).double()

PARTS = {
    "weights of classes": (True, nn.CrossEntropyLoss(WEIGHTS)),
    "ignored": (True, nn.CrossEntropyLoss(ignore_index=1)),
    "sum": (True, nn.CrossEntropyLoss(reduction="sum")),
    "sum and weight": (True, lambda o, t: (entropies(o, t).sum(), float(len(t)))),
    "a wrong weight": (False, lambda o, t: (entropies(o, t).sum(), float(len(t) ** 2))),
    "standardized": (False, lambda o, t: F.cross_entropy(o - o.mean(0), t, WEIGHTS)),
    "told by NumPy, which says nothing": (False, lambda o, t: float(entropies(o, t).numpy().mean())),
}


@pytest.mark.parametrize("name", PARTS)
def test_two_parts_add_up_to_the_whole_with_the_weights_that_are_told(name):
    wanted, metric = PARTS[name]
    assert adds_up(metric, list(examples(SCORES, LABELS))) == wanted


def test_where_every_trial_is_refused_nothing_is_known():
    def refuses(outputs, targets):
        raise ValueError("not so")

    assert adds_up(refuses, list(examples(SCORES, LABELS))) is None
