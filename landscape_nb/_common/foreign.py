"""What somebody else's model, loss or metric may raise, told from what the library's own machinery raises."""

from collections.abc import Iterator
from contextlib import contextmanager

FAILURES = (RuntimeError, ValueError, TypeError, NotImplementedError, LookupError, AttributeError, AssertionError)
"""Whoever catches these calls the model or metric plainly instead."""


@contextmanager
def marking_foreign() -> Iterator[None]:
    """Note on each error that passes that it came out of somebody else's code; it goes on as it is.

    An engine that fails inside a model is not at fault: the model does not bear to be recorded or batched, and is
    called plainly. An engine that fails outside is, which must not end as a slow measurement that nobody sees.

    Example:
        >>> try:
        ...     with marking_foreign():
        ...         raise ValueError
        ... except ValueError as error:
        ...     print(is_foreign(error))
        True
    """
    try:
        yield
    except Exception as error:
        error.is_foreign = True  # type: ignore[attr-defined]
        raise


def is_foreign(error: BaseException) -> bool:
    """Whether an error came out of somebody else's code.

    Example:
        >>> is_foreign(ValueError())
        False
    """
    return getattr(error, "is_foreign", False)
