"""What a filter is, against what autograd says an output channel is made of; and what batch norm cancels."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

import landscape_nb as lnb


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


class Conv1D(nn.Module):
    """GPT-2's layer, by its formula; the real one is only there if transformers is."""

    def __init__(self, outputs: int, inputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


Conv1D.__module__ = "transformers.pytorch_utils"


class Mixing(nn.Module):
    """A layer of the reader's own, with filters along the last dimension."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(torch.randn(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.mix


def convolution(kind: str, dims: int, groups: int) -> tuple[nn.Module, tuple[int, ...]]:
    return getattr(nn, f"{kind}{dims}d")(4, 6, 3, groups=groups), (2, 4, *[5] * dims)


CONVOLUTIONS = [
    pytest.param(*convolution(kind, dims, groups), id=f"{kind}{dims}d-{groups}")
    for kind in ("Conv", "ConvTranspose")
    for dims in (1, 2, 3)
    for groups in (1, 2)
]
LAYERS = [
    *CONVOLUTIONS,
    pytest.param(nn.ConvTranspose2d(4, 4, 3, groups=4), (2, 4, 5, 5), id="depthwise"),
    pytest.param(nn.Linear(4, 6), (2, 4), id="Linear"),
    pytest.param(Conv1D(6, 4), (2, 4), id="Conv1D"),
]


def assert_filters_have_the_weights_norms(layer: nn.Module, x: Tensor, direction: dict) -> None:
    """A filter is what the gradient of an output channel reaches."""
    outputs = layer(x).movedim(-1 if x.ndim == 2 else 1, 0)
    for channel in outputs:
        (gradient,) = torch.autograd.grad(channel.square().sum(), layer.weight, retain_graph=True)
        reached = gradient != 0
        assert 0 < reached.sum() < reached.numel()
        torch.testing.assert_close(direction["weight"][reached].norm(), layer.weight[reached].norm())


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_the_filter_of_an_output_channel_is_what_makes_it(layer, shape):
    torch.manual_seed(0)
    nn.init.normal_(layer.weight)
    with torch.no_grad():
        layer.weight *= torch.logspace(-1, 1, layer.weight.shape[0]).view(-1, *[1] * (layer.weight.ndim - 1))
    (direction,) = lnb.random_directions(layer, 1)
    assert_filters_have_the_weights_norms(layer, torch.randn(shape), direction)
    weights = lnb.parameters_of(layer)
    assert lnb.relative_steps(direction, weights) == pytest.approx((1, 1), rel=1e-5)
    (raw,) = lnb.random_directions(layer, 1, normalize="none")
    low, high = lnb.relative_steps(raw, layer)
    assert high > 1.5 * low


@pytest.mark.parametrize("channel", [0, 3, 5])
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_a_dead_filter_has_the_number_of_its_output_channel(layer, shape, channel):
    channel = min(channel, layer(torch.randn(shape)).shape[-1 if len(shape) == 2 else 1] - 1)
    layer = copy.deepcopy(layer)
    outputs = layer(torch.randn(shape)).movedim(-1 if len(shape) == 2 else 1, 0)
    (gradient,) = torch.autograd.grad(outputs[channel].square().sum(), layer.weight)
    with torch.no_grad():
        layer.weight[gradient != 0] = 0
    nn.init.ones_(layer.bias)
    assert lnb.dead_filters(layer) == {"weight": [channel]}


def batch_normed(layer: nn.Module, shape: tuple[int, ...], channels: int) -> nn.Module:
    norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)]
    torch.manual_seed(0)
    model = nn.Sequential(copy.deepcopy(layer), norm(channels), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    model(torch.randn(16, *shape[1:]))
    return model.eval()


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_a_scale_that_batch_norm_cancels_does_not_change_the_line(layer, shape):
    x = torch.randn(12, *shape[1:])
    outputs = layer(x).movedim(-1 if x.ndim == 2 else 1, 0)
    model = batch_normed(layer, shape, len(outputs))
    factors = torch.logspace(-1, 1, len(outputs))
    scaled = copy.deepcopy(model)
    for factor, channel in zip(factors, outputs, strict=True):
        (gradient,) = torch.autograd.grad(channel.square().sum(), layer.weight, retain_graph=True)
        with torch.no_grad():
            scaled[0].weight[gradient != 0] *= factor
    with torch.no_grad():
        scaled[0].bias *= factors
        scaled[1].running_mean *= factors
        scaled[1].running_var.copy_(factors**2 * (model[1].running_var + model[1].eps) - model[1].eps)
        torch.testing.assert_close(scaled(x), model(x), rtol=1e-3, atol=1e-4)
    data = x, torch.arange(12) % 3
    lines = {}
    for method in ("filter", "layer"):
        for name, net in (("before", model), ("after", scaled)):
            (direction,) = lnb.random_directions(net, 1, method)
            line = lnb.evaluate_line(lnb.Objective(net, data), direction, resolution=5, progress=False)
            lines[method, name] = line.loss.values
            assert line.attrs["relative_steps"] == pytest.approx([1, 1], rel=1e-4)
    np.testing.assert_allclose(lines["filter", "after"], lines["filter", "before"], rtol=1e-3)
    assert np.abs(lines["layer", "after"] / lines["layer", "before"] - 1).max() > 1e-2


def test_hugging_faces_layer_is_known():
    real = pytest.importorskip("transformers.pytorch_utils", reason="transformers is not installed").Conv1D(6, 4)
    assert lnb.random_directions(real, 1)[0].made["filter_dim"] == {"weight": 1}


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.Bilinear(3, 4, 5), ["weight"]),
        (nn.Embedding(7, 3), ["weight"]),
        (nn.LSTM(3, 4, 2, proj_size=2), ["weight_ih_l0", "weight_hh_l1", "weight_hr_l0"]),
        (nn.GRU(3, 4), ["weight_ih_l0", "weight_hh_l0"]),
        (nn.MultiheadAttention(4, 2), ["in_proj_weight", "out_proj.weight"]),
        (Mixing(), ["mix"]),
    ],
)
def test_other_tensors_have_their_filters_along_dimension_0(layer, names):
    (direction,) = lnb.random_directions(layer, 1)
    for name in names:
        rows = [tensor.flatten(1).norm(dim=1) for tensor in (direction[name], layer.get_parameter(name).detach())]
        torch.testing.assert_close(*rows)
    assert "filter_dim" not in direction.made
    assert type(lnb.parameters_of(layer)) is dict


RULES = [{"mix": 1}, {"m*": -1}, {Mixing: 1}, {"mix": 1, "*": 0}, lambda name, tensor: 1 if name == "mix" else None]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_says_where_filters_are(rule):
    model = Mixing()
    (direction,) = lnb.random_directions(model, 1, filter_dim=rule)
    torch.testing.assert_close(direction["mix"].norm(dim=0), model.mix.detach().norm(dim=0))
    assert direction.made["filter_dim"] == {"mix": 1}
    assert lnb.relative_steps(direction, model) == pytest.approx((1, 1), rel=1e-5)
    known = lnb.parameters_of(model, rule)
    for steps in (lnb.relative_steps(dict(direction), model, filter_dim=rule), lnb.relative_steps(direction, known)):
        assert steps == pytest.approx((1, 1), rel=1e-5)
    low, high = lnb.relative_steps(dict(direction), model)
    assert high > 1.1 * low
    raw = lnb.random_directions(model, 1, "none")[0]
    for again in (lnb.normalize_direction(raw, model, filter_dim=rule), lnb.normalize_direction(raw, known)):
        torch.testing.assert_close(again["mix"], direction["mix"])
    with torch.no_grad():
        model.mix[:, 2] = 0
    assert lnb.dead_filters(model, filter_dim=rule) == {"mix": [2]}


def test_a_plane_along_a_rules_directions_knows_them_and_repeats_them():
    model = Mixing()
    objective = lnb.Objective(model, (torch.randn(8, 3), torch.arange(8) % 5))
    directions = lnb.random_directions(model, 2, filter_dim={Mixing: 1}, orthogonal=True)
    plane = lnb.evaluate_plane(objective, directions, resolution=3, repeats=2, progress=False)
    assert plane.attrs["relative_steps"] == pytest.approx([1, 1], rel=1e-4)
    later = lnb.random_directions(model, 4, filter_dim={Mixing: 1})[2]
    corner = objective(lnb.move(objective.origin, [later], [1.0]))["loss"]
    single = lnb.evaluate_line(objective, lnb.random_directions(model, 1, filter_dim={Mixing: 1})[0], repeats=3)
    assert float(single.loss[2, -1]) == pytest.approx(corner, rel=1e-5)


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (1, TypeError, "filter_dim: got int, wants a dict"),
        (Mixing, TypeError, "filter_dim: got the class Mixing"),
        ({3: 1}, TypeError, "filter_dim: got a key 3"),
        ({"mux": 1}, ValueError, "filter_dim: 'mux' fits no parameter"),
        ({nn.Conv2d: 1}, ValueError, "fits no parameter of two dimensions"),
        ({"mix": 2}, ValueError, r"filter_dim: got 2 for 'mix', wants a dimension of its shape \(3, 5\)"),
        ({"mix": True}, ValueError, "filter_dim: got True"),
        (lambda name, tensor: 0.5, ValueError, "filter_dim: got 0.5"),
    ],
)
def test_rules_that_do_not_fit_are_named(rule, error, message):
    for call in (lnb.parameters_of, lnb.dead_filters, lambda m, r: lnb.random_directions(m, 1, filter_dim=r)):
        with pytest.raises(error, match=message):
            call(Mixing(), rule)


def test_a_class_needs_a_model():
    with pytest.raises(ValueError, match="filter_dim: got the class Mixing, which needs a model"):
        lnb.dead_filters(dict(lnb.parameters_of(Mixing())), {Mixing: 1})


def test_a_point_carries_its_filters_and_a_plain_dict_does_not():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    weights, raw = lnb.parameters_of(layer), lnb.random_directions(layer, 1, "none")[0]
    right = lnb.normalize_direction(raw, weights)
    along_0 = lnb.normalize_direction(dict(raw), dict(weights))["weight"]
    torch.testing.assert_close(along_0.flatten(1).norm(dim=1), weights["weight"].flatten(1).norm(dim=1))
    objective = lnb.Objective(layer, (torch.randn(2, 4, 5, 5), torch.zeros(2, 6, 7, 7)), nn.functional.mse_loss)
    moved = lnb.move(weights, [lnb.scale(raw, 0.0)], [1.0])
    read = io.BytesIO()
    torch.save(weights, read)
    read.seek(0)
    loaded = torch.load(read, weights_only=True)
    copies = [copy.deepcopy(weights), pickle.loads(pickle.dumps(weights)), loaded, lnb.add(moved, lnb.scale(raw, 0.0))]
    for point in (objective.origin, moved, *copies, layer):
        torch.testing.assert_close(lnb.normalize_direction(dict(raw), point)["weight"], right["weight"])
    path = [lnb.add(weights, lnb.scale(raw, step)) for step in (2.0, 1.0, 0.0)]
    component = lnb.pca_directions(path, 1)
    scaled = lnb.normalize_direction(component.directions[0], component.origin)
    assert lnb.relative_steps(scaled, layer) == pytest.approx((1, 1), rel=1e-4)
    gradient = torch.func.grad(lambda params: sum(t.square().sum() for t in params.values()))(objective.origin)
    torch.testing.assert_close(gradient["weight"], 2 * weights["weight"])


def test_a_copied_direction_knows_its_filters_and_how_it_was_made():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    weights, raw = lnb.parameters_of(layer), lnb.random_directions(layer, 1, "none")[0]
    right = lnb.normalize_direction(raw, weights)["weight"]
    for same in (raw.copy(), copy.copy(raw), copy.deepcopy(raw)):
        assert isinstance(same, lnb.Direction)
        assert same.made == raw.made
        torch.testing.assert_close(lnb.normalize_direction(same, dict(weights))["weight"], right)
    bias = {"bias": torch.ones(6)}
    for changed in (raw | bias, {"bias": raw["bias"], "weight": raw["weight"]} | raw, raw | {}):
        torch.testing.assert_close(lnb.normalize_direction(changed, dict(weights))["weight"], right)
    assert (raw | bias)["bias"] is bias["bias"]
    assert not hasattr(raw | bias, "made")
    with pytest.raises(TypeError, match="unsupported operand"):
        raw | [1]


def test_a_shallow_copy_of_a_point_knows_its_filters():
    weights = lnb.parameters_of(nn.ConvTranspose2d(4, 6, 3))
    assert copy.copy(weights).filters == weights.filters == {"weight": {"dim": 1}}


def test_the_same_point_in_a_plain_dict_is_the_same_plane(tmp_path):
    layer = nn.Sequential(nn.ConvTranspose1d(2, 3, 2), nn.Flatten(), nn.Linear(12, 2))
    objective = lnb.Objective(layer, (torch.randn(4, 2, 3), torch.arange(4) % 2))
    (direction,) = lnb.random_directions(layer, 1)
    for origin in (lnb.parameters_of(layer), dict(lnb.parameters_of(layer))):
        line = lnb.evaluate_line(objective, direction, resolution=3, origin=origin, store=tmp_path / "line")
        assert line.attrs["relative_steps"] == pytest.approx([1, 1], rel=1e-4)


def test_tied_weights_have_the_filters_of_their_first_module():
    encoder, decoder = nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 3, 3)
    decoder.weight = encoder.weight
    assert "filter_dim" not in lnb.random_directions(nn.Sequential(encoder, decoder), 1)[0].made
    made = lnb.random_directions(nn.Sequential(decoder, encoder), 1)[0].made
    assert made["filter_dim"] == {"0.weight": 1}


PRUNED = [
    (nn.Linear(20, 6), 0),
    (nn.Conv2d(4, 6, 3), 0),
    (nn.ConvTranspose2d(4, 6, 3), 1),
]


@pytest.mark.parametrize("method", ["filter", "layer", "weight", "unit-filter", "unit-layer", "none"])
@pytest.mark.parametrize(("layer", "dim"), PRUNED)
def test_a_pruned_filter_has_the_norm_of_what_is_left(layer, dim, method):
    layer, plain = copy.deepcopy(layer), copy.deepcopy(layer)
    for net in (layer, plain):
        prune.l1_unstructured(net, "weight", amount=0.7)
    prune.remove(plain, "weight")
    mask = layer.weight_mask
    (pruned,), (other,) = (lnb.random_directions(net, 1, method) for net in (layer, plain))
    assert not pruned["weight_orig"][mask == 0].any()
    assert pruned.made["pruned"] == {"weight_orig": int((mask == 0).sum())}
    kept = lnb.normalize_direction({"weight": other["weight"] * mask, "bias": other["bias"]}, plain, method)
    if method in ("none", "weight"):
        kept["weight"] = other["weight"] * mask
    torch.testing.assert_close(pruned["weight_orig"], kept["weight"])
    if method in ("filter", "layer"):
        assert lnb.relative_steps(pruned, layer, method) == pytest.approx((1, 1), rel=1e-5)
        over = [d for d in range(mask.ndim) if d != dim]
        norms = [torch.linalg.vector_norm(t, dim=over) for t in (pruned["weight_orig"], layer.weight.detach())]
        assert method == "layer" or torch.allclose(*norms, rtol=1e-5)


def test_a_filter_that_is_pruned_away_is_dead():
    layer = nn.Conv2d(3, 5, 3)
    prune.ln_structured(layer, "weight", amount=2, n=2, dim=0)
    gone = (layer.weight.flatten(1).norm(dim=1) == 0).nonzero().flatten().tolist()
    assert lnb.dead_filters(layer) == {"weight_orig": gone}
    assert lnb.random_directions(layer, 1)[0].made["dead_filters"] == 2


def test_the_line_of_a_pruned_network_is_that_of_the_network_with_zeros():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    plain = copy.deepcopy(model)
    for net in (model, plain):
        prune.l1_unstructured(net[0], "weight", amount=0.5)
    prune.remove(plain[0], "weight")
    data = torch.randn(10, 6), torch.arange(10) % 3
    (direction,) = lnb.random_directions(model, 1)
    renamed = {name.replace("weight_orig", "weight"): direction[name] for name in direction}
    lines = [
        lnb.evaluate_line(lnb.Objective(net, data), d, resolution=5, progress=False).loss.values
        for net, d in ((model, direction), (plain, renamed))
    ]
    np.testing.assert_allclose(*lines, rtol=1e-5)


def old_weight_norm(layer: nn.Module) -> nn.Module:
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(layer)


NORMED = [
    (parametrizations.weight_norm, "parametrizations.weight.original1", "WeightNorm"),
    (old_weight_norm, "weight_v", "WeightNorm"),
    (parametrizations.spectral_norm, "parametrizations.weight.original", "SpectralNorm"),
    (nn.utils.spectral_norm, "weight_orig", "SpectralNorm"),
]


@pytest.mark.parametrize(("wrap", "name", "kind"), NORMED)
def test_weights_that_are_computed_are_said(wrap, name, kind):
    layer = wrap(nn.Conv2d(3, 5, 3))
    with pytest.warns(UserWarning, match=f"'{name}' is not a weight: {kind} computes one") as caught:
        (direction,) = lnb.random_directions(layer, 1)
    assert len(caught) == 1
    assert direction.made["computed"] == {name: kind}
    with pytest.warns(UserWarning, match="remove_parametrizations"):
        lnb.normalize_direction(direction, layer)


def test_weight_norms_magnitudes_stay_put_like_batch_norms():
    layer = parametrizations.weight_norm(nn.ConvTranspose2d(3, 5, 3), dim=1)
    g, v = "parametrizations.weight.original0", "parametrizations.weight.original1"
    assert lnb.parameters_of(layer)[g].shape == (1, 5, 1, 1)
    with pytest.warns(UserWarning, match="is not a weight"):
        (direction,) = lnb.random_directions(layer, 1)
    assert not direction[g].any()
    weights = lnb.parameters_of(layer)
    torch.testing.assert_close(*(point[v].transpose(0, 1).flatten(1).norm(dim=1) for point in (direction, weights)))
    with pytest.warns(UserWarning, match="and 1 more"):
        assert lnb.random_directions(layer, 1, ignore=None)[0][g].any()
    objective = lnb.Objective(layer, (torch.randn(2, 3, 4, 4), torch.zeros(2, 5, 6, 6)), nn.functional.mse_loss)
    assert lnb.hessian_operator(objective).chosen.keys() == {v}
    remove_parametrizations(layer, "weight")
    assert "computed" not in lnb.random_directions(layer, 1)[0].made


class Doubled(nn.Module):
    """A parametrization of the reader's own."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def test_a_parametrization_of_a_transposed_convolution_has_its_filters():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    register_parametrization(layer, "weight", Doubled())
    with pytest.warns(UserWarning, match="Doubled computes one"):
        (direction,) = lnb.random_directions(layer, 1)
    plain = nn.ConvTranspose2d(4, 6, 3, groups=2)
    plain.weight = nn.Parameter(layer.parametrizations.weight.original.detach().clone())
    wanted = lnb.normalize_direction(
        {"weight": direction["parametrizations.weight.original"], "bias": direction["bias"]}, plain
    )
    torch.testing.assert_close(direction["parametrizations.weight.original"], wanted["weight"])
    assert direction.made["filter_dim"] == {"parametrizations.weight.original": 1}


@pytest.mark.parametrize(("layer", "shape"), LAYERS[:-1])
def test_rescaling_takes_all_layers_with_filters(layer, shape):
    x = torch.randn(6, *shape[1:])
    model = batch_normed(layer, shape, layer(x).shape[1])
    scaled = lnb.rescale_batch_norm(model, "0", "1", 8.0)
    torch.testing.assert_close(scaled(x), model(x), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(scaled[0].weight, 8 * model[0].weight)


def test_layers_that_cannot_be_rescaled_are_named():
    pruned = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    prune.l1_unstructured(pruned[0], "weight", amount=1)
    with pytest.raises(ValueError, match="first: the weight of '0' is computed"):
        lnb.rescale_relu(pruned, "0", "2", 2.0)
    tied = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 3))
    tied[3].weight = tied[2].weight
    with pytest.raises(ValueError, match="second: the weight of '2' is shared by '2', '3'"):
        lnb.rescale_relu(tied, "0", "2", 2.0)
    free = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False))
    with pytest.raises(ValueError, match="norm: '1' keeps no running statistics"):
        lnb.rescale_batch_norm(free, "0", "1", 2.0)
