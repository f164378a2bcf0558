"""A recorded function does, replayed, what it does when it is called. (On a GPU itself: tests/gpu.)"""

import pytest
import torch

from landscape_nb.trajectories.captured import Captured


class Recorder:
    """Stands for a GPU: what it recorded runs again on the tensors that it was recorded with."""

    def __init__(self, waits=False, error=None):
        self.waits, self.error = waits, error
        self.recorded = self.replayed = 0

    def call(self, function, tensors):
        function(*tensors)
        return self.waits

    def record(self, function, tensors):
        if self.error:
            raise self.error
        self.recorded += 1

        def replay():
            self.replayed += 1
            function(*tensors)

        return replay


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
    step = Captured(add, record)
    for number in range(1, 11):
        size = 2 if number in (5, 10) else 4
        step(torch.full((size,), float(number)), torch.full((size,), 2.0))
        expected += size * number * 2
        assert float(total) == expected
    assert (record.recorded, record.replayed) == (1, 5)


def test_arguments_are_copied_and_stay_as_they_are(sums):
    add, total = sums
    step = Captured(add, Recorder())
    values = [torch.full((3,), float(number)) for number in range(8)]
    for value in values:
        step(value, torch.ones(3))
    assert float(total) == 3 * sum(range(8))
    assert [float(value[0]) for value in values] == list(range(8))


@pytest.mark.parametrize(
    ("recorder", "why"),
    [
        (Recorder(waits=True), "it waits for the GPU"),
        (Recorder(error=RuntimeError("operation not permitted")), "operation not permitted"),
    ],
)
def test_what_cannot_be_recorded_is_called_and_said_once(sums, recwarn, recorder, why):
    add, total = sums
    step = Captured(add, recorder)
    for _ in range(8):
        step(torch.ones(2), torch.ones(2))
    assert float(total) == 16
    assert [f"one by one ({why})" in str(w.message) for w in recwarn] == [True]
    assert recorder.recorded == 0


def test_an_interrupt_in_a_recording_is_an_interrupt(sums):
    error = RuntimeError("capture was invalidated")
    error.__context__ = KeyboardInterrupt()
    step = Captured(sums[0], Recorder(error=error))
    for _ in range(3):
        step(torch.ones(2), torch.ones(2))
    with pytest.raises(KeyboardInterrupt):
        step(torch.ones(2), torch.ones(2))
