"""Points of a training loop of one's own, kept as it runs."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from landscape_nb._common.checks import check_positive, check_whole
from landscape_nb._common.paths import local_path
from landscape_nb._common.schema import LR_DROPS
from landscape_nb.trajectories.callbacks import make_lightning_callback, make_transformers_callback
from landscape_nb.trajectories.checkpoints import CheckpointFiles
from landscape_nb.trajectories.run_files import state_name
from landscape_nb.trajectories.trajectory import StateDict, Trajectory, snapshot
from landscape_nb.weights.copies import check_model, copied_model


class Recorder:
    """Keeps points of a training loop of your own: call `record()` after each epoch, then `trajectory()`.

    The network as it is when the recorder is made is the first point, of epoch 0. What is kept are copies of all
    parameters and buffers, on the CPU. An "epoch" may be anything that you record after, a hundred steps for instance.
    Of several processes that train one network, only one should record.

    Args:
        model: The network that is trained. It stays as it is.
        folder: Where points are kept, as one `.safetensors` file each, which is written whole or not at all; default
            in memory. `checkpoints(folder + "/*.safetensors", model)` reads them in another process.
        every: Keep only every nth recorded epoch, besides the first and the last.

    Attributes:
        epochs: The epochs whose points are kept.
        lr_drops: The epochs after which the learning rate began to fall.

    Raises:
        ValueError: `every` is not a whole number from 1 up, `model` wraps the module that is wanted, or `folder` is a
            file or has points of another run.
        TypeError: `model` is not a module, or `folder` not a path.
        OSError: The folder cannot be written.

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 1)
        >>> recorder = Recorder(model)
        >>> for lr in (0.1, 0.1, 0.01):
        ...     with torch.no_grad():
        ...         _ = model.weight.sub_(lr)  # a step of training
        ...     recorder.record(lr=lr)
        >>> run = recorder.trajectory()
        >>> run.epochs, run.lr_drops
        ([0, 1, 2, 3], [2])
    """

    def __init__(self, model: nn.Module, folder: str | PathLike[str] | None = None, every: int = 1):
        check_model("model", model)
        self.model, self.every = model, check_whole("every", every, 1)
        self.folder = None if folder is None else _made_folder(folder)
        self.epochs: list[int] = []
        self.lr_drops: list[int] = []
        self._states: list[StateDict] = []
        self._epoch, self._calls = 0, 0
        self._written: dict[int, tuple[int, int] | None] = {}
        self._lr: float | None = None
        self._falls = False
        self._keep()

    def record(self, epoch: int | None = None, lr: float | Sequence[float] | None = None) -> None:
        """Say that an epoch is over; its point is kept if it is one of those to keep.

        Args:
            epoch: Its number; default one more than the last.
            lr: The learning rate of this epoch, or those of the optimizer's groups, as a scheduler's `get_last_lr()`
                gives them; the first one counts. Where it begins to fall, a drop is noted; the following steps down
                of a cosine, or another schedule that falls all the time, are not.

        Raises:
            ValueError: `epoch` is not a whole number larger than the last one, `lr` is not a number from 0 up, or
                another recorder writes into the folder.
            OSError: The folder cannot be written.

        Example:
            >>> recorder = Recorder(nn.Linear(2, 1), every=2)
            >>> for epoch in range(1, 6):
            ...     recorder.record(epoch)
            >>> recorder.epochs
            [0, 2, 4]
            >>> recorder.trajectory().epochs
            [0, 2, 4, 5]
        """
        epoch = self._next(epoch)
        if lr is not None:
            self._note(_first_rate(lr))
        self._epoch, self._calls = epoch, self._calls + 1
        if self._calls % self.every == 0:
            self._keep()

    def trajectory(self) -> Trajectory:
        """The run so far; its last point is kept too, as the network is now.

        Returns:
            The run. Its `model` is a copy of the network at the last point, in evaluation mode. Points in a folder are
            read when they are asked for.

        Raises:
            OSError: The folder cannot be written.

        Example:
            >>> Recorder(nn.Linear(2, 1)).trajectory().epochs
            [0]
        """
        if self.epochs[-1] != self._epoch:
            self._keep()
        states = list(self._states)
        if self.folder is not None:
            states = CheckpointFiles([self.folder / state_name(epoch) for epoch in self.epochs], self.model)
        final = copied_model(self.model).eval()
        final.load_state_dict(states[-1], strict=False)  # a module's extra state stays
        return Trajectory(final, list(self.epochs), states, list(self.lr_drops), {}, {"every": self.every})

    def lightning_callback(self) -> Any:
        """A callback that records every epoch of a `Trainer` of PyTorch Lightning.

        Returns:
            A `lightning.pytorch.Callback`.

        Raises:
            ImportError: Lightning is not installed.

        Example:
            >>> recorder = Recorder(net)  # doctest: +SKIP
            >>> trainer = lightning.Trainer(max_epochs=20, callbacks=[recorder.lightning_callback()])  # doctest: +SKIP
        """
        return make_lightning_callback(self.record)

    def transformers_callback(self) -> Any:
        """A callback that records every epoch of a `Trainer` of Hugging Face's transformers.

        Returns:
            A `transformers.TrainerCallback`.

        Raises:
            ImportError: transformers is not installed.

        Example:
            >>> recorder = Recorder(model)  # doctest: +SKIP
            >>> trainer = Trainer(model, callbacks=[recorder.transformers_callback()], ...)  # doctest: +SKIP
        """
        return make_transformers_callback(self.record)

    def _check_alone(self) -> None:
        """Raise a `ValueError` where another recorder writes into the folder, too."""
        if self.folder is None or not self._written:
            return
        first, now = (self.folder / state_name(epoch) for epoch in (0, self._epoch))
        if _file_of(first) not in (None, self._written[0]) or _file_of(now) not in (
            None,
            self._written.get(self._epoch),
        ):
            raise ValueError(f"folder: another run writes into {str(self.folder)!r}, too; give each one of its own")

    def _next(self, epoch: int | None) -> int:
        """The number of the epoch that is over."""
        if epoch is None:
            return self._epoch + 1
        if epoch == 0 and self._epoch == 0:
            raise ValueError("epoch: got 0, which is the network before training; the first epoch is 1")
        return check_whole("epoch", epoch, self._epoch + 1)

    def _note(self, lr: float) -> None:
        """Note a drop where the learning rate falls and did not before."""
        falls = self._lr is not None and lr < self._lr
        if falls and not self._falls:
            self.lr_drops.append(self._epoch)
        self._lr, self._falls = lr, falls

    def _keep(self) -> None:
        """Keep the network as it is now."""
        state = snapshot(self.model)
        if self.folder is None:
            self._states.append(state)
        else:
            self._check_alone()
            _write(self.folder / state_name(self._epoch), state, {LR_DROPS: json.dumps(self.lr_drops)})
            self._written[self._epoch] = _file_of(self.folder / state_name(self._epoch))
        self.epochs.append(self._epoch)


def _file_of(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to, as it is now; None if there is not one."""
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns
    return None


def _first_rate(lr: Any) -> float:
    """The learning rate of the first group; schedulers give lists, and some of them tensors."""
    if isinstance(lr, list | tuple):
        if not lr:
            raise ValueError("lr: got an empty list, wants a number, or one for each group")
        lr = lr[0]
    if isinstance(lr, Tensor) and lr.numel() == 1:
        lr = lr.item()
    check_positive("lr", lr, or_zero=True)
    return lr


def _made_folder(folder: str | PathLike[str]) -> Path:
    """A folder without points of another run; one of epoch 0 is of a run that did not come far."""
    path = local_path("folder", folder)
    if path.exists() and not path.is_dir():
        raise ValueError(f"folder: got {str(path)!r}, which is a file")
    path.mkdir(parents=True, exist_ok=True)
    kept = {file.name for file in path.glob("epoch-*.safetensors")} - {state_name(0)}
    if kept:
        raise ValueError(f"folder: {str(path)!r} has {min(kept)!r} of another run; wants an empty folder, or a new one")
    return path


def _write(path: Path, state: StateDict, notes: dict[str, str]) -> None:
    """Write a file under another name and then rename it, so that it is never seen half-written."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        save_file(state, temporary, notes)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise OSError(f"folder: {str(path.parent)!r} cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
