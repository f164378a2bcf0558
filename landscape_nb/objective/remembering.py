"""Measures that are objects with a state of their own: they are called as copies, which begin anew each time."""

import copy
import functools
import types
from collections.abc import Mapping
from typing import Any

from torch import nn

from landscape_nb._common.provenance import fingerprint
from landscape_nb.objective.reductions import Measure


class Anew:
    """A measure whose every call begins with the state in which it was given.

    A running mean, or a loss that anneals from call to call, has no one value at a point otherwise; and trying
    a measure out would leave its traces in the caller's object.

    Args:
        measure: The measure; it is not called itself.
        kept: What copies share with it: the caller's modules and weights, so that a measure that reads them
            is still seen to do so.

    Attributes:
        measure: The measure.
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

    def __init__(self, measure: Measure, kept: tuple[Any, ...] = ()):
        self.measure, self.remembers = measure, False
        self._kept = {id(part): part for part in kept}
        self._before = fingerprint(measure)

    def __call__(self, *given: Any, **settings: Any) -> Any:
        """The measure, called as a copy."""
        own = copy.deepcopy(self.measure, dict(self._kept))
        value = own(*given, **settings)
        self.remembers = self.remembers or fingerprint(own) != self._before
        return value

    def __getstate__(self) -> dict[str, Any]:
        """Without the caller's modules, which no copy reads once a trial is over."""
        return vars(self) | {"_kept": {}}


def begun_anew(measures: Mapping[str, Measure], model: nn.Module) -> dict[str, Measure]:
    """The measures, of which those that may have a state become `Anew`.

    Functions have none, nor have torch's losses; what cannot be copied is called as it is.

    Args:
        measures: The measures by name.
        model: The caller's model, of which no copy is made.

    Example:
        >>> found = begun_anew({"loss": nn.MSELoss(), "metric": nn.Sequential()}, nn.ReLU())
        >>> [type(measure).__name__ for measure in found.values()]
        ['MSELoss', 'Anew']
    """
    kept = (*model.modules(), *model.parameters(), *model.buffers())
    return {name: Anew(m, kept) if _may_remember(m, kept) else m for name, m in measures.items()}


def settled(measures: Mapping[str, Measure]) -> dict[str, Measure]:
    """The measures after a trial: those that were not seen to remember anything, as they were given.

    Example:
        >>> still = Anew(nn.Identity())
        >>> settled({"loss": still})["loss"] is still.measure
        True
    """
    return {name: m.measure if isinstance(m, Anew) and not m.remembers else m for name, m in measures.items()}


def remarks_on(measures: Mapping[str, Measure]) -> list[str]:
    """What a reader should know about measures that remember.

    Example:
        >>> remarks_on({"loss": nn.MSELoss()})
        []
    """
    names = ["criterion" if n == "loss" else f"metrics[{n!r}]" for n, m in measures.items() if isinstance(m, Anew)]
    return [f"{name} remembers earlier calls; every batch begins with what it held" for name in names]


def _may_remember(measure: Measure, kept: tuple[Any, ...]) -> bool:
    holder = measure
    while isinstance(holder, functools.partial | types.MethodType):
        holder = holder.func if isinstance(holder, functools.partial) else holder.__self__
    is_function = isinstance(holder, types.FunctionType | types.BuiltinFunctionType | types.ModuleType | type)
    if is_function or type(holder).__module__ == "torch.nn.modules.loss":
        return False
    try:
        copy.deepcopy(measure, {id(part): part for part in kept})
    except Exception:  # a lock, a file, a handle of some other kind: such an object is the caller's alone
        return False
    return True
