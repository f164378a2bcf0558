"""Callbacks of other packages' training loops; these packages are imported when a callback is made."""

from collections.abc import Callable
from typing import Any


def make_lightning_callback(record: Callable[..., None]) -> Any:
    """A callback of PyTorch Lightning that calls `record(lr=...)` after each training epoch, in one process only."""
    try:
        from lightning.pytorch import Callback
    except ImportError:  # the same under its older name
        from pytorch_lightning import Callback

    class RecordEpochs(Callback):  # pyrefly: ignore[invalid-inheritance]  (one of two)
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            self.lr = rate_of(trainer.optimizers[0])  # at the epoch's end the scheduler may have set the next one's

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                record(lr=self.lr)

    return RecordEpochs()


def make_transformers_callback(record: Callable[..., None]) -> Any:
    """A callback of Hugging Face's `Trainer` that calls `record(lr=...)` after each epoch, in one process only."""
    from transformers import TrainerCallback

    class RecordEpochs(TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.lr = rate_of(others["optimizer"])

        def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.is_world_process_zero:
                record(lr=self.lr)

    return RecordEpochs()


def rate_of(optimizer: Any) -> float | None:
    """The learning rate of an optimizer's first group, if it has one.

    Example:
        >>> import torch
        >>> rate_of(torch.optim.SGD([torch.zeros(1)], lr=0.1))
        0.1
    """
    lr = optimizer.param_groups[0].get("lr")
    return None if lr is None else float(lr)
