"""Pictures by the setting they show: what is drawn once is not drawn again."""

from collections import OrderedDict
from datetime import date
from typing import Any


class PictureCache:
    """A cache of pictures by their setting, up to so many bytes; the least recently used go first."""

    def __init__(self, most: int):
        self.most, self.bytes = most, 0
        self._kept: OrderedDict[tuple, bytes] = OrderedDict()

    def get(self, key: tuple) -> bytes | None:
        """The picture of this setting, if it is kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: tuple, picture: bytes) -> None:
        """Add a new picture; one that is larger than the whole cache is not kept."""
        self._kept[key] = picture
        self.bytes += len(picture)
        while self.bytes > self.most:
            self.bytes -= len(self._kept.popitem(last=False)[1])


def setting_key(values: dict[str, Any]) -> tuple:
    """A setting as a key: different settings differ, but 0.3 and 3 · 0.1, which rounds to another number, do not.

    What is not plain, such as a network, is told by identity, for two networks may have one text; the key holds it.
    """
    return tuple((name, _Same(value)) for name, value in values.items())


class _Same:
    """A value that equals another if they are one object, or plain and the same."""

    def __init__(self, value: Any):
        self.value = value
        self.told_by = _text(value) if _is_plain(value) else id(value)

    def __hash__(self) -> int:
        return hash(self.told_by)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.told_by == other.told_by


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(map(_text, value))})"
    return repr(float(f"{value:.9g}") if isinstance(value, float) else value)


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bytes | int | float | date)
