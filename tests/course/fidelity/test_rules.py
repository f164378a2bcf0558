"""Rules give each of their verdicts, and are not blind to numbers that say nothing."""

import pytest

from landscape_nb.course.fidelity.rules import FAILED, MATCHED, close, far_above, rising


@pytest.mark.parametrize("rule", [close, rising])
def test_a_rule_is_not_blind(rule):
    assert rule([1.0, 2.0], [1.0, 2.0]) == MATCHED
    assert rule([1.0, 2.0], [9.0, 0.1]) == FAILED


@pytest.mark.parametrize("rule", [rising, far_above])
def test_equal_numbers_are_no_order(rule):
    assert rule([], [0.0, 0.0]) == rule([], [-1.0, -1.1]) == FAILED
