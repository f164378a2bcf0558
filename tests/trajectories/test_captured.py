"""A recorded function does, replayed, what it does when it is called. (On a GPU itself: tests/gpu.)"""

import pytest
import torch

from landscape_nb.trajectories.captured import Captured


class Recorder:
    """Stands for CUDA graphs: what it recorded runs again on the tensors that it was recorded with."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, function, tensors):
        self.recorded += 1

        def replay():
            self.replayed += 1
            function(*tensors)

        return replay


def called(function, *tensors):
    function(*tensors)


@pytest.fixture
def sums():
    """A function that adds its arguments to a tensor that stays, and that tensor."""
    total = torch.zeros(())

    def add(values, weights):
        total.add_((values * weights).sum())

    return add, total


def test_every_call_counts_once_whether_replayed_or_not(sums):
    add, total = sums
    record, expected = Recorder(), 0.0
    step = Captured(add, record, called)
    for number in range(1, 11):
        size = 2 if number in (5, 10) else 4
        step(torch.full((size,), float(number)), torch.full((size,), 2.0))
        expected += size * number * 2
        assert float(total) == expected
    assert (record.recorded, record.replayed) == (1, 5)


def test_arguments_are_copied_and_stay_as_they_are(sums):
    add, total = sums
    step = Captured(add, Recorder(), called)
    values = [torch.full((3,), float(number)) for number in range(8)]
    for value in values:
        step(value, torch.ones(3))
    assert float(total) == 3 * sum(range(8))
    assert [float(value[0]) for value in values] == list(range(8))


def test_what_cannot_be_recorded_is_called_and_said_once(sums, recwarn):
    add, total = sums

    def refuse(function, tensors):
        raise RuntimeError("operation not permitted when stream is capturing")

    step = Captured(add, refuse, called)
    for _ in range(8):
        step(torch.ones(2), torch.ones(2))
    assert float(total) == 16
    assert ["one by one (operation not permitted" in str(w.message) for w in recwarn] == [True]
