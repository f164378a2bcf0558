"""What is found out about an object, kept as long as the object lives."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

Subject = TypeVar("Subject")
More = ParamSpec("More")
Found = TypeVar("Found")


def weakly_cached(
    function: Callable[Concatenate[Subject, More], Found],
) -> Callable[Concatenate[Subject, More], Found]:
    """Call a function once for each first argument, and forget the answer with that argument.

    Further arguments do not tell calls apart. The answer must not hold the first argument, or neither would
    ever be forgotten. Copies, and what comes out of a pickle, are asked anew.

    Example:
        >>> class Data: ...
        >>> calls = []
        >>> asked = weakly_cached(lambda data: calls.append(data is not None) or len(calls))
        >>> data = Data()
        >>> asked(data), asked(data), asked(Data())
        (1, 1, 2)
    """
    answers: WeakKeyDictionary = WeakKeyDictionary()

    @wraps(function)
    def cached(subject: Subject, *args: More.args, **kwargs: More.kwargs) -> Found:
        if subject not in answers:
            answers[subject] = function(subject, *args, **kwargs)
        return answers[subject]

    return cached
