"""What a check says, and which answers count as the same."""

import numpy as np
import pytest
import torch

from landscape_nb.course.exercises.feedback import OPEN, Feedback, is_close, is_same


def test_right_and_wrong_are_told_apart_at_a_glance():
    assert Feedback(True, "Both move.")._repr_markdown_() == "✅ Right. Both move."
    assert Feedback(False, "Try α = 0.")._repr_markdown_() == "✏️ Not yet. Try α = 0."
    assert not OPEN.right
    assert "`...`" in OPEN.text


@pytest.mark.parametrize("answer", [2, 2.0, np.float32(2), np.int64(2), 2.0019, 1.9981])
def test_numbers_within_a_thousandth_are_close(answer):
    assert is_close(answer, 2.0) is True


@pytest.mark.parametrize("answer", [2.0021, 1.9979, -2.0, 0, float("nan"), float("inf"), "2", None, ..., [2.0], 2 + 0j])
def test_other_answers_are_not(answer):
    assert is_close(answer, 2.0) is False


def test_the_tolerance_is_relative_and_zero_has_next_to_none():
    assert is_close(2e9 + 1e6, 2e9)
    assert not is_close(2e-6 + 1e-8, 2e-6)
    assert is_close(2.15, 2.0, tolerance=0.1)
    assert is_close(1e-10, 0.0)
    assert not is_close(1e-8, 0.0)


POINT = {"w": torch.tensor([[1.0, -2.0], [0.0, 1e3]]), "b": torch.tensor([0.5])}


def test_points_are_the_same_to_a_thousandth_in_every_entry():
    assert is_same(POINT, POINT)
    assert is_same({name: 1.0009 * tensor for name, tensor in POINT.items()}, POINT)
    assert is_same(dict(reversed(POINT.items())), POINT)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weights = POINT["w"].clone()
        weights[row, column] += 0.0011 * max(1.0, weights[row, column].abs().item())
        assert not is_same(POINT | {"w": weights}, POINT)


def test_points_of_other_shapes_are_not_the_same():
    assert not is_same(POINT | {"b": torch.tensor([[0.5]])}, POINT)
    assert not is_same(POINT | {"b": torch.tensor(0.5)}, POINT)
