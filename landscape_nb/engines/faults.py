"""Why an engine is not used: it does not apply, a model does not bear it, or it is broken."""

from landscape_nb._common.foreign import is_foreign
from landscape_nb._common.settings import strict


class InapplicableError(ValueError):
    """An engine does not apply to what is measured; the message says why."""


class WrongValuesError(RuntimeError):
    """A faster engine gives other values than the plain one, and the model is not why."""


def reason(error: Exception) -> str:
    """Why an engine that raised this is not used, in a line.

    Raises:
        Exception: The error itself, under `LANDSCAPE_NB_STRICT=1`, if it is a fault of our own: neither an
            `InapplicableError`, nor raised inside somebody else's model or metric. Without this, such a fault
            would show only as slow measurements.

    Example:
        >>> reason(InapplicableError("no convolutions"))
        'no convolutions'
    """
    if strict() and not isinstance(error, InapplicableError) and not is_foreign(error):
        raise error
    return (str(error) or type(error).__name__).splitlines()[0]
