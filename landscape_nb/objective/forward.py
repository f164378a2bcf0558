"""The forward pass of a model: from a point of weight space and a batch to outputs."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from jaxtyping import Shaped
from torch import Tensor, nn
from torch.func import functional_call

from landscape_nb._common.compat import AnyBatchNorm
from landscape_nb._common.foreign import marking_foreign
from landscape_nb.objective.batches import Batches
from landscape_nb.objective.trial import Findings
from landscape_nb.weights.params import Affine, Params, parameters_of

Buffers = dict[str, Shaped[Tensor, "..."]]
State = dict[str, Tensor]
"""What a forward pass reads at a point: parameters and buffers, or what is made from them, by name."""


class Forward(Protocol):
    """The forward pass of a model at a state.

    `Plain` calls the model. Engines put others in its place: one that replays recorded calls, one in bfloat16, one
    that can be differentiated twice and fast.

    Attributes:
        origin: The model's own parameters.
        buffers: The model's own buffers.
        model: The model.
        read: `read(model, batch)`, the outputs of a batch; None for `model(inputs)`.
    """

    origin: Params
    buffers: Buffers
    model: nn.Module
    read: Callable[[nn.Module, Any], Any] | None

    @property
    def only_plain(self) -> str:
        """Why only the plain pass is right for this model; empty if others may be tried."""
        ...

    @property
    def plain(self) -> "Plain":
        """The plain pass, of which this is a faster form; itself if it is plain."""
        ...

    def state(
        self, params: Params | None = None, buffers: Buffers | None = None, recalibrated_on: Batches | None = None
    ) -> State:
        """What is read at a point, batch norm's running statistics computed from data if these are given."""
        ...

    def states_along(self, affine: Affine, recalibrated_on: Batches | None = None) -> Callable[..., State]:
        """A function that makes the state at a point of a line or plane from its coordinates.

        It also gets `scratch`, the number of the memory that it may write the state into.
        """
        ...

    def outputs(self, state: State, batch: Any) -> Any:
        """The outputs for a batch."""
        ...

    def fitted_to(self, batches: Iterable[Any]) -> "Forward":
        """The same forward pass, prepared for batches of other shapes."""
        ...


class Plain:
    """Calls the model, with the weights and buffers of a state instead of its own.

    Args:
        model: The model, in evaluation mode: a copy, not the caller's own.
        read: `read(model, batch)`, the outputs of a batch; None for `model(inputs)`.
        findings: What is known about the model: what a call changes, and what it remembers.

    Example:
        >>> import torch
        >>> forward = Plain(nn.Linear(2, 1))
        >>> state = forward.state({"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
        >>> forward.outputs(state, (torch.ones(1, 2), None)).item()
        2.0
    """

    def __init__(
        self,
        model: nn.Module,
        read: Callable[[nn.Module, Any], Any] | None = None,
        findings: Findings | None = None,
    ):
        self.model, self.read = model, read
        self.findings = Findings() if findings is None else findings
        self.origin: Params = parameters_of(model)
        self.buffers: Buffers = dict(model.named_buffers())

    @property
    def only_plain(self) -> str:
        """Why only this pass is right for the model; empty if others may be tried."""
        return self.findings.only_plain

    @property
    def plain(self) -> "Plain":
        """This one."""
        return self

    def state(
        self, params: Params | None = None, buffers: Buffers | None = None, recalibrated_on: Batches | None = None
    ) -> State:
        """Parameters and buffers at a point; default the model's own."""
        params = self.origin if params is None else params
        buffers = self.buffers if buffers is None else buffers
        params = {name: tensor.to(self.origin[name]) for name, tensor in params.items()}
        state = {**params, **{name: buffer.clone() for name, buffer in buffers.items()}}
        if recalibrated_on is not None:
            self._recalibrate(state, recalibrated_on)
        return state

    def states_along(self, affine: Affine, recalibrated_on: Batches | None = None) -> Callable[..., State]:
        """A function that makes the state at a point of a line or plane from its coordinates."""
        return lambda *coords, scratch: self.state(affine(*coords), recalibrated_on=recalibrated_on)

    def outputs(self, state: State, batch: Any) -> Any:
        """The model's outputs for a batch."""
        return self._called(state, batch, changeable=state)

    def fitted_to(self, batches: Iterable[Any]) -> "Plain":
        """The same: a model takes batches of any shape."""
        return self

    def call(self, state: State, batch: Any) -> Any:
        """The model's outputs for a batch, from the tensors of a state themselves: the call may change them."""
        called, tensors, given = self.model, state, batch
        if self.read is None:
            given = batch[0]
        else:
            called, tensors = _Reading(self.model, self.read), _prefixed(state)
        with marking_foreign():
            return functional_call(called, tensors, (given,))

    def _called(self, state: State, batch: Any, changeable: Iterable[str]) -> Any:
        """The outputs, from copies of what a call may change; what modules keep between calls is put back."""
        if self.findings.fragile:
            state = state | {name: state[name].clone() for name in changeable}
        try:
            return self.call(state, batch)
        finally:
            if self.findings.snapshot:
                self.findings.snapshot.restore()

    def _recalibrate(self, state: State, data: Batches) -> None:
        """Replace running statistics in `state` by the sample-weighted mean of the batches' own.

        A batch of one sample, which may have no variance, counts only if all are so small.
        """
        norms = [m for m in self.model.modules() if isinstance(m, AnyBatchNorm) and m.track_running_stats]
        momenta = [m.momentum for m in norms]
        seen = 0
        try:
            for batch, count in data:
                if count == 1 < max(data.counts):
                    continue
                seen += count
                for module in norms:
                    module.train()
                    module.momentum = count / seen
                self._called(state, batch, changeable=self.origin)
        finally:
            for module, momentum in zip(norms, momenta, strict=True):
                module.eval()
                module.momentum = momentum


class Wrapper:
    """What all forward passes have that are made from another one.

    Args:
        inner: The pass that it is made from.
    """

    def __init__(self, inner: Forward):
        self.inner = inner
        self.origin, self.buffers, self.model, self.read = inner.origin, inner.buffers, inner.model, inner.read
        self.only_plain, self.plain = inner.only_plain, inner.plain


class _Reading(nn.Module):
    """Makes `read(model, batch)` a module, so that it can be called with other weights."""

    def __init__(self, model: nn.Module, read: Callable[[nn.Module, Any], Any]):
        super().__init__()
        self.model, self.read = model, read

    def forward(self, batch: Any) -> Any:
        return self.read(self.model, batch)


def _prefixed(state: State) -> State:
    return {f"model.{name}": tensor for name, tensor in state.items()}
