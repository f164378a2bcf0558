"""Models and criteria that do more than compute: measured rightly, or refused in words when an Objective is made."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import assert_line, samples, seeded
from torch import nn

import landscape_nb as lnb

GLOBAL = nn.Linear(4, 3)


class Global(nn.Module):
    """Knows its layer by a name of the module that it is written in."""

    def __init__(self):
        super().__init__()
        self.layer = GLOBAL

    def forward(self, x):
        return GLOBAL(x)


def test_a_model_that_knows_itself_by_a_global_name_is_refused():
    with pytest.raises(ValueError, match=r"model: it reads 'layer.weight' of the caller's own model"):
        lnb.Objective(Global(), samples())


@pytest.mark.parametrize("where", ["criterion", "metrics['size']", "forward"])
def test_whoever_reads_the_callers_weights_is_named(where):
    model = seeded(nn.Linear, 4, 3)
    size = lambda *_: sum(p.square().sum() for p in model.parameters())  # noqa: E731
    settings = {
        "criterion": {"criterion": lambda outputs, y: F.cross_entropy(outputs, y) + 0.1 * size()},
        "metrics['size']": {"metrics": {"size": size}},
        "forward": {"forward": lambda _, batch: model(batch[0])},
    }[where]
    name = "model" if where == "forward" else where.replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(ValueError, match=rf"{name}: it reads 'weight' of the caller's own model.*forward="):
        lnb.Objective(model, samples(), **settings)


def test_a_penalty_through_forward_is_right_on_lines_and_in_the_hessian():
    """The way out that the refusal names."""
    model, (x, y) = seeded(nn.Linear, 4, 3), samples()
    objective = lnb.Objective(
        model,
        (x, y),
        lambda outputs, y: F.cross_entropy(outputs[0], y) + 0.1 * outputs[1],
        forward=lambda model, batch: (model(batch[0]), sum(p.square().sum() for p in model.parameters())),
    )
    plain = lambda point: F.cross_entropy(F.linear(x, point["weight"], point["bias"]), y)  # noqa: E731
    assert_line(objective, lambda point: plain(point) + 0.1 * lnb.norm(point) ** 2)
    ends, without = lnb.extreme_eigenvalues(objective), lnb.extreme_eigenvalues(lnb.Objective(model, (x, y)))
    assert ends.max == pytest.approx(without.max + 0.2, rel=1e-3)


def test_a_teacher_and_a_copy_of_the_start_may_be_read():
    model, teacher = seeded(nn.Linear, 4, 3), nn.Linear(4, 3)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    x, y = samples()

    def criterion(outputs, y):
        return F.cross_entropy(outputs, y) + (outputs - teacher(x)).square().mean() + start["weight"].sum()

    assert np.isfinite(lnb.Objective(model, (x, y), criterion)()["loss"])


class Binary(nn.Linear):
    """Keeps the real weights beside the parameter, which it sets to their signs."""

    def forward(self, x):
        if not hasattr(self.weight, "org"):
            self.weight.org = self.weight.data.clone()
        self.weight.data = self.weight.org.sign()
        return F.linear(x, self.weight, self.bias)


class MaxNorm(nn.Linear):
    def forward(self, x):
        self.weight.data = torch.renorm(self.weight.data, 2, 0, 0.5)
        return F.linear(x, self.weight, self.bias)


class Halving(nn.Linear):
    """Does not come to rest: a second call sees half of the weights."""

    def forward(self, x):
        with torch.no_grad():
            self.weight.mul_(0.5)
        return F.linear(x, self.weight, self.bias)


@pytest.mark.parametrize(
    ("kind", "used"),
    [(Binary, torch.sign), (MaxNorm, lambda w: torch.renorm(w, 2, 0, 0.5)), (Halving, lambda w: 0.5 * w)],
)
@pytest.mark.parametrize("batches", [1, 3])
def test_weights_that_are_written_when_called_are_each_points_own(kind, used, batches):
    model, (x, y) = seeded(kind, 4, 3), samples()
    with torch.no_grad():
        model.weight.mul_(3)
    start = lnb.parameters_of(model)
    with pytest.warns(UserWarning, match="the model writes 'weight' when it is called"):
        objective = lnb.Objective(model, (x, y), batch_size=len(x) // batches)
    assert_line(objective, lambda point: F.cross_entropy(F.linear(x, used(point["weight"]), point["bias"]), y))
    assert torch.equal(objective.origin["weight"], start["weight"])
    assert torch.equal(model.weight, start["weight"])
    with pytest.raises(ValueError, match="objective: its model writes 'weight' .* unseen by autograd"):
        lnb.extreme_eigenvalues(objective)


def test_what_a_parameter_carries_is_said():
    model = seeded(Binary, 4, 3)
    model(samples()[0])
    with pytest.warns(UserWarning, match=r"'weight\.org' stays behind"):
        objective = lnb.Objective(model, samples())
    assert set(objective.origin["weight"].unique().tolist()) == {-1.0, 1.0}


class Adapter(nn.Linear):
    """Adds its low-rank part to the weight in evaluation mode, and takes it off in training mode."""

    def __init__(self):
        super().__init__(4, 3)
        self.left, self.right = nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(2, 4))
        self.merged = False

    def train(self, mode=True):
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (-1 if mode else 1) * self.left.data @ self.right.data
            self.merged = not mode
        return self

    def forward(self, x):
        return F.linear(x, self.weight if self.merged else self.weight + self.left @ self.right, self.bias)


def test_weights_that_eval_changes_are_refused_and_a_merged_model_is_measured():
    model, (x, y) = seeded(Adapter), samples()
    start = lnb.parameters_of(model)
    with pytest.raises(ValueError, match=r"model: eval\(\) changes 'weight'.*merge"):
        lnb.Objective(model, (x, y))
    assert all(torch.equal(p, start[name]) for name, p in model.named_parameters())
    with pytest.warns(UserWarning, match="the loss does not depend on 'left', 'right'"):
        objective = lnb.Objective(model.eval(), (x, y))
    assert_line(objective, lambda point: F.cross_entropy(F.linear(x, point["weight"], point["bias"]), y))


class Padded(nn.Module):
    def __init__(self, nested):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.words = nn.Embedding(11, 8, padding_idx=0)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=nested)
        self.out = nn.Linear(8, 3)

    def forward(self, words):
        return self.out(self.encoder(self.words(words), src_key_padding_mask=words == 0).mean(1))


def padded_words():
    words = torch.randint(1, 11, (16, 7), generator=torch.Generator().manual_seed(0))
    words[:, 5:] = 0
    words[::2, 3:] = 0
    return words, torch.arange(16) % 3


def test_a_loss_that_is_another_one_under_autograd_is_refused():
    with pytest.raises(ValueError, match="model: its loss is .* when autograd watches.*enable_nested_tensor=False"):
        lnb.Objective(seeded(Padded, True).double(), padded_words())


def test_the_plane_and_the_hessian_of_a_padded_transformer_are_of_one_loss():
    objective = lnb.Objective(seeded(Padded, False).double(), padded_words())
    (direction,), step = lnb.random_directions(objective.origin, 1), 1e-3
    low, middle, high = lnb.evaluate_line(objective, direction, (-step, step), 3, progress=False).loss.values
    curvature = (low - 2 * middle + high) / (step * lnb.norm(direction)) ** 2
    assert lnb.curvature_along(objective, direction) == pytest.approx(curvature, rel=1e-3)


def test_a_model_whose_loss_depends_on_no_weight_is_refused():
    class Fixed(nn.Linear):
        def forward(self, x):
            return x[:, :3]

    with pytest.raises(ValueError, match="model: its loss depends on none of its parameters"):
        lnb.Objective(seeded(Fixed, 4, 3), samples())


@pytest.mark.parametrize("batch_norm", ["frozen", "recalibrate"])
def test_few_passes_are_made_when_an_objective_is_made(batch_norm):
    """Three calls of the model for the trial, one for the samples' values, one of the smallest batch."""
    calls = []
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)))
    lnb.Objective(
        model, samples(9), batch_size=4, batch_norm=batch_norm, forward=lambda m, b: calls.append(1) or m(b[0])
    )
    assert len(calls) <= 5


def test_batches_are_tried_in_part_unless_they_are_wanted_whole():
    sizes = []

    class Whole(nn.Linear):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x.view(300, -1))

    x, y = torch.randn(300, 4096), torch.arange(300) % 3
    lnb.Objective(nn.Linear(4096, 3), (x, y), batch_size=300, forward=lambda m, b: sizes.append(len(b[0])) or m(b[0]))
    assert sizes.count(300) == 1
    sizes.clear()
    lnb.Objective(Whole(4096, 3), (x, y), batch_size=300)
    assert sizes[0] == 16
    assert sizes[1:] == [300] * (len(sizes) - 1)


class Shared(nn.Module):
    """Reaches its first weight by a list, a tuple, a closure or a hook beside its name."""

    def __init__(self, how):
        super().__init__()
        self.first, self.second = nn.Linear(4, 3, bias=False), nn.Linear(3, 3)
        weight = self.first.weight
        self.kept = {"list": [weight], "tuple": (weight,)}.get(how)
        self.other = (lambda: weight) if how == "closure" else lambda: self.kept[0]
        if how == "hook":
            self.second.register_forward_hook(lambda module, inputs, output: output + inputs[0] @ weight[:, :3])
        self.how = how

    def forward(self, x):
        y = self.second(torch.tanh(self.first(x)))
        return y if self.how == "hook" else y + torch.tanh(y) @ self.other()[:, :3]


@pytest.mark.parametrize("how", ["list", "tuple", "closure", "hook"])
def test_a_weight_that_is_reached_beside_its_name_is_refused(how):
    with pytest.raises(ValueError, match=r"model: it reaches 'first\.weight' by another way than its name"):
        lnb.Objective(seeded(Shared, how), samples())


def test_a_hook_that_writes_to_the_model_by_a_global_name_is_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x):
            self.body(x)
            return self.head(self.features)

    global NET  # as in a notebook
    NET = seeded(Net)
    NET.body.register_forward_hook(write_to_the_global_net)
    NET(samples()[0])
    before = NET.features
    with pytest.raises(ValueError, match="model: calling its copy writes 'features' of the caller's own model"):
        lnb.Objective(NET, samples())
    assert NET.features is before


def write_to_the_global_net(module, inputs, output):
    NET.features = output.tanh()


class HalfSeen(nn.Module):
    """Its body is computed without autograd, or its second head is used by nobody."""

    def __init__(self, frozen):
        super().__init__()
        self.body, self.head, self.unused, self.frozen = nn.Linear(4, 5), nn.Linear(5, 3), nn.Linear(5, 2), frozen

    def forward(self, x):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            hidden = self.body(x).tanh()
        if not self.frozen:
            self.unused(hidden)
        return self.head(hidden)


@pytest.mark.parametrize("frozen", [True, False])
def test_what_autograd_does_not_see_and_what_has_no_effect_are_told_apart(frozen):
    with pytest.warns(UserWarning, match="does not depend on 'unused.weight', 'unused.bias'"):
        objective = lnb.Objective(seeded(HalfSeen, frozen), samples())
    assert objective.evaluator.forward.plain.findings.unseen == (("body.bias", "body.weight") if frozen else ())
    seen = "autograd does not see that the loss depends on 'body.bias', 'body.weight'"
    assert any(seen in remark for remark in objective.remarks) == frozen


def test_a_limit_that_does_not_bind_at_the_origin_leaves_the_callers_point_alone():
    class Clipped(nn.Linear):
        def forward(self, x):
            self.weight.data.clamp_(-3, 3)
            return super().forward(x)

    objective = lnb.Objective(seeded(Clipped, 4, 3), samples())
    assert objective.evaluator.forward.plain.findings.untracked == ("weight",)
    point = lnb.scale(objective.origin, 100.0)
    before = {name: tensor.clone() for name, tensor in point.items()}
    objective(point)
    assert all(torch.equal(point[name], before[name]) for name in point)
