"""The files of a cached training run: safetensors for numbers, JSON for the rest."""

import json
import math
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from landscape_nb._common import settings
from landscape_nb._common.hashing import hashed
from landscape_nb._common.paths import local_path
from landscape_nb.trajectories.trajectory import StateDict

_MANIFEST = "run.json"


class DamagedEntryError(Exception):
    """A file of a cached run is missing, or its content is not what was written."""


@dataclass
class Expected:
    """What the files of a run must contain.

    Attributes:
        epochs: How many epochs the whole run has.
        record: The epochs to record.
        quantities: The names in the history.
        state: A template of a recorded `state_dict`: its tensors have the names, shapes and types that files must have.
        resumable: The same for the checkpoint that an unfinished run goes on from.
        weights: Names of tensors that are finite throughout a run.
    """

    epochs: int
    record: list[int]
    quantities: set[str]
    state: StateDict
    resumable: StateDict
    weights: set[str]

    def files(self, epoch: int) -> dict[str, StateDict]:
        """The files of a run whose last finished epoch is `epoch`: by name, a template of their tensors."""
        files = {state_name(recorded): self.state for recorded in self.recorded(epoch)}
        return files | ({resume_name(epoch): self.resumable} if epoch < self.epochs else {})

    def recorded(self, epoch: int) -> list[int]:
        """Which epochs are recorded by the end of `epoch`."""
        return [recorded for recorded in self.record if recorded <= epoch]

    def check(self, content: Any) -> None:
        """Raise a `DamagedEntryError` unless this is the manifest of such a run: files may come from elsewhere."""
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

    def check_tensors(self, files: dict[str, StateDict]) -> None:
        """Raise a `DamagedEntryError` unless the weights in all files are finite."""
        for file, tensors in files.items():
            for name in self.weights & tensors.keys():
                _demand(bool(tensors[name].isfinite().all()), f"{name} in {file} is not finite")


@dataclass
class Progress:
    """What was found of a run: its last finished epoch, and unless it is finished the checkpoint it goes on from."""

    epoch: int
    history: dict[str, list[float]]
    states: dict[int, StateDict]
    resumable: StateDict | None


class RunFiles:
    """The files of one training run, written so that a kill at any moment leaves a usable run.

    Every file is written under another name and then renamed. `run.json`, the manifest, is renamed last: it
    names the other files with their checksums, and has one of its own. A kill before that moment leaves the old
    manifest with its old files, which are deleted only after it was replaced; new files without a manifest count
    for nothing. No file is read or deleted unless its name is one that the run would give it, so that a manifest
    from elsewhere cannot point to other files.

    Args:
        folder: The directory of the run.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.checksums: dict[str, str] = {}

    def read(self, expected: Expected) -> Progress | None:
        """What there is of the run; None if there is nothing, or with a warning if it is damaged."""
        if not os.path.lexists(self.folder / _MANIFEST):
            return None
        try:
            content = self._content(expected)
            epoch, self.checksums = content["epoch"], content["files"]
            tensors = {name: self._load(name, template) for name, template in expected.files(epoch).items()}
            expected.check_tensors(tensors)
        except Exception as error:  # nonsense in a file raises nearly anything, and all of it means the same
            warnings.warn(f"the cached training in {self.folder} is damaged ({error}); training anew", stacklevel=3)
            self.checksums = {}
            return None
        states = {recorded: tensors[state_name(recorded)] for recorded in content["recorded"]}
        return Progress(epoch, content["history"], states, tensors.get(resume_name(epoch)))

    def _content(self, expected: Expected) -> dict:
        """The content of the manifest."""
        manifest = json.loads(self._bytes(_MANIFEST))
        well_formed = isinstance(manifest, dict) and set(manifest) == {"content", "checksum"}
        _demand(well_formed, f"{_MANIFEST} is not a manifest")
        matches = manifest["checksum"] == _checksum(json.dumps(manifest["content"]).encode())
        _demand(matches, f"{_MANIFEST} does not match its checksum")
        expected.check(manifest["content"])
        return manifest["content"]

    def _bytes(self, name: str) -> bytes:
        _demand((self.folder / name).is_file(), f"{name} is not a file")
        return (self.folder / name).read_bytes()

    def _load(self, name: str, template: StateDict) -> StateDict:
        """Read tensors that have the names, shapes and types of a template, in its order."""
        _demand(_checksum(self._bytes(name)) == self.checksums[name], f"{name} does not match its checksum")
        tensors = load_file(self.folder / name)
        _demand(_shapes(tensors) == _shapes(template), f"{name} has other tensors than this network")
        return {key: tensors[key] for key in template}

    def save(self, name: str, tensors: StateDict) -> None:
        """Write tensors; they count once `commit` has named them."""
        temporary = self.folder / f"{name}.{os.getpid()}"
        save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, temporary)
        self.checksums[name] = _checksum(temporary.read_bytes())
        self._put(temporary, name)

    def commit(self, content: dict, keep: list[str]) -> None:
        """Write the manifest with the files to keep, and delete those that it no longer names."""
        stale = [name for name in self.checksums if name not in keep]
        self.checksums = {name: self.checksums[name] for name in keep}
        content = content | {"files": self.checksums}
        manifest = {"content": content, "checksum": _checksum(json.dumps(content).encode())}
        temporary = self.folder / f"{_MANIFEST}.{os.getpid()}"
        temporary.write_text(json.dumps(manifest, indent=1))
        self._put(temporary, _MANIFEST)
        for name in stale:
            (self.folder / name).unlink(missing_ok=True)

    def _put(self, temporary: Path, name: str) -> None:
        """Rename a file to its final name, where a damaged entry may have a directory."""
        target = self.folder / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        os.replace(temporary, target)


def state_name(epoch: int) -> str:
    """The name of the file with a recorded `state_dict`.

    Example:
        >>> state_name(7)
        'epoch-00007.safetensors'
    """
    return f"epoch-{epoch:05}.safetensors"


def resume_name(epoch: int) -> str:
    """The name of the file with the checkpoint that an unfinished run goes on from.

    Example:
        >>> resume_name(7)
        'resume-00007.safetensors'
    """
    return f"resume-{epoch:05}.safetensors"


def _demand(right: bool, otherwise: str) -> None:
    if not right:
        raise DamagedEntryError(otherwise)


def _shapes(tensors: StateDict) -> dict[str, tuple]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def cache_directory(cache: str | PathLike[str] | None = None) -> Path:
    """Where trained networks are kept.

    Args:
        cache: A directory; default as below.

    Returns:
        `cache` if it is given, else the environment variable `LANDSCAPE_NB_CACHE`, else `trained` in the user's cache
        directory. A `~` at the start is the home directory.

    Raises:
        ValueError: It is not a path on this machine, such as a URL.

    Example:
        >>> cache_directory("/my/nets").name
        'nets'
    """
    return settings.cache() if cache is None else local_path("cache", cache)


def make_writable_cache(cache: str | PathLike[str] | None = None, key: str = "") -> Path:
    """Make the directory of trained networks, or one within it, and see that a file can be written there.

    Args:
        cache: The directory; default the one of `cache_directory`.
        key: Name of the directory within it.

    Returns:
        The directory.

    Raises:
        OSError: It cannot be written; the message says where to name another.

    Example:
        >>> make_writable_cache("build/nets").name  # doctest: +SKIP
        'nets'
    """
    folder = cache_directory(cache) / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"cache: cannot write to {cache_directory(cache)} ({error}); name another directory with cache= or with "
            f"the environment variable LANDSCAPE_NB_CACHE, or pass cache=False"
        ) from error
    return folder


def _checksum(content: bytes) -> str:
    return hashed([content]).hex()
