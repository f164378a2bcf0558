"""The Hessian of the mean loss as a matrix that is only multiplied with.

A product Hv is the gradient of gᵀv, g the gradient (Pearlmutter, 1994): two backward passes and no
matrix. Batch norm uses its running statistics, as `Evaluator.batch_losses` does.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from landscape_nb._common.checks import check_kind
from landscape_nb._common.compat import fused_weight_norm
from landscape_nb._common.weakly import weakly_cached
from landscape_nb.engines import OneByOne, differentiable, plain_engine, wants_plain
from landscape_nb.hessian.gradient_checks import (
    compare_with_differences,
    compare_with_slope,
    graph_nodes,
    has_own_backward,
)
from landscape_nb.objective.gradient import gradient_at
from landscape_nb.objective.objective import Objective
from landscape_nb.objective.reductions import WEIGHTED
from landscape_nb.weights.filters import filters_of
from landscape_nb.weights.normalization import Direction, Ignore, check_ignore, is_ignored
from landscape_nb.weights.params import Params, check_params, flatten, unflatten

_SAME = 1e-4
_EMBEDDING = "input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"


class NotFiniteError(ValueError):
    """A loss or a Hessian-vector product is NaN or infinite."""


class NoSecondDerivativeError(ValueError):
    """Something in the model or the criterion cannot be differentiated twice."""


class HessianOperator(LinearOperator):
    """The Hessian in the parameters that `ignore` leaves, as a matrix that is only multiplied with.

    With a single batch of data the graph of its gradient is built once and kept for all products;
    with more it is rebuilt, batch by batch, at every product, so that memory holds one batch at a time.

    Scaled dot-product attention, weight normalization and sparse embeddings are computed by their plain formulas,
    the only ones that torch differentiates twice correctly.

    Attributes:
        chosen: The parameters that count, in the order of their entries in a vector.
        products: How many Hessian-vector products have been computed.
        engine: How the loss that is differentiated is computed.
    """

    def __init__(self, objective: Objective, params: Params, ignore: Ignore, engine: str = "auto"):
        self.objective, self.products = objective, 0
        _checked_gradient(objective)
        chosen = plain_engine(objective) if wants_plain(engine) else _differentiated(objective)
        self._differentiated, self.engine = chosen.evaluator, str(chosen.description)
        self.params = {name: params[name].detach() for name in objective.origin}
        filters = filters_of(objective.origin)
        self.chosen = {name: p for name, p in self.params.items() if not is_ignored(name, p, ignore, filters[name])}
        if not self.chosen:
            raise ValueError("ignore: it leaves no parameter")
        weights = flatten(self.chosen)
        self._weights = weights.to(torch.promote_types(weights.dtype, torch.float32)).requires_grad_()
        self._kept = []
        self._shares: list[float] = []
        super().__init__(torch.empty(0, dtype=self._weights.dtype).numpy().dtype, (len(weights), len(weights)))

    def vector(self, direction: Params) -> Float[np.ndarray, "n"]:
        """List the entries of a direction in the chosen parameters."""
        return flatten({name: direction[name] for name in self.chosen}).detach().cpu().numpy().astype(self.dtype)

    def direction(self, vector: Float[np.ndarray, "n"], **made: str | int | None) -> Direction:
        """Make the direction with these entries in the chosen parameters and zeros in all others."""
        entries = unflatten(torch.as_tensor(vector, device=self._weights.device), self.chosen)
        return Direction({name: entries.get(name, torch.zeros_like(p)) for name, p in self.params.items()}, **made)

    def _matvec(self, vector: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "n"]:
        self.products += 1
        v = torch.from_numpy(vector.reshape(-1).astype(self.dtype)).to(self._weights.device)
        product = torch.zeros_like(v)
        with _differentiably(self.objective):
            for gradient in self._gradients():
                if gradient.requires_grad:
                    keep = {"retain_graph": bool(self._kept), "materialize_grads": True}
                    product += torch.autograd.grad(gradient, self._weights, v, **keep)[0]
        if not torch.isfinite(product).all():
            raise NotFiniteError("params: the Hessian has NaN or infinite entries there")
        return product.cpu().numpy()

    def _gradients(self) -> Iterator[Float[Tensor, "n"]]:
        """Each batch's share of the gradient, differentiable."""
        yield from self._kept
        params = self.params | unflatten(self._weights, self.chosen)
        for share, loss in () if self._kept else self._losses(params):
            if not torch.isfinite(loss):
                raise NotFiniteError(f"params: the loss is {loss.item()} there")
            if not loss.requires_grad:
                raise ValueError("criterion: its loss has no gradient in the parameters that count")
            gradient = torch.autograd.grad(share * loss, self._weights, create_graph=True, materialize_grads=True)[0]
            if self.products == 1:
                _check_graph(gradient)
            if len(self._differentiated.data.batches) == self._differentiated.draws == 1:
                self._kept.append(gradient)
            yield gradient

    def _losses(self, params: Params) -> Iterator[tuple[float, Float[Tensor, ""]]]:
        """Each batch's share and loss; shares that take a pass over the data are found once."""
        if self.objective.reductions["loss"] != WEIGHTED:
            return self._differentiated.batch_losses(params)
        self._shares = self._shares or self._differentiated.loss_shares(self.params)
        return self._differentiated.batch_losses(params, self._shares)

    def _adjoint(self) -> "HessianOperator":  # pyrefly: ignore[bad-override]  (SciPy has no annotations)
        return self


class _PlainFormulas(TorchFunctionMode):
    """Computes by formula what torch's own function does not differentiate twice.

    The second derivative of the fused weight normalization is wrong. An embedding's gradient may leave out the
    padding's row, scale others, and be sparse: then it is not the gradient of the loss.
    """

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        kwargs = dict(kwargs or {})
        if function is fused_weight_norm:
            v, g, dim = (*args, 0)[:3]
            return v * (g / torch.norm_except_dim(v, 2, dim))
        if function is F.embedding:
            given = dict(zip(_EMBEDDING, args, strict=False)) | kwargs
            return function(**given | {"padding_idx": None, "scale_grad_by_freq": False, "sparse": False})
        return function(*args, **kwargs)


@contextmanager
def _differentiably(objective: Objective) -> Iterator[None]:
    """Compute what torch can differentiate twice; an error names what it cannot."""
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), _PlainFormulas():
            yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # torch's NotImplementedError is one too
        raise NoSecondDerivativeError(f"{_who_has_none(objective, str(error))} ({error})") from error


def _who_has_none(objective: Objective, error: str) -> str:
    """Which layer or loss cannot be differentiated twice, and what to do."""
    bags = [name for name, m in objective.model.named_modules() if isinstance(m, nn.EmbeddingBag)]
    if "embedding_bag" in error and bags:
        return f"model: EmbeddingBag {bags[0]!r} has no second derivative; nn.Embedding and a mean over words have one"
    if "ctc_loss" in error:
        return "criterion: the CTC loss has no second derivative; draw lines and planes instead"
    return "model: autograd cannot differentiate it twice; draw lines and planes instead"


def _check_graph(gradient: Tensor) -> None:
    """Raise where a gradient went through a function that is marked as differentiable once.

    torch itself raises only where the gradient passes its marker on to the weights, and it does not: the graph
    ends at the marker, and the missing part of the Hessian would be zero.
    """
    for node in graph_nodes(gradient):
        if node.name().endswith("Error"):
            raise NoSecondDerivativeError(
                "model: a torch.autograd.Function in it is marked @once_differentiable and has no second derivative; "
                "draw lines and planes instead"
            )


@weakly_cached
def _check_products(objective: Objective) -> None:
    """Compare a product with differences of gradients, once for an objective, if the model may have wrong ones."""
    if has_own_backward(objective):
        compare_with_differences(objective, HessianOperator(objective, objective.origin, None, "plain"))


@weakly_cached
def _checked_gradient(objective: Objective) -> Float[Tensor, "n"]:
    """The gradient at the origin; a warning where the loss has another slope."""
    with _differentiably(objective):
        gradient = gradient_at(objective.evaluator)
    compare_with_slope(objective, gradient)
    return gradient


@weakly_cached
def _differentiated(objective: Objective) -> OneByOne:
    """How the loss is computed that is differentiated: the fastest way that has the same gradient."""
    gradient = _checked_gradient(objective)
    return differentiable(
        objective.evaluator, lambda faster: bool(torch.dist(gradient, gradient_at(faster)) <= _SAME * gradient.norm())
    )


def hessian_operator(
    objective: Objective, params: Params | None = None, ignore: Ignore = "one-dimensional", engine: str = "auto"
) -> HessianOperator:
    """The Hessian of the mean loss at a point, for SciPy's iterative solvers.

    The mean is over samples, whatever the batches: the authors' code sums the means of the batches,
    which multiplies every eigenvalue by their number.

    Args:
        objective: Its loss is what is differentiated, in evaluation mode.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `normalize_direction`: tensors of one dimension, the
            names for which a function is True, or none (None).
        engine: `'auto'`, with batch norm folded where that is seen to have the same gradient, or `'plain'`.

    Returns:
        A `scipy.sparse.linalg.LinearOperator` that counts its `.products`, in the parameters' precision.

    Raises:
        TypeError: `objective` is not an `Objective`, or `params` is not a dict of tensors.
        ValueError: `params` does not fit the model, `ignore` leaves nothing, or the model writes to its weights
            when it is called. A product raises one if the loss or the product is not finite, or if a layer or
            the criterion has no second derivative.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> objective = Objective(model, (2 * torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> hessian_operator(objective) @ np.array([1.0, 3.0])
        array([ 4., 12.], dtype=float32)

    Source: Pearlmutter (1994); Li et al. (2018), section 6.
    """
    check_kind("objective", objective, Objective, "an Objective")
    check_ignore(ignore)
    if untracked := objective.evaluator.forward.plain.findings.untracked:
        names = ", ".join(map(repr, untracked))
        raise ValueError(
            f"objective: its model writes {names} when it is called, unseen by autograd, so that the Hessian would be "
            "another function's; compute the weight that is used from the parameter, without writing to it"
        )
    params = objective.origin if params is None else params
    check_params("params", params, objective.origin)
    with _differentiably(objective):
        _check_products(objective)
    return HessianOperator(objective, params, ignore, engine)


def hessian_vector_product(
    objective: Objective,
    direction: Params,
    params: Params | None = None,
    ignore: Ignore = "one-dimensional",
    engine: str = "auto",
) -> Direction:
    """The Hessian of the mean loss times a direction.

    Args:
        objective: Its loss is what is differentiated.
        direction: The direction, keyed like `objective.origin`; its ignored tensors do not count.
        params: The point; default the objective's origin.
        ignore: Parameters held constant, as in `hessian_operator`.
        engine: As in `hessian_operator`.

    Returns:
        The product; ignored tensors are zero.

    Raises:
        ValueError: `direction` or `params` does not fit the model, or the product is not finite.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> objective = Objective(model, (2 * torch.eye(2), torch.zeros(2, 1)), torch.nn.functional.mse_loss)
        >>> ones = {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
        >>> dict(hessian_vector_product(objective, ones))
        {'weight': tensor([[4., 4.]]), 'bias': tensor([0.])}

    Source: Pearlmutter (1994).
    """
    operator = hessian_operator(objective, params, ignore, engine)
    check_params("direction", direction, objective.origin)
    return operator.direction(operator @ operator.vector(direction), kind="Hessian product", normalization="none")
