"""Values at a state are those of a plain loop over the samples, whatever the batches, data sets, draws and points."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import Tokens, batch_norm_net, measured_line, samples, seeded, small_data
from torch import nn
from torch.func import functional_call

import landscape_nb as lnb

WEIGHTS = torch.tensor([1.0, 7.0, 0.2]).double()
CRITERIA = {
    "mean": F.cross_entropy,
    "weighted": nn.CrossEntropyLoss(WEIGHTS),
    "sum": nn.CrossEntropyLoss(reduction="sum"),
}


def double_data():
    x, y = samples()
    return x.double(), y


def uneven(criterion, **settings):
    """An objective of a linear model on batches of 5, 5, ..., 5, 3 samples."""
    return lnb.Objective(seeded(nn.Linear, 4, 3).double(), double_data(), criterion, batch_size=5, **settings)


@pytest.mark.parametrize("name", CRITERIA)
def test_shares_times_losses_of_batches_are_the_loss_and_its_gradient(name):
    criterion = CRITERIA[name]
    objective = uneven(criterion)
    params = {key: (p + 0.3).requires_grad_() for key, p in objective.origin.items()}
    total = sum(share * loss for share, loss in objective.evaluator.batch_losses(params))
    wanted = criterion(functional_call(nn.Linear(4, 3), params, (double_data()[0],)), double_data()[1])
    torch.testing.assert_close(total, wanted)
    names = list(params)
    found = torch.autograd.grad(total, [params[key] for key in names], retain_graph=True)
    for one, other in zip(found, torch.autograd.grad(wanted, [params[key] for key in names]), strict=True):
        torch.testing.assert_close(one, other)


def test_shares_are_of_samples_of_weights_or_of_nothing():
    labels = double_data()[1]
    counts = [len(part) for part in labels.split(5)]
    weights = [WEIGHTS[part].sum().item() for part in labels.split(5)]
    mean, weighted, added = (uneven(criterion) for criterion in CRITERIA.values())
    assert mean.evaluator.loss_shares(mean.origin) == pytest.approx([n / 48 for n in counts])
    assert weighted.evaluator.loss_shares(weighted.origin) == pytest.approx([w / sum(weights) for w in weights])
    assert added.evaluator.loss_shares(added.origin) == [1.0] * len(counts)


def test_a_batch_whose_share_is_nothing_is_not_evaluated():
    objective = uneven(F.cross_entropy)
    shares = [0.0] * len(objective.evaluator.batches)
    shares[2] = 1.0
    ((share, loss),) = objective.evaluator.batch_losses(objective.origin, shares)
    x, y = objective.evaluator.batches[2]
    assert share == 1.0
    torch.testing.assert_close(loss, F.cross_entropy(functional_call(nn.Linear(4, 3), objective.origin, (x,)), y))


def test_names_are_each_metric_on_each_data_set_with_its_error():
    extra = {"extra_data": {"test": double_data()}}
    evaluator = uneven(F.cross_entropy, metrics={"accuracy": lnb.accuracy}, **extra).evaluator
    own = ["loss", "loss_stderr", "accuracy", "accuracy_stderr"]
    assert evaluator.names == own + [f"test_{name}" for name in own]
    assert list(evaluator.measure()) == evaluator.names
    assert evaluator.samples == 48
    assert len(evaluator.batches) == 2 * len(evaluator.data.batches)


def test_each_data_set_has_the_values_it_has_alone():
    first, second = double_data(), (double_data()[0][:7] + 1, double_data()[1][:7])
    both = lnb.Objective(seeded(nn.Linear, 4, 3).double(), first, extra_data={"test": second}).evaluator
    model = seeded(nn.Linear, 4, 3).double()
    with torch.no_grad():
        wanted = [F.cross_entropy(model(x), y).item() for x, y in (first, second)]
    values = both.measure()
    assert [values["loss"], values["test_loss"]] == pytest.approx(wanted)
    alone = both.with_data(lnb.Objective(model, second).evaluator.data)
    assert alone.measure()["loss"] == pytest.approx(wanted[1])
    assert "test_loss" not in alone.names


def test_a_stack_of_points_has_the_values_of_each():
    net = batch_norm_net()
    evaluator = lnb.Objective(net, small_data(), metrics={"accuracy": lnb.accuracy}, batch_size=20).evaluator
    generator = torch.Generator().manual_seed(0)
    stack = {
        name: p + 0.1 * torch.randn(6, *p.shape, generator=generator) for name, p in evaluator.forward.origin.items()
    }
    found = evaluator.measure_stack(stack)
    images, labels = small_data()
    assert list(found) == evaluator.names
    for number in range(6):
        with torch.no_grad():
            outputs = functional_call(net, {name: points[number] for name, points in stack.items()}, (images,))
        errors = F.cross_entropy(outputs, labels, reduction="none")
        assert found["loss"][number].item() == pytest.approx(errors.mean().item(), rel=1e-5)
        assert found["loss_stderr"][number].item() == pytest.approx(errors.std().item() / 50**0.5, rel=1e-4)
        assert found["accuracy"][number].item() == pytest.approx((outputs.argmax(1) == labels).float().mean().item())


def test_only_pairs_of_tensors_that_the_model_is_called_with_are_read_as_pairs():
    x, y = samples()
    assert lnb.Objective(nn.Linear(4, 3), (x, y)).evaluator.reads_pairs
    assert not lnb.Objective(nn.Linear(4, 3), (x, y), forward=lambda m, b: m(b[0])).evaluator.reads_pairs
    dicts = lnb.Objective(
        nn.Linear(4, 3), [{"x": x, "y": y}], lambda o, b: F.cross_entropy(o, b["y"]), forward=lambda m, b: m(b["x"])
    )
    assert not dicts.evaluator.reads_pairs


def test_an_error_in_a_batch_names_it():
    evaluator = uneven(F.cross_entropy).evaluator

    def fails(batch):
        if batch[0] is evaluator.batches[3][0]:
            raise ValueError("planted")
        return {"loss": torch.zeros(len(batch[1]))}

    with pytest.raises(ValueError, match="data: batch 4 of 10, .*planted"):
        evaluator.summarize(fails)


def test_batches_of_unequal_size_count_by_their_samples():
    model, (images, labels) = batch_norm_net(), small_data(samples=50)
    whole = lnb.Objective(model, (images, labels), batch_size=50)()["loss"]
    uneven = [(images[:1], labels[:1]), (images[1:8], labels[1:8]), (images[8:], labels[8:])]
    assert lnb.Objective(model, uneven)()["loss"] == pytest.approx(whole, rel=1e-6)
    assert lnb.Objective(model, (images, labels), batch_size=16)()["loss"] == pytest.approx(whole, rel=1e-6)


def test_a_plane_and_a_hessian_are_of_the_same_loss_when_outputs_are_tokens():
    torch.manual_seed(0)
    model = Tokens()
    model.scores.bias.data[0] = 3
    short = torch.randint(0, 9, (4, 3)), torch.randint(0, 9, (12,))
    long = torch.randint(0, 9, (4, 30)), torch.zeros(120).long()
    objective = lnb.Objective(model, [short, long])
    differentiated = sum(share * float(loss) for share, loss in objective.evaluator.batch_losses(objective.origin))
    assert objective()["loss"] == pytest.approx(differentiated)


def test_draws_are_averaged_and_say_their_error():
    """One linear map with noise of variance σ² added: the mean of the squared error is known."""

    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 0.5 * torch.randn(len(x), 1)

    model = seeded(Noisy, 4, 1).double()
    x = samples(400)[0].double()
    exact = float(F.linear(x, model.weight, model.bias).square().mean()) + 0.25
    objective = lnb.Objective(model, (x, torch.zeros(400, 1).double()), F.mse_loss, seed=0, draws=40)
    values = objective.measure()
    assert set(values) == {"loss", "loss_stderr", "loss_draws_stderr"}
    assert abs(values["loss"] - exact) < 4 * values["loss_draws_stderr"]
    single = [lnb.Objective(model, objective.evaluator.data.batches, F.mse_loss, seed=s)()["loss"] for s in range(40)]
    assert values["loss_draws_stderr"] == pytest.approx(np.std(single) / 40**0.5, rel=0.5)
    found, _ = measured_line(objective)
    assert float(found.loss_draws_stderr[2]) == values["loss_draws_stderr"]
    with pytest.raises(ValueError, match="draws: got 3 without seed"):
        lnb.Objective(model, (x, x[:, :1]), F.mse_loss, draws=3)
