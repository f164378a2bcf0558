"""Products with the Hessian against the dense one, differences of gradients and curvlinops."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from curvlinops import HessianLinearOperator
from helpers import batch_norm_net, dense_hessian, random_vector, small_data, small_net, small_objective
from torch import nn

import landscape_nb as lnb
from landscape_nb.hessian.extremes import curvature_along
from landscape_nb.hessian.operator import hessian_operator, hessian_vector_product


@pytest.mark.parametrize("sizes", [(7, 30, 13), (50,)], ids=["three unequal batches", "one batch"])
@pytest.mark.parametrize("ignore", ["one-dimensional", None])
def test_products_are_those_of_the_dense_hessian(sizes, ignore):
    operator = hessian_operator(small_objective(sizes=sizes), ignore=ignore)
    dense = dense_hessian(small_net(), ignore_biases=ignore is not None)
    assert operator.dtype == np.float64
    assert operator.shape == dense.shape
    for seed in range(3):
        v = random_vector(len(dense), seed)
        np.testing.assert_allclose(operator @ v, dense @ v, rtol=1e-9, atol=1e-12)
    assert operator.products == 3
    np.testing.assert_allclose(operator.T @ v, dense @ v, rtol=1e-9, atol=1e-12)


def test_products_are_differences_of_gradients_and_hold_ignored_tensors():
    objective = small_objective()
    direction = lnb.random_directions(objective.origin, 1, normalize="none", seed=1)[0]
    product = hessian_vector_product(objective, direction)

    def gradient(step):
        point = lnb.move(objective.origin, [direction], [step])
        leaves = {name: tensor.requires_grad_() for name, tensor in point.items()}
        loss = sum(share * loss for share, loss in objective.evaluator.batch_losses(leaves))
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    ahead, behind = gradient(1e-5), gradient(-1e-5)
    for name, tensor in product.items():
        if tensor.ndim == 1:
            assert not tensor.any()
        else:
            assert torch.allclose(tensor, (ahead[name] - behind[name]) / 2e-5, rtol=1e-5, atol=1e-8)


def test_a_function_of_the_name_chooses_parameters():
    dense = dense_hessian(small_net())
    operator = hessian_operator(small_objective(), ignore=lambda name: name != "3.weight")
    v = random_vector(12)
    np.testing.assert_allclose(operator @ v, dense[-12:, -12:] @ v, rtol=1e-9)
    direction = operator.direction(v, kind="mine")
    assert direction.made == {"kind": "mine"}
    assert [name for name, tensor in direction.items() if tensor.any()] == ["3.weight"]
    np.testing.assert_array_equal(operator.vector(direction), v)


def test_products_of_a_batch_norm_net_are_those_of_curvlinops():
    model, (images, labels) = batch_norm_net().double(), small_data()
    data = [(images[:20].double(), labels[:20]), (images[20:].double(), labels[20:])]
    params = [p for p in model.parameters() if p.ndim > 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = HessianLinearOperator(model, nn.CrossEntropyLoss(), params, data, check_deterministic=False)
        v = random_vector(theirs.shape[0])
        wanted = (theirs @ torch.from_numpy(v)).detach().numpy()
    np.testing.assert_allclose(hessian_operator(lnb.Objective(model, data)) @ v, wanted, rtol=1e-8, atol=1e-12)


def test_a_transformer_is_differentiated_twice():
    torch.manual_seed(0)
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(24, 3))
    objective = lnb.Objective(model.double(), (torch.randn(9, 3, 8).double(), torch.arange(9) % 3))
    direction = lnb.random_directions(model, 1, ignore=None)[0]
    losses = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (-1e-4, 0, 1e-4)]
    second = (losses[0] - 2 * losses[1] + losses[2]) / 1e-8 / lnb.dot(direction, direction)
    assert curvature_along(objective, direction) == pytest.approx(second, rel=1e-3)


class HalfFrozen(torch.nn.Module):
    """Its first convolution counts as a constant: a replay of its calls would differentiate it."""

    def __init__(self, frozen):
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3)
        self.second, self.frozen = torch.nn.Conv2d(3, 4, 3), frozen

    def forward(self, x):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            y = self.norm(self.first(x))
        return self.second(torch.tanh(y)).mean((2, 3))


@pytest.mark.parametrize("frozen", [False, True])
def test_folded_batch_norm_has_the_dense_hessian(frozen):
    torch.manual_seed(0)
    model = HalfFrozen(frozen)
    with torch.no_grad():
        model.train()(3 * torch.randn(50, 1, 6, 6) + 1)
    data = torch.randn(12, 1, 6, 6), torch.arange(12) % 4
    operator = lnb.hessian_operator(lnb.Objective(model, data, batch_size=5), ignore=None)
    params = {name: p.detach() for name, p in model.eval().named_parameters()}
    sizes = [p.numel() for p in params.values()]

    def loss(vector):
        parts = zip(params.items(), vector.split(sizes), strict=True)
        outputs = torch.func.functional_call(model, {name: part.view(p.shape) for (name, p), part in parts}, data[0])
        return F.cross_entropy(outputs, data[1])

    dense = torch.autograd.functional.hessian(loss, torch.cat([p.flatten() for p in params.values()]))
    np.testing.assert_allclose(
        operator @ np.eye(len(dense), dtype=np.float32), dense, atol=2e-5 * float(dense.abs().max())
    )
    assert (operator._differentiated is operator.objective.evaluator) == frozen
