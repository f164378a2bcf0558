"""What is right passes as it is, what is wrong is named with what was given and what is wanted."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from landscape_nb._common.checks import (
    check_choice,
    check_fraction,
    check_kind,
    check_number,
    check_pathlike,
    check_positive,
    check_whole,
)

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = ["1", None, [1], 1j, Decimal(1), Fraction(1), np.array([1.0]), torch.tensor(1.0)]


@pytest.mark.parametrize(
    ("value", "least", "most"), [(0, 0, None), (3, 1, 3), (np.int64(5), 5, None), (-2, -2, 0), (2**31 - 1, 0, None)]
)
def test_whole_numbers_become_ints(value, least, most):
    found = check_whole("n", value, least, most)
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize("value", [-1, 1.0, np.float64(1), True, False, *NO_NUMBERS])
def test_what_is_not_whole_or_too_small_is_named(value):
    with pytest.raises(ValueError, match="^n: got .*, wants a whole number from 0 up$"):
        check_whole("n", value, 0)


def test_numbers_that_are_too_large_are_named_with_the_range():
    with pytest.raises(ValueError, match="^n: got 4, wants a whole number from 1 to 3$"):
        check_whole("n", 4, 1, 3)
    with pytest.raises(ValueError, match="^n: got 2147483648, wants a whole number from 0 to 2147483647$"):
        check_whole("n", 2**31, 0)


def test_the_largest_seed_is_one_that_torch_and_numpy_take():
    seed = check_whole("seed", 2**63 - 1, 0)
    torch.Generator().manual_seed(seed)
    np.random.SeedSequence([seed])
    with pytest.raises(ValueError, match="^seed: got 9223372036854775808"):
        check_whole("seed", 2**63, 0)


@pytest.mark.parametrize("value", [1, 0.5, 5e-324, 1e308, np.float32(2), np.int8(3)])
def test_positive_numbers_are_taken(value):
    check_positive("x", value)
    check_positive("x", value, or_zero=True)


@pytest.mark.parametrize("value", [-1, -1e-9, INF, -INF, NAN, True, *NO_NUMBERS])
def test_what_is_not_positive_is_named(value):
    with pytest.raises(ValueError, match="^x: got .*, wants a positive number$"):
        check_positive("x", value)
    with pytest.raises(ValueError, match="^x: got .*, wants 0 or a positive number$"):
        check_positive("x", value, or_zero=True)


@pytest.mark.parametrize("check", [check_positive, check_fraction])
@pytest.mark.parametrize("zero", [0, 0.0, -0.0, np.float64(0)])
def test_zero_is_taken_where_it_is_said_to_be(check, zero):
    check("x", zero, or_zero=True)
    with pytest.raises(ValueError, match="^x: got "):
        check("x", zero)


@pytest.mark.parametrize("value", [0.5, 5e-324, 1 - 2**-53, np.float32(0.25)])
def test_fractions_are_taken(value):
    check_fraction("x", value)


@pytest.mark.parametrize("value", [-0.1, 1, 1.0, 2, NAN, INF, True, *NO_NUMBERS])
def test_what_is_not_between_0_and_1_is_named(value):
    with pytest.raises(ValueError, match="^x: got .*, wants a number between 0 and 1$"):
        check_fraction("x", value)


@pytest.mark.parametrize("value", [0, -2.5, INF, -INF, 2**62, np.float32(1.5), np.int64(-3)])
def test_real_numbers_become_floats(value):
    found = check_number("x", value)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_not_a_number_is_named(value):
    with pytest.raises(TypeError, match=f"^x: got {type(value).__name__}, wants a number$"):
        check_number("x", value)


@pytest.mark.parametrize("check", [check_number, check_positive])
@pytest.mark.parametrize("value", [2**63, 10**400])
def test_ints_beyond_64_bits_are_named(check, value):
    with pytest.raises(ValueError, match="^x: got [0-9]+, wants a float instead of so large an int$"):
        check("x", value)


def test_choices_are_compared_with_their_kind():
    check_choice("x", "a", ("a", "b"))
    check_choice("x", None, iter(["a", None]))
    for wrong in ("c", "A", None, 1, ["a"], np.array(["a", "b"]), torch.ones(2)):
        with pytest.raises(ValueError, match=r"^x: got .*wants one of 'a', 'b'$"):
            check_choice("x", wrong, ("a", "b"))
    with pytest.raises(ValueError, match="^x: got 1.0, wants one of 1, 2$"):
        check_choice("x", 1.0, (1, 2))


def test_kinds_and_paths():
    check_kind("x", [], (list, tuple), "a list")
    check_pathlike("x", "a")
    check_pathlike("x", Path("a"))
    for wrong in (3, b"a", None, ["a"]):
        with pytest.raises(TypeError, match=f"^x: got {type(wrong).__name__}, wants a path: text or a pathlib.Path$"):
            check_pathlike("x", wrong)
