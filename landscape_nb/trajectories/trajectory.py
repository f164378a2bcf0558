"""A training run as points in weight space, and its files: safetensors for numbers, JSON for the rest."""

import hashlib
import json
import math
import os
import shutil
import warnings
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from landscape_nb._common import settings
from landscape_nb._common.paths import local_path
from landscape_nb.weights.copies import copied_model
from landscape_nb.weights.filters import carrying, layouts_in
from landscape_nb.weights.params import Params

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
        names, layouts = [name for name, _ in self.model.named_parameters()], layouts_in(self.model)
        return [carrying({name: state[name] for name in names}, layouts) for state in self.states]

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


@dataclass
class Expected:
    """What the files of a run must say to be its files.

    Attributes:
        epochs: How many epochs the whole run has.
        record: The epochs to record.
        quantities: Names in the history.
        state: A recorded state: names, shapes and types of its tensors.
        resumable: The same for what an unfinished run goes on from.
        weights: Names of tensors that are finite throughout a run.
    """

    epochs: int
    record: list[int]
    quantities: set[str]
    state: State
    resumable: State
    weights: set[str]

    def files(self, epoch: int) -> dict[str, State]:
        """The files of a run whose last finished epoch is `epoch`, by name, and what tensors they hold."""
        files = {state_name(recorded): self.state for recorded in self.recorded(epoch)}
        return files | ({resume_name(epoch): self.resumable} if epoch < self.epochs else {})

    def recorded(self, epoch: int) -> list[int]:
        """Which epochs are recorded by the end of `epoch`."""
        return [recorded for recorded in self.record if recorded <= epoch]

    def check(self, content: Any) -> None:
        """Raise a `DamagedEntryError` unless this is the index of such a run: its files may come from elsewhere."""
        _demand(isinstance(content, dict), "its content is not a dict")
        epoch, history, files = (content.get(name) for name in ("epoch", "history", "files"))
        _demand(type(epoch) is int and 1 <= epoch <= self.epochs, "its epoch is not one of the run's")
        recorded = content.get("recorded")
        right = recorded == self.recorded(epoch) and all(type(number) is int for number in recorded)
        _demand(right, "other epochs are recorded")
        _demand(isinstance(history, dict) and set(history) == self.quantities, "its history is of other quantities")
        for values in history.values():
            right = isinstance(values, list) and len(values) == epoch
            right = right and all(type(v) is float and math.isfinite(v) for v in values)
            _demand(right, "its history does not have a finite number an epoch")
        _demand(isinstance(files, dict) and set(files) == set(self.files(epoch)), "it names other files")

    def check_tensors(self, files: dict[str, State]) -> None:
        """Raise a `DamagedEntryError` unless the weights in all files are finite."""
        for file, tensors in files.items():
            for name in self.weights & tensors.keys():
                _demand(bool(tensors[name].isfinite().all()), f"{name} in {file} is not finite")


@dataclass
class Progress:
    """What was found of a run: its last finished epoch, and what it goes on from, unless it is finished."""

    epoch: int
    history: dict[str, list[float]]
    states: dict[int, State]
    resumable: State | None


class RunFiles:
    """The files of one training run, written so that a kill at any moment leaves a usable run.

    Every file is written whole under another name and then renamed; `run.json`, renamed last, names
    the others with their checksums and carries its own. No file is read or deleted unless its name is
    one that the run would give it.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.checksums: dict[str, str] = {}

    def read(self, expected: Expected) -> Progress | None:
        """What is there of the run, or None if there is nothing or it is damaged (with a warning)."""
        if not os.path.lexists(self.folder / _INDEX):
            return None
        try:
            content = self._content(expected)
            epoch, self.checksums = content["epoch"], content["files"]
            tensors = {name: self._load(name, like) for name, like in expected.files(epoch).items()}
            expected.check_tensors(tensors)
        except Exception as error:  # nonsense in a file raises nearly anything, and all of it means the same
            warnings.warn(f"the cached training in {self.folder} is damaged ({error}); training anew", stacklevel=3)
            self.checksums = {}
            return None
        states = {recorded: tensors[state_name(recorded)] for recorded in content["recorded"]}
        return Progress(epoch, content["history"], states, tensors.get(resume_name(epoch)))

    def _content(self, expected: Expected) -> dict:
        """The content of the index."""
        index = json.loads(self._bytes(_INDEX))
        _demand(isinstance(index, dict) and set(index) == {"content", "checksum"}, f"{_INDEX} is not an index")
        right = index["checksum"] == _checksum(json.dumps(index["content"]).encode())
        _demand(right, f"{_INDEX} does not match its checksum")
        expected.check(index["content"])
        return index["content"]

    def _bytes(self, name: str) -> bytes:
        _demand((self.folder / name).is_file(), f"{name} is not a file")
        return (self.folder / name).read_bytes()

    def _load(self, name: str, like: State) -> State:
        """Read tensors that have the names, shapes and types of others, in their order."""
        _demand(_checksum(self._bytes(name)) == self.checksums[name], f"{name} does not match its checksum")
        tensors = load_file(self.folder / name)
        _demand(_shapes(tensors) == _shapes(like), f"{name} has other tensors than this network")
        return {key: tensors[key] for key in like}

    def save(self, name: str, tensors: State) -> None:
        """Write tensors; they count once `commit` has named them."""
        temporary = self.folder / f"{name}.{os.getpid()}"
        save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, temporary)
        self.checksums[name] = _checksum(temporary.read_bytes())
        self._put(temporary, name)

    def commit(self, content: dict, keep: list[str]) -> None:
        """Write the index, naming the files to keep, and delete those that nothing names any more."""
        stale = [name for name in self.checksums if name not in keep]
        self.checksums = {name: self.checksums[name] for name in keep}
        content = content | {"files": self.checksums}
        index = {"content": content, "checksum": _checksum(json.dumps(content).encode())}
        temporary = self.folder / f"{_INDEX}.{os.getpid()}"
        temporary.write_text(json.dumps(index, indent=1))
        self._put(temporary, _INDEX)
        for name in stale:
            (self.folder / name).unlink(missing_ok=True)

    def _put(self, temporary: Path, name: str) -> None:
        """Rename a file to its name, which a damaged entry may have given to a directory."""
        place = self.folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        os.replace(temporary, place)


def state_name(epoch: int) -> str:
    """The file of a recorded state.

    Example:
        >>> state_name(7)
        'epoch-00007.safetensors'
    """
    return f"epoch-{epoch:05}.safetensors"


def resume_name(epoch: int) -> str:
    """The file of what an unfinished run goes on from.

    Example:
        >>> resume_name(7)
        'resume-00007.safetensors'
    """
    return f"resume-{epoch:05}.safetensors"


def _demand(right: bool, otherwise: str) -> None:
    if not right:
        raise DamagedEntryError(otherwise)


def _shapes(tensors: State) -> dict[str, tuple]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def cache_directory(cache: str | PathLike[str] | None = None) -> Path:
    """Where trained networks are kept.

    Args:
        cache: A directory, which then is the answer.

    Returns:
        `cache`, else the environment variable `LANDSCAPE_NB_CACHE`, else `trained` in the user's cache
        directory. A `~` at the start is the home directory.

    Raises:
        ValueError: It is not a path on this machine, such as a URL.

    Example:
        >>> cache_directory("/my/nets").name
        'nets'
    """
    if cache is not None:
        return local_path("cache", cache)
    return settings.cache()


def _checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
