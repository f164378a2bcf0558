"""A training run as points in weight space, and its files: safetensors for numbers, JSON for the rest."""

import hashlib
import json
import os
import warnings
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from platformdirs import user_cache_path
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from landscape_nb.copies import copied_model
from landscape_nb.parameters import Params

State = dict[str, Tensor]
_INDEX = "run.json"


@dataclass
class Trajectory:
    """A training run: where it went, and how well it did there.

    Attributes:
        model: The trained network, in evaluation mode (a copy; the caller's model stays untrained).
        epochs: The epochs at which points were recorded; 0 is the initial point, the last the final.
        states: Parameters and buffers at those epochs, keyed like `state_dict()`.
        lr_drops: Epochs after which the learning rate was divided by ten.
        history: One list a quantity, one number an epoch, from epoch 1 on: `train_loss` and
            `train_accuracy` (running means in training mode), `test_loss` and `test_accuracy`
            (after the epoch, if there are test data), `weight_norm` and `lr`.
        settings: What the run was made with.
    """

    model: nn.Module
    epochs: list[int]
    states: list[State]
    lr_drops: list[int]
    history: dict[str, list[float]]
    settings: dict = field(default_factory=dict)

    @property
    def points(self) -> list[Params]:
        """The parameters at each recorded epoch, without buffers."""
        names = [name for name, _ in self.model.named_parameters()]
        return [{name: state[name] for name in names} for state in self.states]

    def model_at(self, epoch: int) -> nn.Module:
        """A copy of the network as it was after an epoch, in evaluation mode.

        Raises:
            ValueError: That epoch was not recorded.
        """
        if epoch not in self.epochs:
            raise ValueError(f"epoch: got {epoch!r}, recorded are {', '.join(map(str, self.epochs))}")
        model = copied_model(self.model)
        model.load_state_dict(self.states[self.epochs.index(epoch)])
        return model


class DamagedEntryError(Exception):
    """A file of a cached run is missing or is not what was written."""


class RunFiles:
    """The files of one training run, written so that a kill at any moment leaves a usable run.

    Every file is written whole under another name and then renamed; `run.json`, renamed last, names
    the others with their checksums and carries its own.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.checksums: dict[str, str] = {}

    def read(self) -> dict | None:
        """The index of the run, or None if there is none or it is damaged (with a warning)."""
        path = self.folder / _INDEX
        if not path.exists():
            return None
        try:
            index = json.loads(path.read_text())
            content = index["content"]
            if index["checksum"] != _checksum(json.dumps(content).encode()):
                raise DamagedEntryError(f"{_INDEX} does not match its checksum")
            self.checksums = content.pop("files")
            for name, checksum in self.checksums.items():
                if _checksum((self.folder / name).read_bytes()) != checksum:
                    raise DamagedEntryError(f"{name} does not match its checksum")
        except (DamagedEntryError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.warn(f"the cached training in {self.folder} is damaged ({error}); training anew", stacklevel=3)
            self.checksums = {}
            return None
        return content

    def load(self, name: str) -> State:
        """Read tensors that `read` has checked."""
        return load_file(self.folder / name)

    def save(self, name: str, tensors: State) -> None:
        """Write tensors; they count once `commit` has named them."""
        temporary = self.folder / f"{name}.{os.getpid()}"
        save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, temporary)
        self.checksums[name] = _checksum(temporary.read_bytes())
        os.replace(temporary, self.folder / name)

    def commit(self, content: dict, keep: list[str]) -> None:
        """Write the index, naming the files to keep, and delete those that nothing names any more."""
        stale = [name for name in self.checksums if name not in keep]
        self.checksums = {name: self.checksums[name] for name in keep}
        content = content | {"files": self.checksums}
        index = {"content": content, "checksum": _checksum(json.dumps(content).encode())}
        temporary = self.folder / f"{_INDEX}.{os.getpid()}"
        temporary.write_text(json.dumps(index, indent=1))
        os.replace(temporary, self.folder / _INDEX)
        for name in stale:
            (self.folder / name).unlink(missing_ok=True)


def cache_directory(cache: str | PathLike[str] | None = None) -> Path:
    """Where trained networks are kept.

    Args:
        cache: A directory, which then is the answer.

    Returns:
        `cache`, else the environment variable `LANDSCAPE_NB_CACHE`, else `trained` in the user's cache
        directory.

    Example:
        >>> cache_directory("/my/nets").name
        'nets'
    """
    return Path(cache or os.environ.get("LANDSCAPE_NB_CACHE") or user_cache_path("landscape-nb") / "trained")


def _checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
