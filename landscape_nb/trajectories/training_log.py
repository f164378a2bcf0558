"""What `train` keeps of a run: numbers after every epoch, and the network's state after some."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from landscape_nb._common.checks import check_kind, check_whole
from landscape_nb.objective.objective import Objective
from landscape_nb.trajectories.trajectory import StateDict, snapshot
from landscape_nb.weights.params import norm


class TrainingLog:
    """The history of a run, and the states at the epochs that it records.

    Args:
        net: The network that is trained; its present state is that of epoch 0.
        tests: What is evaluated after an epoch: the test data, else some training data.
        has_tests: Whether there are test data.
        settings: The run's settings.

    Attributes:
        history: As `Trajectory` has it.
        states: By epoch, the recorded states.
    """

    def __init__(self, net: nn.Module, tests: Objective, has_tests: bool, settings: dict):
        self.net, self.tests, self.has_tests, self.settings = net, tests, has_tests, settings
        self.history: dict[str, list[float]] = {}
        self.states: dict[int, StateDict] = {0: snapshot(net)}

    def record(self, epoch: int, values: dict[str, float]) -> None:
        """Add what is known after an epoch.

        Args:
            epoch: Its number, from 1 up.
            values: The numbers that training gave.

        Raises:
            FloatingPointError: The loss, or a weight, is not finite.
        """
        params = {name: p.detach() for name, p in self.net.named_parameters()}
        weight_norm = norm(params)
        self.check_finite("norm of the weights", weight_norm, epoch)
        if self.has_tests or epoch == self.settings["epochs"]:
            # The last step may have made weights whose loss is not finite, and no step after it would notice. So
            # without test data the final weights are evaluated on some training data.
            found = self.tests(params, dict(self.net.named_buffers()))
            self.check_finite(f"{'test ' * self.has_tests}loss", found["loss"], epoch)
            values |= {f"test_{name}": value for name, value in found.items() if self.has_tests}
        for name, value in (values | {"weight_norm": weight_norm}).items():
            self.history.setdefault(name, []).append(value)
        if epoch in self.settings["record"]:
            self.states[epoch] = snapshot(self.net)

    def check_finite(self, what: str, value: float, epoch: int) -> None:
        """Raise a `FloatingPointError` unless a number of an epoch is finite."""
        if not np.isfinite(value):
            lr = self.settings["lr"]
            raise FloatingPointError(f"the {what} became {value} in epoch {epoch}; a lower lr than {lr} may help")


def recorded_epochs(epochs: int, record: int | Sequence[int]) -> list[int]:
    """The epochs whose states are recorded, the first and the last included.

    Raises:
        TypeError: `record` is neither a number nor a list.
        ValueError: It has epochs that the run does not have.

    Example:
        >>> recorded_epochs(5, 2), recorded_epochs(5, [3])
        ([0, 2, 4, 5], [0, 3, 5])
    """
    if isinstance(record, int | float | np.number):
        record = range(0, epochs, check_whole("record", record, 1))
    check_kind("record", record, (list, tuple, range, set, np.ndarray), "every how many epochs, or a list of epochs")
    record = [check_whole("record", epoch, 0) for epoch in record]
    if unknown := [epoch for epoch in record if epoch > epochs]:
        raise ValueError(f"record: got epochs {unknown}, wants 0 to {epochs}")
    return sorted({0, epochs, *record})
