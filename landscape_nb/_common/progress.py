"""Progress bars for those who wait: they appear after a second and are gone at the end."""

from tqdm.auto import tqdm

_DELAY = 1


def progress_bar(total: int, shown: bool, done: int = 0, what: str = "Measuring") -> tqdm:
    """A bar that a `with` statement opens.

    Args:
        total: How many steps there are.
        shown: Whether it is shown at all.
        done: How many of them are done already.
        what: The text before it.

    Example:
        >>> with progress_bar(3, shown=False) as bar:
        ...     _ = bar.update()
    """
    return tqdm(total=total, initial=done, desc=what, leave=False, delay=_DELAY, disable=not shown)
