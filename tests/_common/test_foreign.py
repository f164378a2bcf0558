"""An error is somebody else's if it came out of their code, whatever happened to it on its way."""

import pytest

from landscape_nb._common.foreign import FAILURES, is_foreign, marking_foreign


def raised(error, *marks):
    """The error after it has passed these marks, the innermost first."""
    try:
        if marks:
            *inner, last = marks
            with marking_foreign(last):
                raise raised(error, *inner)
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("marks", "foreign"),
    [
        ((), False),
        ((True,), True),
        ((False,), False),
        ((False, True), False),
        ((True, False), True),
        ((True,) * 3, True),
    ],
)
def test_the_innermost_mark_counts(marks, foreign):
    error = ValueError("x")
    assert raised(error, *marks) is error
    assert is_foreign(error) is foreign


def chained(cause, *marks):
    error = RuntimeError("made of it")
    error.__cause__ = cause
    return raised(error, *marks)


def test_an_error_that_was_made_of_anothers_is_theirs_too_unless_it_is_marked_itself():
    theirs, ours = raised(KeyError(), True), raised(KeyError(), False)
    assert is_foreign(chained(theirs))
    assert is_foreign(chained(chained(theirs)))
    assert not is_foreign(chained(ours))
    assert not is_foreign(chained(theirs, False))
    assert is_foreign(chained(ours, True))


def test_an_error_that_was_only_met_on_the_way_says_nothing():
    error = ValueError("ours")
    error.__context__ = raised(KeyError(), True)
    assert not is_foreign(error)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_is_nobodys_fault(stop):
    assert not is_foreign(raised(stop(), True))


def test_what_models_usually_raise_is_caught_and_interrupts_are_not():
    for kind in (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError):
        assert issubclass(kind, FAILURES)
    for kind in (KeyboardInterrupt, SystemExit, MemoryError, OSError):
        assert not issubclass(kind, FAILURES)
