"""What a check says about an answer, and how answers are compared."""

from dataclasses import dataclass

import numpy as np
import torch

from landscape_nb.weights.params import Params


@dataclass(frozen=True)
class Feedback:
    """What a check says about an answer.

    Attributes:
        right: Whether the answer is right.
        text: Praise, or a hint.
    """

    right: bool
    text: str

    def _repr_markdown_(self) -> str:
        return f"{'✅ Right.' if self.right else '✏️ Not yet.'} {self.text}"


OPEN = Feedback(False, "Replace `...` by your answer and run the cell again.")


def is_close(answer: object, right: float, tolerance: float = 1e-3) -> bool:
    """Whether an answer is this number, to a relative tolerance.

    Example:
        >>> is_close(0.50001, 0.5), is_close("a half", 0.5)
        (True, False)
    """
    return isinstance(answer, int | float | np.number) and bool(np.isclose(answer, right, rtol=tolerance, atol=1e-9))


def is_same(first: Params, second: Params) -> bool:
    """Whether two points or directions agree, to a thousandth in every entry.

    Example:
        >>> is_same({"w": torch.ones(2)}, {"w": torch.ones(2)})
        True
    """
    pairs = ((first[name], second[name]) for name in second)
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-8) for a, b in pairs)
