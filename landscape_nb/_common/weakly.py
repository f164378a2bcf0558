"""What is found out about an object, kept in the object itself, so that it lives as long."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

More = ParamSpec("More")
Found = TypeVar("Found")
_FOUND = "_found"


class Subject:
    """An object that keeps what is found out about it. Copies, and what comes out of a pickle, are asked anew."""

    def __getstate__(self) -> dict[str, Any]:
        """All attributes but what was found out."""
        return {name: value for name, value in vars(self).items() if name != _FOUND}


Asked = TypeVar("Asked", bound=Subject)


# A table of weak keys outside would keep for ever an object that its answers lead back to, as those do that hold a
# reader's criterion, if that is a method of what holds the object. Kept inside, both are a cycle, which Python frees.
def weakly_cached(
    function: Callable[Concatenate[Asked, More], Found],
) -> Callable[Concatenate[Asked, More], Found]:
    """Call a function once for each first argument, and forget the answer with that argument.

    Further arguments do not tell calls apart. The answer may hold the first argument.

    Example:
        >>> class Data(Subject): ...
        >>> calls = []
        >>> asked = weakly_cached(lambda data: calls.append(data is not None) or len(calls))
        >>> data = Data()
        >>> asked(data), asked(data), asked(Data())
        (1, 1, 2)
    """

    @wraps(function)
    def cached(subject: Asked, *args: More.args, **kwargs: More.kwargs) -> Found:
        found = vars(subject).setdefault(_FOUND, {})
        if function not in found:
            found[function] = function(subject, *args, **kwargs)
        return found[function]

    return cached
