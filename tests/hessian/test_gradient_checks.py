"""Gradients and products that are not those of the loss are said; right ones are not."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import dense_hessian, samples, seeded, small_net, small_objective
from torch import nn

import landscape_nb as lnb
from landscape_nb.hessian.gradient_checks import (
    compare_with_differences,
    compare_with_slope,
    graph_nodes,
)
from landscape_nb.objective.gradient import gradient_at


def test_the_nodes_of_a_graph_are_each_given_once():
    x = torch.ones(2, requires_grad=True)
    doubled = 2 * x
    names = sorted(type(node).__name__ for node in graph_nodes((doubled * doubled).sum()))
    assert names == ["AccumulateGrad", "MulBackward0", "MulBackward0", "SumBackward0"]
    assert list(graph_nodes(torch.ones(2))) == []


def test_a_right_gradient_is_not_complained_of_and_one_of_another_function_is():
    objective = small_objective()
    gradient = gradient_at(objective.evaluator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_with_slope(objective, gradient)
    one_tensor = gradient.clone()
    one_tensor[:192] *= 3  # of the first layer's weights alone
    small = gradient.clone()
    small[-4:] *= -1  # of the last biases, whose share of the slope along the whole gradient is only 4 %
    for wrong in (1.5 * gradient, one_tensor, small):
        with pytest.warns(UserWarning, match="autograd's gradient says"):
            compare_with_slope(objective, wrong)


def test_products_are_compared_with_how_the_gradient_changes():
    class Operator:
        """A dense Hessian, times a factor."""

        dtype, shape = np.dtype(np.float64), (211, 211)

        def __init__(self, factor):
            self.matrix = factor * dense_hessian(small_net(), ignore_biases=False)

        def __matmul__(self, vector):
            return self.matrix @ vector

        def direction(self, vector):
            return objective_direction(torch.from_numpy(vector))

    objective = small_objective()

    def objective_direction(vector):
        parts = vector.split([p.numel() for p in objective.origin.values()])
        return {name: part.view(p.shape) for (name, p), part in zip(objective.origin.items(), parts, strict=True)}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_with_differences(objective, Operator(1.0))
    with pytest.warns(UserWarning, match="products with the Hessian differ by 20%"):
        compare_with_differences(objective, Operator(1.2))


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

    model = seeded(lambda: nn.Sequential(nn.Linear(4, 5), Act(), nn.Linear(5, 3))).double()
    objective = lnb.Objective(model, (samples()[0].double(), samples()[1]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        lnb.extreme_eigenvalues(objective)
    assert any("differ by" in str(warning.message) for warning in said) == wrong
