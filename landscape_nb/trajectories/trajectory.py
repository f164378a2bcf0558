"""A training run as points in weight space."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from landscape_nb.weights.copies import copied_model
from landscape_nb.weights.filters import carrying, filter_fields_in
from landscape_nb.weights.params import Params

StateDict = dict[str, Tensor]


@dataclass
class Trajectory:
    """A training run: where it went, and how well it did there.

    Attributes:
        model: The trained network, in evaluation mode (a copy; the caller's model stays untrained).
        epochs: The epochs at which points were recorded; 0 is the initial point, the last the final.
        states: Parameters and buffers at those epochs, keyed like `state_dict()`.
        lr_drops: Epochs after which the learning rate was divided by ten.
        history: For each quantity a list with one number for each epoch, from epoch 1 on: `train_loss` and
            `train_accuracy` (running means in training mode), `test_loss` and `test_accuracy`
            (after the epoch, if there are test data), `weight_norm` and `lr`.
        settings: The settings it was trained with.
    """

    model: nn.Module
    epochs: list[int]
    states: list[StateDict]
    lr_drops: list[int]
    history: dict[str, list[float]]
    settings: dict = field(default_factory=dict)

    @property
    def points(self) -> list[Params]:
        """The parameters at each recorded epoch, without buffers."""
        names, fields = [name for name, _ in self.model.named_parameters()], filter_fields_in(self.model)
        return [carrying({name: state[name] for name in names}, fields) for state in self.states]

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
        model.load_state_dict(self.states[self.epochs.index(epoch)])
        return model
