"""What is measured at a point of weight space: the mean loss and metrics of a model on data."""

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, Dataset

from landscape_nb.datasets import ImageData
from landscape_nb.parameters import Params, check_params, parameters_of
from landscape_nb.provenance import fingerprint

Measure = Callable[[Any, Any], Tensor]
Buffers = dict[str, Shaped[Tensor, "..."]]
BATCH_NORM = ("frozen", "recalibrate")


def accuracy(outputs: Float[Tensor, "n classes"], targets: Int[Tensor, "n"]) -> Float[Tensor, ""]:
    """The fraction of samples whose highest score is the target's.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).item()
        0.5
    """
    return (outputs.argmax(-1) == targets).float().mean()


class Objective:
    """The loss, and more if asked for, as a function of a model's weights.

    The model is copied, in evaluation mode, and the data are read, once, here: nothing that happens
    afterwards touches the caller's model, and every point sees the same samples even if a loader
    shuffles or augments.

    Args:
        model: Any module.
        data: A pair of tensors (inputs, targets), an `ImageData` (its training part counts), or an
            iterable of batches such as a `DataLoader`. A batch that is a pair is read as (inputs,
            targets); any other tuple, list or dict needs `forward`.
        criterion: `criterion(outputs, targets)`, the mean loss of a batch; for a batch that is no
            pair, `criterion(outputs, batch)`.
        metrics: Further measures by name, called like `criterion`.
        batch_size: Samples evaluated at once, when `data` is a pair of tensors.
        batch_norm: `'frozen'` keeps the running statistics of the model's own weights everywhere, as
            the paper does; `'recalibrate'` computes them anew from the data at each point.
        forward: `forward(model, batch)`, the outputs of a batch; default `model(inputs)`.
        device: Where to compute; default where the model's parameters are.

    Raises:
        TypeError: `model` or `data` is of no such kind.
        ValueError: No samples, non-finite weights, an unknown `batch_norm`, or a first batch that
            model, criterion or metrics do not take.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> nn.init.constant_(model.weight, 2.0).item()
        2.0
        >>> objective = Objective(model, (torch.ones(3, 1), torch.zeros(3, 1)), criterion=F.mse_loss)
        >>> objective()
        {'loss': 4.0}
        >>> objective({"weight": torch.tensor([[3.0]])})
        {'loss': 9.0}
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        criterion: Measure = F.cross_entropy,
        metrics: Mapping[str, Measure] | None = None,
        batch_size: int = 256,
        batch_norm: str = "frozen",
        forward: Callable[[nn.Module, Any], Any] | None = None,
        device: torch.device | str | None = None,
    ):
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: got {type(model).__name__}, wants a torch.nn.Module")
        if batch_norm not in BATCH_NORM:
            raise ValueError(f"batch_norm: got {batch_norm!r}, wants one of {', '.join(map(repr, BATCH_NORM))}")
        if "loss" in (metrics or {}):
            raise ValueError("metrics: the name 'loss' is the criterion's")
        self.batch_norm, self.forward = batch_norm, forward
        self.measures: dict[str, Measure] = {"loss": criterion, **(metrics or {})}
        device = device or next((p.device for p in model.parameters()), torch.device("cpu"))
        self.model = copy.deepcopy(model).to(device).eval().requires_grad_(False)
        self.origin: Params = parameters_of(self.model)
        if not self.origin:
            raise ValueError("model: it has no parameters")
        check_params("model", self.origin, self.origin)
        with preserved_rng():
            self.batches = [_to(batch, device) for batch in _batches(data, batch_size)]
        self.counts = [_count(batch) for batch in self.batches]
        self.samples = sum(self.counts)
        if not self.samples:
            raise ValueError("data: got no samples")
        self._try_first_batch()

    def __call__(self, params: Params | None = None, buffers: Buffers | None = None) -> dict[str, float]:
        """Measure at a point.

        Args:
            params: The point, keyed and shaped like `origin`, which is the default.
            buffers: Batch norm's running statistics and other buffers; default the model's own.

        Returns:
            The mean over all samples of the loss and of each metric. What is not finite stays so.

        Raises:
            ValueError: `params` does not fit the model.
        """
        params = self.origin if params is None else params
        if params is not self.origin:
            _check_point(params, self.origin)
        totals = dict.fromkeys(self.measures, 0.0)
        with torch.no_grad(), preserved_rng():
            state = self._state(params, buffers)
            for batch, count in zip(self.batches, self.counts, strict=True):
                for name, value in self._measure(state, batch).items():
                    totals[name] += count * float(value)
        return {name: total / self.samples for name, total in totals.items()}

    def batch_losses(self, params: Params) -> Iterator[tuple[float, Float[Tensor, ""]]]:
        """The mean loss of each batch at a point, differentiable in `params`, and the batch's share of the samples.

        The loss at the point is the sum of share · loss. Batch norm uses its running statistics.

        Args:
            params: The point; entries that are to be differentiated require gradients.

        Example:
            >>> objective = Objective(nn.Linear(1, 1), (torch.ones(3, 1), torch.zeros(3, 1)), F.mse_loss, batch_size=2)
            >>> [round(share, 2) for share, _ in objective.batch_losses(objective.origin)]
            [0.67, 0.33]
        """
        state = params | {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        for batch, count in zip(self.batches, self.counts, strict=True):
            with preserved_rng():
                loss = self._measure(state, batch, ("loss",))["loss"]
            yield count / self.samples, loss

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of everything that decides a measured value: weights, data, settings."""
        return fingerprint(self.model, self.batches, self.measures, self.batch_norm, self.forward)

    def _state(self, params: Params, buffers: Buffers | None) -> dict[str, Tensor]:
        buffers = dict(self.model.named_buffers()) if buffers is None else buffers
        state = {**params, **{name: buffer.clone() for name, buffer in buffers.items()}}
        if self.batch_norm == "recalibrate":
            self._recalibrate(state)
        return state

    def _recalibrate(self, state: dict[str, Tensor]) -> None:
        """Replace running statistics in `state` by the sample-weighted mean of the batches' own."""
        norms = [m for m in self.model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        momenta = [m.momentum for m in norms]
        seen = 0
        try:
            for batch, count in zip(self.batches, self.counts, strict=True):
                seen += count
                for module in norms:
                    module.train()
                    module.momentum = count / seen
                self._outputs(state, batch)
        finally:
            for module, momentum in zip(norms, momenta, strict=True):
                module.eval()
                module.momentum = momentum

    def _outputs(self, state: dict[str, Tensor], batch: Any) -> Any:
        if self.forward is None:
            return functional_call(self.model, state, (batch[0],))
        return functional_call(_Forward(self.model, self.forward), _prefixed(state), (batch,))

    def _measure(self, state: dict[str, Tensor], batch: Any, names: Iterable[str] = ()) -> dict[str, Tensor]:
        outputs = self._outputs(state, batch)
        targets = batch[1] if _is_pair(batch) else batch
        return {name: self.measures[name](outputs, targets) for name in names or self.measures}

    def _try_first_batch(self) -> None:
        """Fail now, with words, rather than in the middle of a sweep."""
        batch = self.batches[0]
        if self.forward is None and not _is_pair(batch):
            raise ValueError(f"data: a batch is {_describe(batch)}; only a pair is read without forward=")
        try:
            with torch.no_grad(), preserved_rng():
                values = self._measure(self._state(self.origin, None), batch)
        except Exception as error:
            raise ValueError(f"data: the first batch, {_describe(batch)}, cannot be evaluated: {error}") from error
        for name, value in values.items():
            if getattr(value, "numel", lambda: 1)() != 1:
                raise ValueError(f"{name}: gave a tensor of shape {tuple(value.shape)}, wants one mean over the batch")


class _Forward(nn.Module):
    """Makes `forward(model, batch)` a module, so that it can be called with other weights."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Any], Any]):
        super().__init__()
        self.model, self.read = model, forward

    def forward(self, batch: Any) -> Any:
        return self.read(self.model, batch)


def _prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"model.{name}": tensor for name, tensor in state.items()}


@contextmanager
def preserved_rng() -> Iterator[None]:
    """Leave the random states of torch, NumPy and Python as they were.

    Example:
        >>> before = torch.get_rng_state()
        >>> with preserved_rng():
        ...     _ = torch.rand(3)
        >>> bool((before == torch.get_rng_state()).all())
        True
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def _batches(data: Any, batch_size: int) -> list[Any]:
    if isinstance(data, ImageData):
        data = data.train
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size)
    if _is_pair(data) and all(isinstance(part, Tensor) for part in data):
        inputs, targets = data
        if len(inputs) != len(targets):
            raise ValueError(f"data: got {len(inputs)} inputs and {len(targets)} targets")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size: got {batch_size!r}, wants a whole number from 1 up")
        return list(zip(inputs.split(batch_size), targets.split(batch_size), strict=True)) if len(inputs) else []
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise TypeError(
            f"data: got {type(data).__name__}, wants a pair of tensors (inputs, targets) or an iterable of batches"
        )
    return list(data)


def _is_pair(batch: Any) -> bool:
    return isinstance(batch, tuple | list) and len(batch) == 2


def _tensors(batch: Any) -> list[Tensor]:
    """All tensors of a batch, however nested, in order."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _count(batch: Any) -> int:
    tensors = [tensor for tensor in _tensors(batch) if tensor.ndim]
    if not tensors:
        raise TypeError(f"data: a batch is {_describe(batch)}; wants tensors whose first dimension counts samples")
    return len(tensors[0])


def _to(batch: Any, device: torch.device | str) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: _to(part, device) for key, part in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(_to(part, device) for part in batch)
    return batch


def _describe(batch: Any) -> str:
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in _tensors(batch))
    return f"a {type(batch).__name__} with tensors of shapes {shapes or 'none'}"


def _check_point(params: Params, origin: Params) -> None:
    if not isinstance(params, dict) or {k: v.shape for k, v in params.items()} != {
        k: v.shape for k, v in origin.items()
    }:
        check_params("params", params, origin)
