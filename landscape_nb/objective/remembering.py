"""Metrics that are objects and change from call to call: each call gets a fresh copy of them."""

import copy
import types
from collections.abc import Mapping
from typing import Any

from torch import nn

from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.torchs import LOSSES, holder_of, is_torchs
from landscape_nb.objective.metrics import OwnOutputs
from landscape_nb.objective.reductions import Metric


class Anew:
    """A metric whose every call begins with the attributes with which it was given.

    Otherwise a running mean, or a loss that anneals from call to call, would have a different value at each call;
    and trying out a metric would change the caller's object.

    Args:
        metric: The metric; it is not called itself.
        kept: What copies share with it: the caller's modules and weights, so that a metric that reads them
            is still seen to do so.

    Attributes:
        metric: The metric.
        remembers: Whether a call has changed its copy.

    Example:
        >>> class Counting:
        ...     calls = 0
        ...     def __call__(self, outputs, targets):
        ...         self.calls += 1
        ...         return self.calls
        >>> counting = Anew(Counting())
        >>> counting(None, None), counting(None, None), counting.remembers
        (1, 1, True)
    """

    def __init__(self, metric: Metric, kept: tuple[Any, ...] = ()):
        self.metric, self.remembers = metric, False
        self._kept = {id(part): part for part in kept}
        self._before = fingerprint(metric)

    def __call__(self, *given: Any, **settings: Any) -> Any:
        """The metric, called as a copy."""
        own = copy.deepcopy(self.metric, dict(self._kept))
        value = own(*given, **settings)
        self.remembers = self.remembers or fingerprint(own) != self._before
        return value

    def __getstate__(self) -> dict[str, Any]:
        """Without the caller's modules, which no copy reads once a trial is over."""
        return vars(self) | {"_kept": {}}


def begun_anew(metrics: Mapping[str, Metric], model: nn.Module) -> dict[str, Metric]:
    """The metrics; those that may change from call to call become `Anew`.

    Functions and torch's losses do not. What cannot be copied is called as it is.

    Args:
        metrics: The metrics by name.
        model: The caller's model, which is not copied.

    Example:
        >>> found = begun_anew({"loss": nn.MSELoss(), "metric": nn.Sequential()}, nn.ReLU())
        >>> [type(metric).__name__ for metric in found.values()]
        ['MSELoss', 'Anew']
    """
    kept = (*model.modules(), *model.parameters(), *model.buffers())
    return {name: Anew(m, kept) if _may_remember(m, kept) else m for name, m in metrics.items()}


def settled(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics after a trial: those that did not remember anything are again what the caller gave.

    Example:
        >>> still = Anew(nn.Identity())
        >>> settled({"loss": still})["loss"] is still.metric
        True
    """
    return {name: m.metric if isinstance(m, Anew) and not m.remembers else m for name, m in metrics.items()}


def remarks_on(metrics: Mapping[str, Metric]) -> list[str]:
    """What a reader should know about metrics that remember.

    Example:
        >>> remarks_on({"loss": nn.MSELoss()})
        []
    """
    names = ["criterion" if n == "loss" else f"metrics[{n!r}]" for n, m in metrics.items() if isinstance(m, Anew)]
    return [f"{name} remembers earlier calls; every batch begins with what it held" for name in names]


def as_given(metric: Metric) -> Metric:
    """A metric as the caller gave it, without what it was wrapped in here.

    Example:
        >>> still = nn.Identity()
        >>> as_given(OwnOutputs(Anew(still))) is still
        True
    """
    while isinstance(metric, OwnOutputs | Anew):
        metric = metric.metric
    return metric


def _may_remember(metric: Metric, kept: tuple[Any, ...]) -> bool:
    stateless = types.FunctionType | types.BuiltinFunctionType | types.ModuleType | type
    if isinstance(holder_of(metric), stateless) or is_torchs(metric, LOSSES):
        return False
    try:
        copy.deepcopy(metric, {id(part): part for part in kept})
    except Exception:  # a lock, a file, a handle of some other kind: such an object is the caller's alone
        return False
    return True
