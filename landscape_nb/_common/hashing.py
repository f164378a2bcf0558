"""The hash function that checksums, fingerprints and names of files are made with."""

import hashlib
from collections.abc import Iterable


def hashed(pieces: Iterable[bytes | memoryview], size: int = 16) -> bytes:
    """The BLAKE2b hash of pieces, one after the other: where one ends and the next begins does not count.

    Args:
        pieces: What is hashed.
        size: How many bytes the hash has.

    Example:
        >>> hashed([b"a", b"b"], 4).hex(), hashed([b"ab"], 4).hex()
        ('3ae897a7', '3ae897a7')
    """
    state = hashlib.blake2b(digest_size=size)
    for piece in pieces:
        state.update(piece)
    return state.digest()
