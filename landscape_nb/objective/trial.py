"""A few calls of a model on one batch, before it is measured: does it read its own weights only, and repeat itself?

Whatever a model does besides computing outputs from its weights and a batch shows when it is called a few
times at one point: with the caller's weights watched, again, and once under autograd.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape_nb._common.compat import DispatchMode, schema_of, storage_id, tree_leaves, tree_map, version_of
from landscape_nb._common.foreign import FAILURES
from landscape_nb._common.rng import preserved_rng, random_states, seed_everything
from landscape_nb._common.safe_layout import SafeLayout
from landscape_nb._common.torchs import is_torchs
from landscape_nb.objective.metrics import check_value
from landscape_nb.objective.nested import copied, describe, is_changed, tensors_of
from landscape_nb.objective.reductions import batch_value
from landscape_nb.weights.copies import ModuleSnapshot
from landscape_nb.weights.noise import noise
from landscape_nb.weights.params import Params, is_same

_REPEATED, _UNDER_AUTOGRAD = 1e-5, 1e-3
"""How far losses of one point may be apart: from call to call, and with other functions of torch."""
_SOME = 16
_MOST_NAMED = 5
_WIDE = 4
_FAR = 10


class CallersWeightsError(ValueError):
    """Something that is measured reads the caller's own model instead of its copy."""


@dataclass(frozen=True)
class Findings:
    """What a trial found out about a model and its metrics.

    Attributes:
        fragile: Whether a call changes weights, buffers or the batch; then it gets copies.
        untracked: Weights that a call writes unseen by autograd, so that gradients are another function's.
        unseen: Weights on which the loss depends in a way that autograd does not see.
        snapshot: What modules keep between calls, to be put back after each; None where they keep nothing.
        written: The attributes that a call writes and that change no value, as (path of the module, name).
        remembers: Whether a call's outputs depend on earlier calls, unless the snapshot is put back.
        random: Whether random numbers are drawn that change the loss.
        remarks: What a reader should know, in sentences.
    """

    fragile: bool = False
    untracked: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    snapshot: ModuleSnapshot | None = None
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
    without_gradient: frozenset[str] = frozenset()
    changed: bool = False
    drew: bool = False

    def agrees(self, other: "_Call", tolerance: float) -> bool:
        pairs = ((value, other.values[name]) for name, value in self.values.items())
        return all(np.isclose(*pair, tolerance, 0.01 * tolerance, equal_nan=True) for pair in pairs)


class Trial:
    """Evaluates a batch near the origin a few times and says what it finds.

    Args:
        outputs: From a state (weights and buffers by name) and a batch to the model's outputs.
        metrics: The metrics by name, functions of outputs and `targets(batch)`; the first is the loss.
        targets: From a batch to what metrics get besides the outputs.
        model: The copy that is measured.
        callers: The caller's model.
        batch: The batch.
        where: Which batch it is, in words.
    """

    def __init__(
        self,
        outputs: Callable[[dict[str, Tensor], Any], Any],
        metrics: Mapping[str, Callable],
        targets: Callable[[Any], Any],
        model: nn.Module,
        callers: nn.Module,
        batch: Any,
        where: str = "the batch",
    ):
        self.outputs, self.metrics, self.targets = outputs, metrics, targets
        self.model, self.callers = model, callers
        self.batch, self.where = batch, where
        self.point = {name: p.detach() for name, p in model.named_parameters()}
        exact = all(p.element_size() >= _WIDE and p.device.type == "cpu" for p in self.point.values())
        self.repeated = _REPEATED if exact else _UNDER_AUTOGRAD

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
        snapshot, callers = ModuleSnapshot(self.model), ModuleSnapshot(self.callers)
        first = self._first_call()
        self._check_callers(callers)
        written = snapshot.changed()
        snapshot.forget_unwritten()
        random = first.drew and not first.agrees(self._call(seed=1), self.repeated)
        if random and seed is None:
            raise ValueError(
                "model: it draws random numbers in evaluation, so that a point does not have one loss; give seed= for "
                "the same numbers at every point (and draws= for the mean over several draws)"
            )
        remembers = not self._repeats(first, self._call())
        snapshot.restore()
        if remembers:
            self._check_restored(first, self._call(), snapshot)
        tracked = self._under_autograd(first)
        snapshot.restore()
        read, unseen = self._seen(first, tracked, snapshot)
        self._check_read(read)
        found = Findings(
            fragile=first.changed,
            untracked=tracked.untracked,
            unseen=unseen,
            snapshot=snapshot if written else None,
            written=frozenset() if remembers else written,
            remembers=remembers,
            random=random,
        )
        return replace(found, remarks=tuple(self._remarks(found, read, written if remembers else ())))

    def _first_call(self) -> _Call:
        """Evaluate the first samples beside the origin; where the model does not take these, all, or the origin."""
        # Many networks begin with layers of zeros. Behind those a model seems to read nothing, and all its calls
        # agree, whatever it does: so every weight moves a little. A model may refuse such weights, or so few samples,
        # or have no finite loss there; then it is tried at the origin itself. What shows only farther away, or on
        # other samples, is missed.
        generator = torch.Generator().manual_seed(0)
        origin, beside = self.point, {name: p + noise(p, generator) for name, p in self.point.items()}
        whole = self.batch
        self.batch, self.point = _some(whole), beside
        try:
            call = self._call()
        except CallersWeightsError:
            raise
        except ValueError:
            self.batch, self.point = whole, origin
            return self._call()
        if np.isfinite(call.values["loss"]):
            return call
        self.point = origin
        return self._call()

    def _repeats(self, first: _Call, again: _Call) -> bool:
        return again.agrees(first, self.repeated) and again.read == first.read

    def _call(self, tracked: bool = False, seed: int = 0) -> _Call:
        """Evaluate the batch at the point, on copies."""
        leaves = {name: p.clone().requires_grad_(tracked) for name, p in self.point.items()}
        weights = {name: leaf.clone() for name, leaf in leaves.items()} if tracked else leaves
        buffers = {name: b.detach().clone() for name, b in self.model.named_buffers()}
        state, given = weights | buffers, copied(self.batch)
        before = {name: (_storage(t), t.detach().clone(), version_of(t), t.grad_fn) for name, t in state.items()}
        layout = SafeLayout() if tracked else nullcontext()
        with (
            torch.set_grad_enabled(tracked),
            preserved_rng(),
            layout,
            _Watch(weights, self.model, self.callers) as watch,
        ):
            seed_everything(seed)
            drawn = random_states()
            values, loss = self._values(state, given, watch)
            drew = drawn != random_states()
        rewritten = tuple(name for name in state if name in watch.written or _is_written(state[name], *before[name]))
        return _Call(
            values,
            frozenset(watch.read),
            rewritten,
            tuple(n for n in rewritten if n in weights and state[n].grad_fn is before[n][3]),
            _without_gradient(loss, leaves) if tracked else frozenset(),
            bool(rewritten) or is_changed(given) or len(tensors_of(given)) != len(tensors_of(self.batch)),
            drew,
        )

    def _values(self, state: dict[str, Tensor], given: Any, watch: "_Watch") -> tuple[dict[str, float], Any]:
        """The values of the batch as numbers, and the loss as the criterion returned it."""
        try:
            outputs = self.outputs(state, given)
            values = {}
            for name, metric in self.metrics.items():
                watch.reader = "criterion" if name == "loss" else f"metrics[{name!r}]"
                values[name] = metric(outputs, self.targets(given))
        except CallersWeightsError:
            raise
        except Exception as error:
            raise ValueError(f"data: {self.where}, {describe(self.batch)}, cannot be evaluated: {error}") from error
        return {name: _number(name, value) for name, value in values.items()}, values["loss"]

    def _check_callers(self, snapshot: ModuleSnapshot) -> None:
        if changed := snapshot.changed():
            snapshot.restore()
            names = _listed([f"{path}.{name}".lstrip(".") for path, name in sorted(changed)])
            raise CallersWeightsError(
                f"model: calling its copy writes {names} of the caller's own model; a function that it calls knows the "
                "model by another name than self"
            )

    def _check_restored(self, first: _Call, restored: _Call, snapshot: ModuleSnapshot) -> None:
        snapshot.restore()
        if not self._repeats(first, restored):
            raise ValueError(
                f"model: called twice on one batch it gave {first.values['loss']:.6g}, then "
                f"{restored.values['loss']:.6g}: it (or the criterion) remembers earlier calls where that cannot be "
                "undone; pass forward=, a function of model and batch that begins anew"
            )

    def _under_autograd(self, first: _Call) -> _Call:
        """The same call watched by autograd; raises where the loss is another one then."""
        try:
            tracked = self._call(tracked=True)
        except CallersWeightsError:
            raise
        except FAILURES:  # the Hessian's to say: planes need no gradient
            return _Call()
        if not tracked.agrees(first, _UNDER_AUTOGRAD):
            raise ValueError(
                f"model: its loss is {first.values['loss']:.6g}, and {tracked.values['loss']:.6g} when autograd "
                "watches, so that planes and Hessians would be of different functions; torch's transformer encoders "
                "need enable_nested_tensor=False"
            )
        return tracked

    def _seen(self, first: _Call, tracked: _Call, snapshot: ModuleSnapshot) -> tuple[frozenset[str], tuple[str, ...]]:
        """The weights on which the loss depends, and those of them that autograd does not reach.

        A weight that is read and gets no gradient may have no effect: no metric may use its output. Moving it tells.
        """
        doubtful = first.read & tracked.without_gradient
        if not doubtful:
            return first.read, ()
        here, generator = self.point, torch.Generator().manual_seed(1)
        self.point = here | {name: here[name] + _FAR * noise(here[name], generator) for name in sorted(doubtful)}
        moved = self._call()
        self.point = here
        snapshot.restore()
        idle = moved.agrees(first, self.repeated)
        return (first.read - doubtful, ()) if idle else (first.read, tuple(sorted(doubtful)))

    def _check_read(self, read: frozenset[str]) -> None:
        if not read:
            raise ValueError(
                "model: its loss depends on none of its parameters; results that it keeps from earlier calls may "
                "stand in for them"
            )

    def _remarks(self, found: Findings, read: frozenset[str], remembered: Iterable[tuple[str, str]]) -> Iterable[str]:
        """What a reader should know about the model."""
        if unread := [name for name, _ in self.model.named_parameters() if name not in read]:
            yield f"in the first samples, the loss does not depend on {_listed(unread)}"
        modules = dict(self.model.named_modules())
        own = [(path, name) for path, name in sorted(remembered) if not is_torchs(modules[path])]
        if names := [f"{path}.{name}".lstrip(".") for path, name in own]:
            yield f"the model remembers earlier calls ({_listed(names)}); every batch begins with what it held"
        if found.untracked:
            yield f"the model writes {_listed(found.untracked)} when it is called; autograd does not see that"
        if found.unseen:
            yield (
                f"autograd does not see that the loss depends on {_listed(found.unseen)} (no_grad or detach): "
                "lines and planes move it, Hessians hold it constant"
            )
        if found.random:
            yield "the model draws random numbers in evaluation; every point gets the same ones"
        named = self.callers.named_parameters()
        if carried := [f"{name}.{key}" for name, p in named for key, v in vars(p).items() if _is_weight_like(p, v)]:
            yield f"{_listed(carried)} stays behind: the point that is measured is what the parameter itself holds"


class _Watch(DispatchMode):
    """Notes which weights of the point are read and written; raises where an operation takes others for them.

    Others are the caller's own, and the parameters that the copy itself holds while the point's weights stand in for
    them: a model that reaches those keeps them elsewhere than under their names.
    """

    # Tensors are told by their storage, not as objects: a view, a slice, or what torch hands on inside its own
    # functions is another object with the same storage. The watched tensors live until the call ends, so that their
    # storage does not become some other tensor's meanwhile. What it does not see: storage that an extension reads or
    # writes by its address (`_is_written` therefore compares contents, too), and sparse or nested tensors, which are
    # not one storage.

    def __init__(self, weights: Params, model: nn.Module, callers: nn.Module):
        super().__init__()
        self.weights = {_storage(tensor): name for name, tensor in weights.items()}
        self.own = {_storage(p): name for name, p in model.named_parameters()}
        self.callers = {_storage(p): name for name, p in callers.named_parameters()}
        self.buffers = {_storage(b): name for name, b in callers.named_buffers()}
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.reader = "model"

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None):
        writes = schema_of(function).is_mutable
        for leaf in tree_leaves((args, kwargs)):
            storage = _storage(leaf) if isinstance(leaf, Tensor) else None
            if storage is None:
                continue
            if storage in self.callers or (writes and storage in self.buffers):
                raise CallersWeightsError(self._advice(self.callers.get(storage) or self.buffers[storage]))
            if storage in self.own:
                raise CallersWeightsError(
                    f"model: it reaches {self.own[storage]!r} by another way than its name (kept in a list, a closure "
                    "or a hook), where it stays while points move; read it as an attribute of its module"
                )
            if storage in self.weights:
                self.read.add(self.weights[storage])
        if writes:
            self.written |= {self.weights[s] for s in _written_storages(function, args) if s in self.weights}
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
    """What tells a tensor's storage from others'; None for tensors without exactly one."""
    if tensor.layout is not torch.strided or tensor.is_nested or not tensor.numel():
        return None
    return storage_id(tensor)


def _written_storages(function: Any, args: tuple) -> set[int | None]:
    """The storages that an operation writes to, as its schema says."""
    pairs = zip(schema_of(function).arguments, args, strict=False)
    written = [arg for said, arg in pairs if said.alias_info is not None and said.alias_info.is_write]
    return {_storage(leaf) for leaf in tree_leaves(written) if isinstance(leaf, Tensor)}


def _is_written(tensor: Tensor, storage: int | None, content: Tensor, version: int, _: Any) -> bool:
    """Whether a tensor was written in place, or through `.data`, which torch does not count."""
    return version_of(tensor) != version or _storage(tensor) != storage or not is_same(tensor.detach(), content)


def _without_gradient(loss: Any, leaves: Params) -> frozenset[str]:
    """The weights that autograd does not reach from the loss; none of them if the loss has no gradient at all."""
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        return frozenset()
    with torch.enable_grad():
        gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return frozenset(name for name, gradient in zip(leaves, gradients, strict=True) if gradient is None)


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


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
