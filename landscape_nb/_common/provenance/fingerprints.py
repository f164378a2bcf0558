"""What a result was made from: fingerprints of weights, data and code, and the versions that ran."""

import functools
import platform
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from torch import nn

from landscape_nb._common.compat import children_of, plain_tensors
from landscape_nb._common.hashing import hashed
from landscape_nb._common.provenance.contents import contents, is_of_library
from landscape_nb._common.provenance.values import Parts, encoded, shallow_key

_PACKAGES = ("landscape-nb", "torch", "numpy", "xarray")
_DEPTH = 3
"""How deep libraries' objects within libraries' objects are read."""


def fingerprint(*parts: Any, without: Collection[tuple[str, str]] = ()) -> str:
    """Hash everything that determines a result into 16 hexadecimal digits.

    Of tensors and arrays dtype, shape and values count; of a module its class, settings, parameters, buffers and
    hooks; of containers and other objects what they hold. Of the user's own functions and classes the code counts,
    and the globals and closures that it uses; of what is installed, name and version; of an object of an
    installed class its public attributes, to a certain depth. Of what cannot be read the type counts; an error is
    never raised.

    The digits are the same in every process, after pickling and after copying.

    Args:
        *parts: Whatever determines the result, in order.
        without: Attributes (settings, parameters or buffers) of modules that do not count, such as those that
            a forward pass writes: pairs of a module's name, as `named_modules` of the outermost module has it, and
            the attribute's name.

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
    """The packages that decide a result's digits, with their versions.

    Example:
        >>> versions().split(", ")[0].startswith("python ")
        True
    """
    found = [f"{name} {version(name)}" for name in _PACKAGES]
    return ", ".join([f"python {platform.python_version()}", *found])


def ran_since(began: float) -> dict[str, str | float]:
    """What measured a result and for how long, as its `attrs` say it.

    Args:
        began: What `time.perf_counter()` gave at the start.

    Example:
        >>> list(ran_since(time.perf_counter()))
        ['versions', 'wall_time']
    """
    return {"versions": versions(), "wall_time": round(time.perf_counter() - began, 3)}


@dataclass
class _Open:
    """An object that is being read: the iterator over what it holds, and the digests so far."""

    part: Any
    depth: int
    parts: Parts
    rest: Iterator[Any]
    digests: list[bytes] = field(default_factory=list)

    def digest(self) -> bytes:
        labels = (encoded(label) or label for label in self.parts.labels)
        return _hash([*labels, *(self.digests if self.parts.ordered else sorted(self.digests))])


class _Reader:
    """Reads objects depth first, with a list as its stack: Python's own would be too small for deeply nested ones.

    An object's digest depends on what it holds, not on where it is found, so that each is read once; otherwise shared
    objects could take exponentially long. (It does depend on the depth in libraries' objects, which is part of the
    key.) An object that holds itself, directly or not, would never end: before it is read, a digest of its type is
    noted for it, which stands wherever it is found again within itself. `known` keeps each object beside its digest:
    of an object that is gone, the id may belong to another.
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
        """Add a child's digest to the current object's if it is known already; returns whether it was."""
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
        """What an object holds; only its type if it cannot be read, or if it is too deep in libraries' objects.

        A fingerprint is made of whatever a model or a loss happens to hold, and some classes raise whatever is done
        to their objects. That is not a reason to stop a measurement.
        """
        try:
            if depth <= _DEPTH:
                return contents(part, self._left_out(part))
        except Exception:
            pass
        return Parts(["not read", shallow_key(type(part))], [])

    def _left_out(self, part: Any) -> frozenset[str]:
        """The attributes of a module that do not count; names start at the outermost module."""
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
    """The hash of pieces, each after its length, so that moving bytes from one to the next changes it."""
    return hashed(part for piece in pieces for part in (b"%d " % len(piece), piece))
