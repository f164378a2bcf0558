"""Updates of a network's weights, each from one batch: forward, backward, and the optimizer's formula."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from landscape_nb._common.checks import check_kind
from landscape_nb._common.compat import hooks_of
from landscape_nb._common.safe_layout import SafeLayout
from landscape_nb._common.torchs import is_known
from landscape_nb.objective.reductions import Metric, batch_value


class Updates:
    """Updates of a network's weights.

    Args:
        net: The network; its weights are changed.
        metrics: What is measured of a batch, by name, before the update: `'loss'`, which is minimized, and others.
        optimizer: `'sgd'` (Nesterov) or `'adam'`.
        weight_decay: Factor of the L2 penalty.
        momentum: Momentum of SGD.
        halved: Whether autocast computes both passes in bfloat16.
        samples: How many samples there are, for an error's message.

    Attributes:
        buffers: The optimizer's tensors, by kind, one for each weight.
        repeatable: Whether every update is the same work, whatever the values: true of layers and functions that
            are torch's or ours. Others may draw numbers in Python, or do something else after a thousand calls.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> update = Updates(net, {"loss": nn.functional.mse_loss}, "sgd", 0.0, 0.0, False, 2)
        >>> losses = [update(torch.ones(2, 1), torch.zeros(2, 1), 0.1)["loss"] for _ in range(2)]
        >>> bool(losses[1] < losses[0])
        True
    """

    def __init__(
        self,
        net: nn.Module,
        metrics: Mapping[str, Metric],
        optimizer: str,
        weight_decay: float,
        momentum: float,
        halved: bool,
        samples: int,
    ):
        self.net, self.metrics, self.samples = net, metrics, samples
        self.weights: list[Tensor] = [p for p in net.parameters() if p.requires_grad]
        self.buffers = _empty_buffers(optimizer, self.weights)
        replaced = any("forward" in vars(layer) for layer in net.modules())
        self.repeatable = not replaced and all(map(is_known, _parts_of(net) + list(metrics.values())))
        self._halved, self._momentum, self._decay = halved, momentum, weight_decay

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float | Tensor) -> dict[str, Tensor]:
        """Update the weights.

        Args:
            inputs: A batch of inputs.
            targets: Their targets.
            rate: The learning rate.

        Returns:
            By name, what was measured of the batch, on its device.

        Raises:
            TypeError: The criterion does not return a tensor.
            ValueError: What it returns cannot be minimized, or the batch is too small for the network.
        """
        self.net.zero_grad()
        with SafeLayout(), torch.autocast(inputs.device.type, torch.bfloat16, enabled=self._halved):
            outputs = self._outputs(inputs)
            values = {name: batch_value(metric(outputs, targets)) for name, metric in self.metrics.items()}
        _check_loss(values["loss"])
        values["loss"].backward()
        with torch.no_grad():
            self._step(rate)
        return {name: torch.as_tensor(value).detach() for name, value in values.items()}

    def _outputs(self, inputs: Tensor) -> Any:
        try:
            return self.net(inputs)
        except ValueError as error:
            if len(inputs) > 1:
                raise
            # In training mode batch norm refuses a single sample; the objective's trial runs in evaluation mode.
            name = "data" if self.samples == 1 else "batch_size"
            raise ValueError(f"{name}: got 1 sample a step, too few to train this network ({error})") from error

    def _step(self, rate: float | Tensor) -> None:
        """Take a step. (torch's optimizer classes would import its compiler: 150 MB and two seconds.)"""
        gradients = [w.grad if w.grad is not None else torch.zeros_like(w) for w in self.weights]
        common: Any = {"lr": rate, "weight_decay": self._decay, "maximize": False, "fused": True}
        if "momentum" in self.buffers:
            options = {"momentum": self._momentum, "dampening": 0, "nesterov": self._momentum > 0}
            momenta: Any = self.buffers["momentum"]  # sgd would fill in a None; there is none
            sgd(self.weights, gradients, momenta, **options, **common)
        else:
            mean, square, step = (self.buffers[name] for name in ("mean", "square", "step"))
            options = {"amsgrad": False, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
            adam(self.weights, gradients, mean, square, [], step, **options, **common)


def _parts_of(net: nn.Module) -> list[Any]:
    """A network's layers, their hooks, and the functions that they hold, such as an activation."""
    layers = list(net.modules())
    hooks = [hook for layer in layers for hook in hooks_of(layer)]
    return layers + hooks + [part for layer in layers for part in vars(layer).values() if callable(part)]


def _empty_buffers(optimizer: str, weights: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    """An optimizer's buffers before the first step."""
    zeros = [[torch.zeros_like(w, requires_grad=False) for w in weights] for _ in range(2)]
    if optimizer == "sgd":
        return {"momentum": zeros[0]}
    steps = [torch.zeros((), dtype=torch.float32, device=w.device) for w in weights]  # what a fused optimizer reads
    return {"mean": zeros[0], "square": zeros[1], "step": steps}


def _check_loss(loss: Any) -> None:
    """Raise unless gradients can be taken of a loss."""
    check_kind("criterion", loss, Tensor, "one that returns a tensor with a gradient")
    if loss.numel() != 1:
        raise ValueError(f"criterion: it returned shape {tuple(loss.shape)}, wants one number, the mean of a batch")
    if not loss.requires_grad:
        raise ValueError("criterion: what it returned has no gradient; compute it from the outputs, without detach()")
