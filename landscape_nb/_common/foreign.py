"""What somebody else's model, loss or metric may raise, told from what the library's own machinery raises."""

from collections.abc import Iterator
from contextlib import contextmanager

FAILURES = (RuntimeError, ValueError, TypeError, NotImplementedError, LookupError, AttributeError, AssertionError)
"""Whoever catches these calls the model or metric plainly instead."""


@contextmanager
def marking_foreign(foreign: bool = True) -> Iterator[None]:
    """Note on each error that passes whether it came out of somebody else's code; it goes on as it is.

    An engine that fails inside a model is not at fault: the model does not bear to be recorded or batched, and is
    called plainly. An engine that fails outside is, which must not end as a slow measurement that nobody sees.
    Where our own code runs inside a model's call, as the recorder's does, it notes that first: the innermost
    note counts.

    Args:
        foreign: False where the code is our own, inside somebody else's.

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
        if not hasattr(error, "is_foreign"):
            error.is_foreign = foreign  # pyrefly: ignore[missing-attribute]  (exceptions take attributes)
        raise


def is_foreign(error: BaseException) -> bool:
    """Whether an error came out of somebody else's code, or was made of one that did.

    Example:
        >>> is_foreign(ValueError())
        False
    """
    known = getattr(error, "is_foreign", None)
    return is_foreign(error.__cause__) if known is None and error.__cause__ else bool(known)
