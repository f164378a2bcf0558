"""A training run as points in weight space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from landscape_nb.weights.copies import copied_model
from landscape_nb.weights.filters import carrying, filter_fields_in
from landscape_nb.weights.params import Params

StateDict = dict[str, Tensor]


def snapshot(net: nn.Module) -> StateDict:
    """A copy of a network's parameters and buffers on the CPU, in the default layout; extra state is left out.

    Example:
        >>> list(snapshot(nn.Linear(2, 1)))
        ['weight', 'bias']
    """
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in net.state_dict().items()
        if isinstance(tensor, Tensor)
    }


class Chosen(Sequence):
    """A model's parameters out of `state_dict`s, each read when it is indexed; a slice is a list of them."""

    def __init__(self, states: Sequence[Params], model: nn.Module):
        self.states, self.filter_fields = states, filter_fields_in(model)
        self.names = [name for name, _ in model.named_parameters()]

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        state = self.states[index]
        if not isinstance(state, Mapping):
            return state
        return carrying({name: state[name] for name in self.names if name in state}, self.filter_fields)


@dataclass
class Trajectory:
    """A training run: where it went, and how well it did there.

    Attributes:
        model: The trained network, in evaluation mode (a copy; the caller's model stays untrained).
        epochs: The epochs at which points were recorded; 0 is the initial point, the last the final.
        states: Parameters and buffers at those epochs, keyed like `state_dict()`: a list, or a sequence that reads a
            checkpoint's file when it is indexed.
        lr_drops: Epochs after which the learning rate fell (`train` divides it by ten).
        history: What `train` measures, for each quantity a list with one number for each epoch, from epoch 1 on:
            `train_loss` and `train_accuracy` (running means in training mode), `test_loss` and `test_accuracy`
            (after the epoch, if there are test data), `weight_norm` and `lr`.
        settings: The settings it was trained with.
    """

    model: nn.Module
    epochs: list[int]
    states: Sequence[StateDict]
    lr_drops: list[int]
    history: dict[str, list[float]]
    settings: dict = field(default_factory=dict)

    @property
    def points(self) -> Sequence[Params]:
        """The parameters at each recorded epoch, without buffers; a slice is a list."""
        return Chosen(self.states, self.model)

    def model_at(self, epoch: int) -> nn.Module:
        """A copy of the network as it was after an epoch, in evaluation mode.

        Args:
            epoch: One of `epochs`.

        Returns:
            The copy, with its parameters and buffers of that epoch.

        Raises:
            ValueError: That epoch was not recorded.
        """
        if epoch not in self.epochs:
            raise ValueError(f"epoch: got {epoch!r}, recorded are {', '.join(map(str, self.epochs))}")
        model = copied_model(self.model)
        model.load_state_dict(self.states[self.epochs.index(epoch)], strict=False)  # a module's extra state stays
        return model
