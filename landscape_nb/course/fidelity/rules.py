"""Rules that make a verdict of the paper's numbers and ours."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

MATCHED, WEAKER, FAILED, ABSENT = "matched", "weaker", "not reproduced", "not computed yet"
UNTRAINED, ELSEWHERE = "not trained well enough to tell", "not part of this scale"
VERDICTS = (MATCHED, WEAKER, FAILED, ABSENT, UNTRAINED, ELSEWHERE)

Numbers = Sequence[float]
Rule = Callable[[Numbers, Numbers], str]


def close(paper: Numbers, ours: Numbers) -> str:
    """Matched: all within a quarter of the paper's number; weaker: within a factor of two.

    Example:
        >>> close([8.0], [9.0]), close([8.0], [15.0]), close([8.0], [17.0])
        ('matched', 'weaker', 'not reproduced')
    """
    factors = [max(a, b) / max(min(a, b), 1e-12) for a, b in zip(paper, ours, strict=True)]
    return MATCHED if max(factors) <= 1.25 else WEAKER if max(factors) <= 2 else FAILED


def rising(paper: Numbers, ours: Numbers) -> str:
    """Matched: every number is a fifth above the one before; weaker: above it.

    Example:
        >>> rising([], [1, 2, 3]), rising([], [1.0, 1.1]), rising([], [2, 1])
        ('matched', 'weaker', 'not reproduced')
    """
    pairs = list(itertools.pairwise(ours))
    return (
        MATCHED if all(b > a and b >= 1.2 * a for a, b in pairs) else WEAKER if all(b > a for a, b in pairs) else FAILED
    )


def far_above(paper: Numbers, ours: Numbers) -> str:
    """Matched: the second number is three times the first, and so on by pairs; weaker: larger.

    Example:
        >>> far_above([], [5, 55]), far_above([], [5, 8]), far_above([], [5, 5])
        ('matched', 'weaker', 'not reproduced')
    """
    pairs = list(zip(ours[::2], ours[1::2], strict=True))
    return (
        MATCHED if all(b > a and b >= 3 * a for a, b in pairs) else WEAKER if all(b > a for a, b in pairs) else FAILED
    )


def above(limit: float) -> Rule:
    """Matched: all numbers are at least `limit`; weaker: half of it.

    Example:
        >>> above(4)([], [5.0, 4.0]), above(4)([], [5.0, 3.0]), above(4)([], [1.0])
        ('matched', 'weaker', 'not reproduced')
    """
    return lambda paper, ours: MATCHED if min(ours) >= limit else WEAKER if min(ours) >= limit / 2 else FAILED


def within(low: float, high: float) -> Rule:
    """Matched: all numbers lie between two others; weaker: most do.

    Example:
        >>> within(1, 2)([], [1.5, 1.6]), within(1, 2)([], [1.5, 1.6, 3.0]), within(1, 2)([], [3.0])
        ('matched', 'weaker', 'not reproduced')
    """

    def rule(paper: Numbers, ours: Numbers) -> str:
        share = float(np.mean([low <= number <= high for number in ours]))
        return MATCHED if share == 1 else WEAKER if share > 0.5 else FAILED

    return rule


def below(limit: float) -> Rule:
    """Matched: all numbers are at most `limit`; weaker: twice that.

    Example:
        >>> below(4)([], [3.0]), below(4)([], [7.0]), below(4)([], [9.0])
        ('matched', 'weaker', 'not reproduced')
    """
    return lambda paper, ours: MATCHED if max(ours) <= limit else WEAKER if max(ours) <= 2 * limit else FAILED
