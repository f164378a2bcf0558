"""Models and criteria that do more than compute: measured rightly, or refused in words when an Objective is made."""

import functools
import threading
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

import landscape_nb as lnb

ALPHAS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def samples(count=48, features=4, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, features, generator=generator), torch.arange(count) % classes


def seeded(make, *args):
    torch.manual_seed(0)
    return make(*args)


def line(objective, seed=0):
    (direction,) = lnb.random_directions(objective.origin, 1, seed=seed)
    return lnb.evaluate_line(objective, direction, resolution=len(ALPHAS), progress=False), direction


def by_hand(loss, start, direction):
    """A loss written out, at the points of a line."""
    return [float(loss(lnb.move(start, [direction], [alpha]))) for alpha in ALPHAS]


def assert_line(objective, loss, rtol=1e-5):
    start = dict(objective.origin)
    found, direction = line(objective)
    np.testing.assert_allclose(found.loss, by_hand(loss, start, direction), rtol=rtol)
    assert np.ptp(found.loss.values) > 0.01


class Lambda(nn.Module):
    """Two layers, called by a function that the module keeps: `copy.deepcopy` leaves its closure as it is."""

    def __init__(self, kind):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 3)
        chain = lambda x: self.b(torch.tanh(self.a(x)))  # noqa: E731
        kept = {"lambda": chain, "partial": functools.partial(self.both, torch.tanh), "default": chain}
        self.run = kept.get(kind, self.via)
        if kind == "default":
            self.run = lambda x, layers=(self.a, self.b): layers[1](torch.tanh(layers[0](x)))
        if kind == "hook":
            self.identity = nn.Identity()
            self.identity.register_forward_hook(lambda module, inputs, output: chain(inputs[0]))
            self.run = lambda x: self.identity(x)
        if kind == "list":
            self.steps = [self.a, torch.tanh, lambda x: self.b(x)]
            self.run = self.through

    def both(self, nonlinearity, x):
        return self.b(nonlinearity(self.a(x)))

    def via(self, x):
        return self.both(torch.tanh, x)

    def through(self, x):
        for step in self.steps:
            x = step(x)
        return x

    def forward(self, x):
        return self.run(x)


def two_layers(point, x):
    hidden = torch.tanh(F.linear(x, point["a.weight"], point["a.bias"]))
    return F.linear(hidden, point["b.weight"], point["b.bias"])


@pytest.mark.parametrize("kind", ["lambda", "partial", "default", "bound method", "hook", "list"])
def test_functions_that_a_model_keeps_call_the_copys_layers(kind):
    model, (x, y) = seeded(Lambda, kind), samples()
    before = {name: p.clone() for name, p in model.named_parameters()}
    objective = lnb.Objective(model, (x, y))
    assert_line(objective, lambda point: F.cross_entropy(two_layers(point, x), y))
    assert lnb.extreme_eigenvalues(objective).max > 0
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_model_of_closures_is_trained_and_the_callers_stays():
    model, data = seeded(Lambda, "lambda"), samples()
    before = {name: p.clone() for name, p in model.named_parameters()}
    run = lnb.train(model, data, epochs=3, batch_size=16, cache=False, progress=False)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert lnb.norm(lnb.add(run.points[-1], lnb.scale(run.points[0], -1))) > 0.1
    assert torch.allclose(run.model_at(3)(data[0]), two_layers(run.points[-1], data[0]))
    assert run.history["train_loss"][-1] < run.history["train_loss"][0]


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


class Remembering(nn.Module):
    """Carries something from one call to the next."""

    def __init__(self, where):
        super().__init__()
        self.cell, self.out = nn.RNNCell(4, 5), nn.Linear(5, 3)
        self.where, self.hidden, self.box, self.cache = where, None, [], {}
        self.holder = type("Holder", (), {})()
        self.register_buffer("membrane", torch.zeros(1, 5))
        self.trace = torch.zeros(1, 5)

    def forward(self, x):
        last = {
            "attribute": self.hidden,
            "list": self.box[-1] if self.box else None,
            "dict": self.cache.get("hidden"),
            "object": getattr(self.holder, "hidden", None),
            "buffer": self.membrane,
            "in place": self.trace,
        }[self.where]
        hidden = self.cell(x, None if last is None else last[:1].expand(len(x), -1))
        if self.where == "attribute":
            self.hidden = hidden.detach()
        elif self.where == "list":
            self.box.append(hidden.detach())
        elif self.where == "dict":
            self.cache["hidden"] = hidden.detach()
        elif self.where == "object":
            self.holder.hidden = hidden.detach()
        else:
            (self.membrane if self.where == "buffer" else self.trace).copy_(hidden[:1].detach())
        return self.out(hidden)


def fresh(point, x, y):
    """The loss of `Remembering` that remembers nothing."""
    model = Remembering("attribute")
    return F.cross_entropy(functional_call(model, point, (x,)), y)


@pytest.mark.filterwarnings("ignore:model. in the first samples")
@pytest.mark.parametrize("where", ["attribute", "list", "dict", "in place", "buffer"])
@pytest.mark.parametrize("batches", [1, 3])
def test_each_batch_of_a_model_that_remembers_begins_anew(where, batches):
    model, (x, y) = seeded(Remembering, where), samples()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        objective = lnb.Objective(model, (x, y), batch_size=len(x) // batches)
    assert where == "buffer" or any("remembers earlier calls" in str(warning.message) for warning in said)
    assert objective() == objective() == objective()
    parts = list(zip(x.chunk(batches), y.chunk(batches), strict=True))
    assert_line(objective, lambda point: sum(fresh(point, *part) for part in parts) / batches)
    found, direction = line(objective)
    assert found.equals(line(objective)[0])
    if where not in ("buffer", "in place"):  # which autograd needs, and the model overwrites
        assert lnb.curvature_along(objective, direction) == lnb.curvature_along(objective, direction)


def test_memory_that_cannot_be_put_back_is_refused():
    with pytest.raises(ValueError, match=r"model: called twice on one batch it gave .*, then .*forward="):
        lnb.Objective(seeded(Remembering, "object"), samples())


def test_remembering_stands_in_the_results():
    with pytest.warns(UserWarning, match="remembers"):
        objective = lnb.Objective(seeded(Remembering, "attribute"), samples())
    assert "remembers earlier calls ('hidden')" in line(objective)[0].attrs["remarks"]


class Cached(nn.Linear):
    """Computes its weight once in evaluation mode."""

    used = None

    def forward(self, x):
        if self.used is None:
            self.used = self.weight.tanh()
        return F.linear(x, self.used, self.bias)


def test_a_cache_that_evaluation_fills_is_filled_at_each_point():
    model, (x, y) = seeded(Cached, 4, 3), samples()
    objective = lnb.Objective(model, (x, y))
    assert_line(objective, lambda point: F.cross_entropy(F.linear(x, point["weight"].tanh(), point["bias"]), y))


def test_a_cache_that_is_full_is_said():
    model = seeded(Cached, 4, 3).eval()
    model(samples()[0])
    with pytest.warns(UserWarning, match="the loss does not depend on 'weight'"):
        lnb.Objective(model, samples())


def test_a_model_whose_loss_depends_on_no_weight_is_refused():
    class Fixed(nn.Linear):
        def forward(self, x):
            return x[:, :3]

    with pytest.raises(ValueError, match="model: its loss depends on none of its parameters"):
        lnb.Objective(seeded(Fixed, 4, 3), samples())


class Keeping(nn.Module):
    """Keeps its features, as many do for attention maps and probes."""

    def __init__(self, how):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3)
        self.how, self.kept, self.calls = how, [], 0

    def forward(self, x):
        features = self.norm(torch.relu(self.a(x)))
        self.calls += 1
        if self.how == "attribute":
            self.features = features
        elif self.how == "nested":
            self.features = {"maps": (features,)}
        else:
            self.kept.append(features)
        return self.b(features)


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("how", ["attribute", "nested", "list"])
def test_tensors_that_a_call_leaves_in_the_model_are_left_out(how, called):
    model, (x, y) = seeded(Keeping, how), samples()
    wanted = lnb.Objective(seeded(Keeping, how), (x, y)).fingerprint
    if called:
        model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        objective = lnb.Objective(model, (x, y))
        plane = lnb.evaluate_plane(objective, lnb.random_directions(model, 2), resolution=3, progress=False)
    assert "at once" in plane.attrs["engine"]
    assert float(plane.loss[1, 1]) == pytest.approx(float(F.cross_entropy(model(x), y)), rel=1e-5)
    assert not objective.model.kept or called
    assert objective.fingerprint == wanted


def test_a_convolutional_net_that_keeps_its_features_is_replayed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            self.features = torch.relu(self.conv(x))
            return self.out(self.features.mean((2, 3)))

    images, labels = torch.randn(12, 1, 8, 8), torch.arange(12) % 3
    model = seeded(Net)
    model(images)
    found, _ = line(lnb.Objective(model, (images, labels)))
    assert "calls replayed" in found.attrs["engine"]
    assert float(found.loss[2]) == pytest.approx(float(F.cross_entropy(model(images), labels).detach()), rel=1e-5)


class Sampling(nn.Module):
    """A variational autoencoder's way: draws in evaluation."""

    def __init__(self, source="torch"):
        super().__init__()
        self.mean, self.out, self.source = nn.Linear(4, 6), nn.Linear(6, 3), source

    def noise(self, like):
        if self.source == "torch":
            return torch.randn_like(like)
        return torch.from_numpy(np.random.standard_normal(tuple(like.shape))).to(like)

    def forward(self, x):
        mean = self.mean(x)
        return self.out(mean + self.noise(mean))


class DropoutOn(nn.Sequential):
    def forward(self, x):
        return self[1](F.dropout(self[0](x), 0.5, training=True))


@pytest.mark.parametrize(
    "make", [Sampling, lambda: Sampling("numpy"), lambda: DropoutOn(nn.Linear(4, 6), nn.Linear(6, 3))]
)
def test_random_evaluation_needs_a_seed_and_has_common_random_numbers(make):
    model, data = seeded(make), samples()
    with pytest.raises(ValueError, match="model: it draws random numbers in evaluation.*seed="):
        lnb.Objective(model, data)
    with pytest.warns(UserWarning, match="every point gets the same ones"):
        objective = lnb.Objective(model, data, batch_size=16, seed=3)
    torch.manual_seed(1)
    first, _ = line(objective)
    torch.manual_seed(2)
    np.random.seed(2)
    second, _ = line(objective)
    assert first.equals(second)
    assert float(first.loss[2]) == objective()["loss"]
    other = lnb.Objective(model, data, batch_size=16, seed=4)
    assert other()["loss"] != objective()["loss"]
    assert other.fingerprint != objective.fingerprint


def test_curvature_under_common_random_numbers_is_the_lines():
    objective = lnb.Objective(seeded(Sampling).double(), (samples()[0].double(), samples()[1]), batch_size=16, seed=0)
    (direction,), step = lnb.random_directions(objective.origin, 1), 1e-3
    low, middle, high = lnb.evaluate_line(objective, direction, (-step, step), 3, progress=False).loss.values
    second = (low - 2 * middle + high) / (step * lnb.norm(direction)) ** 2
    assert lnb.curvature_along(objective, direction) == pytest.approx(second, rel=1e-3)


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
    found, _ = line(objective)
    assert float(found.loss_draws_stderr[2]) == values["loss_draws_stderr"]
    with pytest.raises(ValueError, match="draws: got 3 without seed"):
        lnb.Objective(model, (x, x[:, :1]), F.mse_loss, draws=3)


def test_numbers_that_are_drawn_and_change_nothing_are_no_matter():
    class Idle(nn.Linear):
        def forward(self, x):
            torch.rand(1)
            return super().forward(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lnb.Objective(seeded(Idle, 4, 3), samples())


def compiled_in_place():
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].forward = torch.compile(model[0].forward)
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.DataParallel(nn.Linear(4, 3)), r"model: got DataParallel, wants .*model\.module"),
        (lambda: torch.compile(nn.Linear(4, 3)), r"model: got OptimizedModule, wants .*model\._orig_mod"),
        (lambda: torch.jit.script(nn.Linear(4, 3)), "model: got a scripted or traced module, whose weights"),
        (lambda: torch.jit.trace(nn.Linear(4, 3), samples()[0]), "model: got a scripted or traced module"),
        (lambda: nn.Sequential(torch.jit.script(nn.Linear(4, 3))), "scripted or traced module in '0'"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), r"model: '0\.weight' has no values yet; call the model once"),
        (lambda: nn.Linear(4, 3, device="meta"), "model: 'weight' is on the device 'meta'"),
        (compiled_in_place, r"model: got a compiled forward in '0', wants .* del module\.forward"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_wrapped_and_unready_models_are_refused_in_words(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        lnb.Objective(make(), samples())


def test_what_cannot_be_copied_is_named():
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].guard = threading.Lock()
    with pytest.raises(TypeError, match=r"model: its attribute '0\.guard', a lock, cannot be copied; remove it"):
        lnb.Objective(model, samples())


def test_a_model_that_copies_itself_as_itself_is_refused():
    class Single(nn.Linear):
        def __deepcopy__(self, memo):
            return self

    model = Single(4, 3)
    with pytest.raises(TypeError, match="model: a copy of it shares 'weight' with it"):
        lnb.Objective(model, samples())
    assert model.training
    assert model.weight.requires_grad


def test_a_weight_normalized_recurrent_net_that_was_called_is_measured():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.utils.parametrizations.weight_norm(nn.LSTM(4, 5, batch_first=True), "weight_hh_l0")
            self.out = nn.Linear(5, 3)

        def forward(self, x):
            return self.out(self.rnn(x[:, None].expand(-1, 3, -1))[0][:, -1])

    model, (x, y) = seeded(Net), samples()
    model(x)
    objective = lnb.Objective(model, (x, y))
    found, direction = line(objective)
    wanted = []
    for alpha in ALPHAS:
        moved = seeded(Net)
        moved.load_state_dict(lnb.move(lnb.parameters_of(model), [direction], [alpha]))
        wanted.append(float(F.cross_entropy(moved(x), y).detach()))
    np.testing.assert_allclose(found.loss, wanted, rtol=1e-5)


def test_a_batch_that_the_model_does_not_take_is_named_at_once():
    class Squeezing(nn.Linear):
        def forward(self, x):
            return super().forward(x).squeeze()

    x, y = samples(9)
    loader = DataLoader(TensorDataset(x, (y > 0).float()), 4)
    with pytest.raises(ValueError, match=r"data: batch 3 of 3, .*\(1, 4\).*cannot be evaluated"):
        lnb.Objective(seeded(Squeezing, 4, 1), loader, F.binary_cross_entropy_with_logits)


@pytest.mark.parametrize("batch_norm", ["frozen", "recalibrate"])
def test_few_passes_are_made_when_an_objective_is_made(batch_norm):
    """Three calls of the model for the trial, one for the samples' values, one of the smallest batch."""
    calls = []
    model = seeded(nn.Sequential, nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
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


class Doubled(torch.autograd.Function):
    """Its backward pass says twice the slope."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


class StraightThrough(nn.Linear):
    def __init__(self, how):
        super().__init__(4, 3)
        self.how = how

    def forward(self, x):
        if self.how == "own backward":
            return Doubled.apply(super().forward(x))
        signs = self.weight + (self.weight.sign() - self.weight).detach()
        return F.linear(x, signs, self.bias)


@pytest.mark.parametrize("how", ["signs", "own backward"])
def test_a_gradient_that_is_not_the_losses_slope_is_said(how):
    objective = lnb.Objective(seeded(StraightThrough, how).double(), (samples()[0].double(), samples()[1]))
    with pytest.warns(UserWarning, match="objective: autograd's gradient says .*straight-through"):
        lnb.extreme_eigenvalues(objective)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].exp()


class Words(nn.Module):
    def __init__(self, embedding):
        super().__init__()
        self.embedding, self.out = embedding, nn.Linear(5, 3)

    def forward(self, words):
        vectors = self.embedding(words)
        return self.out(torch.tanh(vectors if vectors.ndim == 2 else vectors.mean(1)))


def words():
    return torch.randint(0, 7, (16, 4), generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3


def test_what_cannot_be_differentiated_twice_is_named():
    class Exponential(nn.Linear):
        def forward(self, x):
            return Once.apply(0.1 * super().forward(x))

    class Letters(nn.Linear):
        def forward(self, x):
            return super().forward(x).log_softmax(-1)

    def ctc(outputs, targets):
        return F.ctc_loss(outputs.transpose(0, 1), targets, torch.full((8,), 6), torch.full((8,), 2))

    speech = torch.randn(8, 6, 3), torch.randint(1, 5, (8, 2))
    refused = [
        (lnb.Objective(Words(nn.EmbeddingBag(7, 5)), words()), "EmbeddingBag 'embedding' has no second derivative"),
        (lnb.Objective(Letters(3, 5), speech, ctc), "criterion: the CTC loss has no second derivative"),
        (lnb.Objective(Exponential(4, 3), samples()), "marked @once_differentiable"),
    ]
    for objective, message in refused:
        with pytest.raises(ValueError, match=message):
            lnb.extreme_eigenvalues(objective)


def test_sparse_embeddings_have_the_curvature_of_dense_ones():
    ends = [
        lnb.extreme_eigenvalues(lnb.Objective(seeded(lambda s=sparse: Words(nn.Embedding(7, 5, sparse=s))), words()))
        for sparse in (True, False)
    ]
    assert ends[0].max == pytest.approx(ends[1].max, rel=1e-4)
    assert ends[0].min == pytest.approx(ends[1].min, rel=1e-2)


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


def test_a_view_of_a_weight_that_is_kept_is_refused():
    model = seeded(nn.Linear, 4, 3)
    model.flat = model.weight.data.view(-1)
    with pytest.raises(ValueError, match="model: its attribute 'flat' shares memory with the parameter 'weight'"):
        lnb.Objective(model, samples())


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


class Saving(torch.autograd.Function):
    """Swish, whose backward pass keeps the derivative as a number: right once, wrong twice."""

    @staticmethod
    def forward(ctx, x):
        s = x.sigmoid()
        ctx.save_for_backward(s * (1 + x * (1 - s)))
        return x * s

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0]


class Right(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].exp()


@pytest.mark.parametrize(("function", "wrong"), [(Saving, True), (Right, False)])
def test_backward_passes_of_ones_own_are_compared_with_differences(function, wrong):
    class Act(nn.Module):
        def forward(self, x):
            return function.apply(x)

    model = seeded(nn.Sequential, nn.Linear(4, 5), Act(), nn.Linear(5, 3)).double()
    objective = lnb.Objective(model, (samples()[0].double(), samples()[1]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        lnb.extreme_eigenvalues(objective)
    assert any("differ by" in str(warning.message) for warning in said) == wrong


def test_the_padding_row_of_an_embedding_curves_as_the_loss_does():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.out = nn.Embedding(6, 8, padding_idx=0, scale_grad_by_freq=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.out(self.words(x).mean(1).tanh())

    model = seeded(Net).double()
    words = torch.randint(0, 6, (40, 5), generator=torch.Generator().manual_seed(0))
    objective = lnb.Objective(model, (words, torch.arange(40) % 3))
    direction, step = {name: torch.randn_like(p) for name, p in objective.origin.items()}, 1e-3
    low, middle, high = lnb.evaluate_line(objective, direction, (-step, step), 3, progress=False).loss.values
    curvature = (low - 2 * middle + high) / (step * lnb.norm(direction)) ** 2
    assert lnb.curvature_along(objective, direction) == pytest.approx(curvature, rel=1e-3)


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


def test_chance_and_memory_behind_a_layer_of_zeros_are_seen():
    class Fresh(nn.Module):
        def __init__(self, chance):
            super().__init__()
            self.body, self.head, self.chance = nn.Linear(4, 20), nn.Linear(20, 3), chance
            nn.init.zeros_(self.head.weight)
            self.ledger = type("Ledger", (), {"step": 0})()

        def forward(self, x):
            self.ledger.step += 1
            hidden = self.body(x).tanh()
            return self.head(F.dropout(hidden) if self.chance else hidden * (1 + 1e-3 * self.ledger.step))

    with pytest.raises(ValueError, match="draws random numbers"):
        lnb.Objective(seeded(Fresh, True), samples())
    with pytest.raises(ValueError, match="called twice on one batch"):
        lnb.Objective(seeded(Fresh, False), samples())


class Annealing(nn.Module):
    """A loss that grows from call to call, in whatever way an object can remember."""

    def __init__(self, where):
        super().__init__()
        self.where, self.calls, self.seen, self.box = where, 0, [], {"calls": 0}
        self.register_buffer("total", torch.zeros(()))

    def forward(self, outputs, targets):
        value = F.cross_entropy(outputs, targets)
        before = {"number": self.calls, "list": len(self.seen), "dict": self.box["calls"], "buffer": self.total.clone()}
        if self.where == "number":
            self.calls += 1
        elif self.where == "list":
            self.seen.append(value)
        elif self.where == "dict":
            self.box["calls"] += 1
        else:
            self.total += value.detach()
        return value * (1 + before[self.where])


@pytest.mark.parametrize("where", ["number", "list", "dict", "buffer"])
@pytest.mark.parametrize("form", [lambda m: m, lambda m: m.forward, functools.partial])
def test_criteria_and_metrics_that_remember_begin_anew_and_stay_as_they_were(where, form):
    given, net, (x, y) = Annealing(where), seeded(nn.Linear, 4, 3), samples()
    with pytest.warns(UserWarning, match=r"criterion remembers earlier calls; .*|metrics\['again'\] remembers"):
        objective = lnb.Objective(net, (x, y), form(given), {"again": form(given)}, batch_size=10)
    expected = F.cross_entropy(net(x), y).item()
    for _ in range(2):
        assert objective() == pytest.approx({"loss": expected, "again": expected})
    assert_line(objective, lambda point: F.cross_entropy(F.linear(x, point["weight"], point["bias"]), y))
    assert (given.calls, given.seen, given.box, given.total.item()) == (0, [], {"calls": 0}, 0)
    same = lnb.Objective(net, (x, y), form(given), {"again": form(given)}, batch_size=10)
    assert same.fingerprint == objective.fingerprint


def test_a_measure_with_a_network_of_its_own_is_called_as_it_was_given():
    features, net, (x, y) = seeded(nn.Linear, 3, 2).requires_grad_(False), seeded(nn.Linear, 4, 3), samples()

    class Perceptual(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = features

        def forward(self, outputs, targets):
            return self.features(outputs).square().mean()

    criterion = Perceptual()
    objective = lnb.Objective(net, (x, y), criterion, batch_size=10)
    assert objective.evaluator.measures["loss"] is criterion
    assert objective()["loss"] == pytest.approx(criterion(net(x), y).item())
