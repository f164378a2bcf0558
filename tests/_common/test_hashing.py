"""The hash is BLAKE2b, whose values anyone can compute."""

import hashlib

import numpy as np
import pytest

from landscape_nb._common.hashing import hashed

ABC = (
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
)
"""Of `abc`, in 64 bytes, as the command `b2sum` gives it."""


def test_the_hash_is_that_of_the_standard():
    assert hashed([b"abc"], 64).hex() == ABC


@pytest.mark.parametrize("size", [1, 4, 16, 64])
@pytest.mark.parametrize("pieces", [[], [b""], [b"abc"], [b"a", b"", b"bc"], [b"ab", memoryview(b"c")]])
def test_pieces_count_one_after_the_other(pieces, size):
    assert hashed(pieces, size) == hashlib.blake2b(b"".join(map(bytes, pieces)), digest_size=size).digest()


def test_the_default_has_sixteen_bytes():
    assert hashed(iter([b"x"])) == hashlib.blake2b(b"x", digest_size=16).digest()


def test_the_memory_of_arrays_is_read_as_it_lies():
    numbers = np.array([1, 256], "<u2")
    assert hashed([numbers.data]) == hashed([bytes([1, 0, 0, 1])])
