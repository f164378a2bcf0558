"""What is found out about a model on one batch, before it is measured: that it stands alone, and repeats itself.

Whatever a model does besides computing outputs from its weights and a batch shows when it is called a few
times at one point: with the caller's weights watched, again, and once for autograd.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from landscape_nb.batches import copied, describe, is_changed, tensors_of
from landscape_nb.copies import ModuleMemory
from landscape_nb.measures import check_value
from landscape_nb.parameters import Params, is_same
from landscape_nb.program import FAILURES
from landscape_nb.reductions import batch_value
from landscape_nb.rng import preserved_rng, random_states, seed_everything

_SAME = 1e-3
_SOME = 16
_MOST_NAMED = 5


class CallersWeightsError(ValueError):
    """Something that is measured reads the caller's own model instead of its copy."""


@dataclass(frozen=True)
class Findings:
    """What a trial found out about a model and its measures.

    Attributes:
        fragile: Weights, buffers or the batch are changed by a call, which therefore gets copies.
        untracked: Weights that a call writes unseen by autograd, so that gradients are another function's.
        memory: What modules keep between calls, to be put back after each; None where they keep nothing.
        written: The attributes that a call writes and that change no value, as (path of the module, name).
        remembers: Whether a call's outputs depend on earlier calls, unless the memory is put back.
        random: Whether random numbers are drawn that change the loss.
        remarks: What a reader should know, in sentences.
    """

    fragile: bool = False
    untracked: tuple[str, ...] = ()
    memory: ModuleMemory | None = None
    written: frozenset[tuple[str, str]] = frozenset()
    remembers: bool = False
    random: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def only_plain(self) -> str:
        """Why the model may not be measured otherwise than call by call; empty if it may."""
        reasons = {
            "the model changes what it is given": self.fragile,
            "the model remembers earlier calls": self.remembers,
            "the model draws random numbers": self.random,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


@dataclass
class _Call:
    """What one evaluation of a batch did."""

    values: dict[str, float] = field(default_factory=dict)
    read: frozenset[str] = frozenset()
    rewritten: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    changed: bool = False
    drew: bool = False

    def agrees(self, other: "_Call") -> bool:
        return all(np.isclose(self.values[n], other.values[n], _SAME, 1e-6, equal_nan=True) for n in self.values)


class Trial:
    """Evaluates a batch at the origin a few times and says what it finds.

    Args:
        outputs: From a state (weights and buffers by name) and a batch to the model's outputs.
        measures: The loss and the metrics, by name, functions of outputs and `targets(batch)`.
        targets: What measures get beside the outputs.
        model: The copy that is measured.
        callers: The caller's model.
        batch: The batch.
        where: Which batch it is, in words.
    """

    def __init__(
        self,
        outputs: Callable[[dict[str, Tensor], Any], Any],
        measures: Mapping[str, Callable],
        targets: Callable[[Any], Any],
        model: nn.Module,
        callers: nn.Module,
        batch: Any,
        where: str = "the batch",
    ):
        self.outputs, self.measures, self.targets = outputs, measures, targets
        self.model, self.callers = model, callers
        self.whole, self.batch, self.where = batch, batch, where

    def evaluate(self) -> None:
        """Raise a `ValueError` unless the batch can be evaluated."""
        self._call()

    def findings(self, seed: int | None) -> Findings:
        """What there is to know.

        Args:
            seed: The seed of random evaluation, if the caller gave one.

        Raises:
            CallersWeightsError: The caller's model is read.
            ValueError: The loss depends on no weight, on chance without a seed, on earlier calls that
                cannot be undone, or on whether autograd is on.
        """
        memory = ModuleMemory(self.model)
        first = self._first_call()
        written = memory.changed()
        memory.forget_unwritten()
        random = first.drew and not first.agrees(self._call(seed=1))
        if random and seed is None:
            raise ValueError(
                "model: it draws random numbers in evaluation, so that a point has no one loss; give seed= for the "
                "same numbers at every point (and draws= for the mean over several draws)"
            )
        again = self._call()
        remembers = not (again.agrees(first) and again.read == first.read)
        memory.restore()
        if remembers:
            self._check_restored(first, self._call(), memory)
        untracked = self._compare_with_autograd(first)
        memory.restore()
        self._check_read(first)
        return Findings(
            fragile=first.changed,
            untracked=untracked,
            memory=memory if written else None,
            written=frozenset() if remembers else written,
            remembers=remembers,
            random=random,
            remarks=tuple(self._remarks(first, written if remembers else (), random, untracked)),
        )

    def _first_call(self) -> _Call:
        """Evaluate the first samples of the batch, or all of it where the model wants it whole."""
        self.batch = _some(self.whole)
        try:
            return self._call()
        except CallersWeightsError:
            raise
        except ValueError:
            if self.batch is self.whole:
                raise
            self.batch = self.whole
            return self._call()

    def _call(self, tracked: bool = False, seed: int = 0) -> _Call:
        """Evaluate the batch at the origin, on copies."""
        weights = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        buffers = {name: b.detach().clone() for name, b in self.model.named_buffers()}
        if tracked:
            weights = {name: w.requires_grad_().clone() for name, w in weights.items()}
        state, given = weights | buffers, copied(self.batch)
        before = {name: (tensor._version, tensor.grad_fn) for name, tensor in state.items()}
        with torch.set_grad_enabled(tracked), preserved_rng(), _Watch(weights, self.callers) as watch:
            seed_everything(seed)
            drawn = random_states()
            values = self._values(state, given, watch)
            drew = drawn != random_states()
        rewritten = tuple(self._rewritten(state, before))
        return _Call(
            values,
            frozenset(watch.read),
            rewritten,
            tuple(n for n in rewritten if n in weights and state[n].grad_fn is before[n][1]),
            bool(rewritten) or is_changed(given) or len(tensors_of(given)) != len(tensors_of(self.batch)),
            drew,
        )

    def _values(self, state: dict[str, Tensor], given: Any, watch: "_Watch") -> dict[str, float]:
        """The measures of the batch, as numbers."""
        try:
            outputs = self.outputs(state, given)
            values = {}
            for name, measure in self.measures.items():
                watch.reader = "criterion" if name == "loss" else f"metrics[{name!r}]"
                values[name] = measure(outputs, self.targets(given))
        except CallersWeightsError:
            raise
        except Exception as error:
            raise ValueError(f"data: {self.where}, {describe(self.batch)}, cannot be evaluated: {error}") from error
        return {name: _number(name, value) for name, value in values.items()}

    def _rewritten(self, state: Mapping[str, Tensor], before: Mapping[str, tuple]) -> Iterable[str]:
        """Weights and buffers that a call has written, in place or (which torch does not count) through `.data`."""
        own = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        for name, tensor in state.items():
            if tensor._version != before[name][0] or not is_same(tensor, own[name]):
                yield name

    def _check_restored(self, first: _Call, restored: _Call, memory: ModuleMemory) -> None:
        memory.restore()
        if not (restored.agrees(first) and restored.read == first.read):
            raise ValueError(
                f"model: called twice on one batch it gave {first.values['loss']:.6g}, then "
                f"{restored.values['loss']:.6g}: it (or the criterion) remembers earlier calls where that cannot be "
                "undone; pass forward=, a function of model and batch that begins anew"
            )

    def _compare_with_autograd(self, first: _Call) -> tuple[str, ...]:
        """Weights written unseen by autograd; raises where the loss is another one with autograd."""
        try:
            tracked = self._call(tracked=True)
        except CallersWeightsError:
            raise
        except FAILURES:  # the Hessian's to say: planes need no gradient
            return ()
        if not np.isclose(tracked.values["loss"], first.values["loss"], _SAME, 1e-6, equal_nan=True):
            raise ValueError(
                f"model: its loss is {first.values['loss']:.6g}, and {tracked.values['loss']:.6g} when autograd "
                "watches, so that planes and Hessians would be of different functions; torch's transformer encoders "
                "need enable_nested_tensor=False"
            )
        return tracked.untracked

    def _check_read(self, first: _Call) -> None:
        if not first.read:
            raise ValueError(
                "model: its loss depends on none of its parameters; results that it keeps from earlier calls may "
                "stand in for them"
            )

    def _remarks(
        self, first: _Call, remembered: Iterable[tuple[str, str]], random: bool, untracked: Iterable[str]
    ) -> Iterable[str]:
        """What a reader should know about the model."""
        if unread := [name for name, _ in self.model.named_parameters() if name not in first.read]:
            yield f"in the first samples, the loss does not depend on {_listed(unread)}"
        modules = dict(self.model.named_modules())
        own = [(path, name) for path, name in sorted(remembered) if not _is_torchs(modules[path])]
        if remembered := [f"{path}.{name}".lstrip(".") for path, name in own]:
            yield f"the model remembers earlier calls ({_listed(remembered)}); every batch begins with what it held"
        if untracked := list(untracked):
            yield f"the model writes {_listed(untracked)} when it is called; autograd does not see that"
        if random:
            yield "the model draws random numbers in evaluation; every point gets the same ones"
        named = self.callers.named_parameters()
        if carried := [f"{name}.{key}" for name, p in named for key, v in vars(p).items() if _is_weight_like(p, v)]:
            yield f"{_listed(carried)} stays behind: the point that is measured is what the parameter itself holds"


class _Watch(TorchDispatchMode):
    """Notes which of the copy's weights are read; raises where an operation reads the caller's, or writes its buffers.

    Tensors are told by their storage: views, and operations inside torch's own functions, count too.
    """

    def __init__(self, weights: Params, callers: nn.Module):
        super().__init__()
        self.weights = {_storage(tensor): name for name, tensor in weights.items()}
        self.callers = {_storage(p): name for name, p in callers.named_parameters()}
        self.buffers = {_storage(b): name for name, b in callers.named_buffers()}
        self.read: set[str] = set()
        self.reader = "model"

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        writes = function._schema.is_mutable
        for leaf in tree_leaves((args, kwargs)):
            storage = _storage(leaf) if isinstance(leaf, Tensor) else None
            if storage is None:
                continue
            if storage in self.callers or (writes and storage in self.buffers):
                raise CallersWeightsError(self._advice(self.callers.get(storage) or self.buffers[storage]))
            if storage in self.weights:
                self.read.add(self.weights[storage])
        return function(*args, **(kwargs or {}))

    def _advice(self, name: str) -> str:
        own = f"it reads {name!r} of the caller's own model, which stays where it is while points move"
        if self.reader == "model":
            return (
                f"model: {own}; a function that it calls knows the model by another name than self: "
                "use self there, or what forward= is given"
            )
        return (
            f"{self.reader}: {own}; let forward= give it what it needs, as in forward=lambda model, batch: "
            "(model(batch[0]), sum(p.square().sum() for p in model.parameters()))"
        )


def _storage(tensor: Tensor) -> int | None:
    """What tells a tensor's memory from others'; None for tensors without one piece of memory."""
    if tensor.layout is not torch.strided or tensor.is_nested or not tensor.numel():
        return None
    return tensor.untyped_storage()._cdata


def _some(batch: Any) -> Any:
    """The first samples of a batch whose tensors all have as many: autograd keeps the outputs of every layer."""
    sizes = {len(tensor) if tensor.ndim else 0 for tensor in tensors_of(batch)}
    if len(sizes) != 1 or max(sizes) <= _SOME:
        return batch
    return tree_map(lambda part: part[:_SOME] if isinstance(part, Tensor) else part, batch)


def _number(name: str, value: Any) -> float:
    check_value(name, value)
    return float(torch.as_tensor(batch_value(value)).detach())


def _is_weight_like(parameter: Tensor, value: Any) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape and value.is_floating_point()


def _is_torchs(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
