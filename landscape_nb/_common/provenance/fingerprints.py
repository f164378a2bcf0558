"""What a result was made from: fingerprints of weights, data and code, and the versions that ran."""

import functools
import hashlib
import platform
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from torch import nn

from landscape_nb._common.compat import children_of, plain_tensors
from landscape_nb._common.provenance.contents import contents, is_of_library
from landscape_nb._common.provenance.values import Parts, encoded, shallow_key

_PACKAGES = ("landscape-nb", "torch", "numpy", "xarray")
_DEPTH = 3
"""How many objects of libraries, one in another, are looked into."""


def fingerprint(*parts: Any, without: Collection[tuple[str, str]] = ()) -> str:
    """Hash everything that determines a result into 16 hexadecimal digits.

    Tensors and arrays count with dtype, shape and values; a module with its class, its settings, its parameters,
    its buffers and its hooks; containers and other objects with what they hold. The user's own functions and
    classes count with their code and with what they name around them; what is installed counts with name
    and version, and an object of an installed class with its public attributes, to a certain depth.
    What cannot be read counts by its type; nothing raises.

    The digits are the same in every process, after pickling and after copying.

    Args:
        *parts: Whatever determines the result, in order.
        without: Attributes (settings, parameters or buffers) of modules that do not count, such as those that
            a forward pass writes: pairs of a module's name in its outermost module, as `named_modules` has
            it, and the attribute's name.

    Returns:
        16 hexadecimal digits of a BLAKE2b hash.

    Example:
        >>> import torch
        >>> fingerprint(torch.zeros(3), "sgd") == fingerprint(torch.zeros(3), "sgd")
        True
        >>> fingerprint(torch.zeros(3)) == fingerprint(torch.zeros(3, 1))
        False
        >>> net = nn.Sequential(nn.ReLU())
        >>> before = fingerprint(net, without={("0", "calls")})
        >>> net[0].calls = 1
        >>> fingerprint(net, without={("0", "calls")}) == before, fingerprint(net) == before
        (True, False)
    """
    with plain_tensors():
        return _Reader(without).digest(parts).hex()[:16]


@functools.cache
def versions() -> str:
    """Name the packages that decide a result's digits, with their versions.

    Example:
        >>> versions().split(", ")[0].startswith("python ")
        True
    """
    found = [f"{name} {version(name)}" for name in _PACKAGES]
    return ", ".join([f"python {platform.python_version()}", *found])


@dataclass
class _Open:
    """An object that is being read: what it holds and is still to come, and the digests so far."""

    part: Any
    depth: int
    parts: Parts
    rest: Iterator[Any]
    digests: list[bytes] = field(default_factory=list)

    def digest(self) -> bytes:
        labels = (encoded(label) or label for label in self.parts.labels)
        return _hash([*labels, *(self.digests if self.parts.ordered else sorted(self.digests))])


class _Reader:
    """Reads objects depth first with a list of its own: Python's stack would be too small for deep ones.

    An object's digest depends on what it holds, not on where it is met, so that each is read once.
    One that holds itself, at whatever distance, counts there by its type.
    """

    def __init__(self, without: Collection[tuple[str, str]]):
        self.without = frozenset(without)
        self.left_out: dict[int, frozenset[str]] = {}
        self.deeper: dict[type, bool] = {}
        self.known: dict[tuple[int, int], tuple[Any, bytes]] = {}

    def digest(self, root: Any) -> bytes:
        """The hash of an object."""
        path = [self._open(root, 0)]
        while True:
            current = path[-1]
            inner = next((child for child in current.rest if not self._take(current, child)), None)
            if inner is not None:
                path.append(self._open(inner, current.depth))
                continue
            path.pop()
            found = current.digest()
            self.known[id(current.part), current.depth] = current.part, found
            if not path:
                return found
            path[-1].digests.append(found)

    def _take(self, current: _Open, child: Any) -> bool:
        """Whether a child's digest is there already, and then it is taken."""
        digest = encoded(child)
        if digest is None:
            known = self.known.get((id(child), current.depth + self._is_deeper(type(child))))
            digest = known and known[1]
        if digest is not None:
            current.digests.append(digest)
        return digest is not None

    def _open(self, part: Any, depth: int) -> _Open:
        depth += self._is_deeper(type(part))
        parts = self._contents(part, depth)
        self.known[id(part), depth] = part, b"around itself " + shallow_key(type(part))
        return _Open(part, depth, parts, iter(parts.held))

    def _is_deeper(self, kind: type) -> bool:
        if kind not in self.deeper:
            try:
                self.deeper[kind] = is_of_library(kind)
            except Exception:  # a class that cannot say its module is read like one of the user's own
                self.deeper[kind] = False
        return self.deeper[kind]

    def _contents(self, part: Any, depth: int) -> Parts:
        """What an object holds; of what cannot be read, and of libraries' objects too far inside, the type.

        A fingerprint is made of whatever a model or a loss happens to hold: objects of other people's classes,
        some of which raise whatever is done to them. They are not a reason to stop a measurement.
        """
        try:
            if depth <= _DEPTH:
                return contents(part, self._left_out(part))
        except Exception:
            pass
        return Parts(["not read", shallow_key(type(part))], [])

    def _left_out(self, part: Any) -> frozenset[str]:
        """The attributes of a module that do not count; names start at the module that is met first."""
        if not self.without or not issubclass(type(part), nn.Module):
            return frozenset()
        if id(part) not in self.left_out:
            for name, module in _named_modules(part):
                self.left_out.setdefault(id(module), frozenset(a for n, a in self.without if n == name))
        return self.left_out[id(part)]


def _named_modules(root: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """`root.named_modules()`, however deep."""
    found, seen = [("", root)], {id(root)}
    for name, module in found:
        for key, child in children_of(module).items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                found.append((f"{name}.{key}" if name else key, child))
    return found


def _hash(pieces: Iterable[bytes | memoryview]) -> bytes:
    """The hash of pieces, each with its length before it."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(b"%d " % len(piece) + piece if type(piece) is bytes else b"%d " % len(piece))
        if type(piece) is not bytes:
            digest.update(piece)
    return digest.digest()
