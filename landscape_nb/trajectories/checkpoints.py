"""Checkpoints of a training of one's own, as a run whose files are read when a point is asked for."""

import glob
import itertools
import json
import pickle
import re
import string
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from landscape_nb._common.archives import check_archive
from landscape_nb._common.checks import check_kind
from landscape_nb._common.compat import WRAPPED_BY_COMPILE
from landscape_nb._common.paths import local_path
from landscape_nb._common.schema import LR_DROPS
from landscape_nb.trajectories.trajectory import StateDict, Trajectory
from landscape_nb.weights.copies import check_model, copied_model
from landscape_nb.weights.params import check_fits

_SAFETENSORS = ".safetensors"
_WITHIN = ("state_dict", "model_state_dict", "model", "module", "net")
"""Under which keys training loops keep weights beside other things."""
_NUMBER = re.compile(r"([0-9]+)")
_COUNTED = tuple(re.compile(rf"{word}[^0-9a-z]{{0,3}}([0-9]+)", re.IGNORECASE) for word in ("epoch", "step", "iter"))
"""What names count, the likeliest first."""
_MOST = 2**63


def checkpoints(
    files: str | PathLike[str] | Iterable[str | PathLike[str]], model: nn.Module, key: str | None = None
) -> Trajectory:
    """The checkpoints of a training of your own, wherever a run of `train` may stand.

    A file is read when its point is asked for, and is not kept in memory. Files are what `torch.save` wrote, or
    safetensors (`.safetensors`). Weights may lie under `'state_dict'`, `'model_state_dict'` or `'model'`, as
    Lightning and many training loops have it; what `DataParallel`, `torch.compile` or a wrapper of yours puts before
    their names (`module.`, `_orig_mod.`, `model.`) is left out. Buffers are kept, so that `plane_gap` measures
    every point with its own batch-norm statistics.

    Only tensors and plain containers are unpickled (`weights_only=True`), so that a file from elsewhere cannot run
    code.

    Args:
        files: A pattern such as `'run/epoch_*.pt'`, or a list of paths. `~` is the home directory. Files are sorted by
            their epochs, which are numbers in their names: those after the word "epoch", "step" or "iter", else the
            first that differ where nothing else does. Where there are none, epochs are 0, 1, 2, … in the order of the
            list, or of the names (2 before 10).
        model: The network that was trained. It stays as it is.
        key: Under which key of a file the weights lie, such as `'params_ema'`, or what stands before their names, such
            as `'ema'` for `ema.conv.weight`; default as above.

    Returns:
        The run. Its `model` is a copy of the network at the last checkpoint, in evaluation mode. Its `lr_drops` are
        those that a `Recorder` noted in its files; of other files there are none, until you set them.

    Raises:
        ValueError: No file is found, or one twice; some names have a number and others, such as `best.pt`, do not; or a
            file is damaged, holds more than weights, nothing under `key`, or does not fit the model. All but the last
            file are read later, so this may come when a point is asked for.
        TypeError: `files` is neither a pattern nor a list of paths, `model` not a module, or `key` not a text.

    Example:
        >>> import tempfile
        >>> net, folder = nn.Linear(2, 1), Path(tempfile.mkdtemp())
        >>> for epoch in (9, 10):
        ...     _ = nn.init.constant_(net.weight, epoch)
        ...     torch.save(net.state_dict(), folder / f"epoch_{epoch}.pt")
        >>> run = checkpoints(folder / "epoch_*.pt", net)
        >>> run.epochs, [point["weight"].tolist() for point in run.points]
        ([9, 10], [[[9.0, 9.0]], [[10.0, 10.0]]])
    """
    check_model("model", model)
    if not any(True for _ in model.parameters()):
        raise ValueError("model: it has no parameters")
    if key is not None:
        check_kind("key", key, str, "a key of the files, such as 'params_ema'")
    paths, epochs = _sorted(*_found(files))
    states = CheckpointFiles(paths, model, key)
    final = copied_model(model).eval()
    final.load_state_dict(states[-1], strict=False)  # what is not a tensor (a module's extra state) stays
    return Trajectory(final, epochs, states, _noted_drops(paths[-1]), {}, {"files": [str(path) for path in paths]})


class CheckpointFiles(Sequence):
    """States of a network, each read from its file when it is indexed; a slice is a list of them.

    Args:
        paths: The files.
        model: The network, which says what names and shapes the tensors have.
        key: Where the weights lie in a file; default wherever they are found.
    """

    def __init__(self, paths: Sequence[Path], model: nn.Module, key: str | None = None):
        self.paths, self.key = paths, key
        own = {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if isinstance(tensor, Tensor)}
        self.template = {name: torch.empty_like(tensor, device="meta") for name, tensor in own.items()}
        self.names = _names_in_files(own)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        path = self.paths[index]
        saved = _read(path)
        found = _weights_in(str(path), saved) if self.key is None else _weights_under(str(path), saved, self.key)
        return self._fitted(str(path), found)

    def _fitted(self, file: str, found: Mapping[str, Tensor]) -> StateDict:
        """The network's tensors out of those of a file, under their names in the network."""
        found = {_without_compile(name): tensor for name, tensor in found.items()}
        prefix = _prefix(file, found, list(self.names.values()))
        found = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
        chosen = {name: [other for other in names if other in found] for name, names in self.names.items()}
        known = {other for names in self.names.values() for other in names}
        _check_names(file, [name for name, names in chosen.items() if not names], [n for n in found if n not in known])
        state = {name: found[names[0]] for name, names in chosen.items()}
        check_fits(file, state, self.template)
        return state


def epochs_in(names: Sequence[str]) -> list[int] | None:
    """The number in each name that tells its epoch; None where it cannot be told.

    Example:
        >>> epochs_in(["resnet20_9.pt", "resnet20_10.pt"]), epochs_in(["first.pt", "last.pt"])
        ([9, 10], None)
    """
    counted = [[pattern.findall(name) for name in names] for pattern in _COUNTED]
    columns = [[numbers[-1] for numbers in found] for found in counted if all(found)]
    parts = [_NUMBER.split(name) for name in names]  # text and numbers by turns
    if len({tuple(part[::2]) for part in parts}) == 1 < len(names):
        columns += map(list, zip(*(part[1::2] for part in parts), strict=True))
    numbers = [list(map(int, column)) for column in columns]
    return next((column for column in numbers if len(set(column)) == len(names) and max(column) < _MOST), None)


def _found(files: Any) -> tuple[list[Path], bool]:
    """The paths that are meant, and whether their order is."""
    if isinstance(files, str | PathLike):
        return _matching(local_path("files", files)), False
    check_kind("files", files, Iterable, "a pattern such as 'run/epoch_*.pt', or a list of paths")
    paths = [local_path(f"files[{number}]", path) for number, path in enumerate(files)]
    if not paths:
        raise ValueError("files: got an empty list, wants one path or more")
    for number, path in enumerate(paths):
        _check_file(f"files[{number}]", path)
        if path.resolve() in (other.resolve() for other in paths[:number]):
            raise ValueError(f"files: {str(path)!r} is there twice")
    return paths, True


def _matching(pattern: Path) -> list[Path]:
    """The files that a pattern fits."""
    paths = [pattern]
    if not pattern.exists():
        folder = next(parent for parent in pattern.parents if parent.exists())  # its name may have brackets
        within = Path(glob.escape(str(folder))) / pattern.relative_to(folder)
        paths = [Path(path) for path in glob.glob(str(within), recursive=True)]
    if not paths:
        raise ValueError(f"files: got {str(pattern)!r}, which no file fits; wants a pattern such as 'run/epoch_*.pt'")
    for path in paths:
        _check_file("files", path)
    return paths


def _check_file(name: str, path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{name}: got the folder {str(path)!r}, wants files, such as '{path.name}/*.pt'")
    if not path.exists():
        raise ValueError(f"{name}: there is no file {str(path)!r}")


def _sorted(paths: list[Path], ordered: bool) -> tuple[list[Path], list[int]]:
    """The paths in the order of their epochs, and the epochs."""
    epochs = epochs_in([str(path) for path in paths])
    if epochs is None and not ordered:
        _check_none_is_odd(paths)
    if epochs is None:
        return (paths if ordered else sorted(paths, key=_as_read)), list(range(len(paths)))
    pairs = sorted(zip(epochs, paths, strict=True))
    return [path for _, path in pairs], sorted(epochs)


def _check_none_is_odd(paths: list[Path]) -> None:
    """Raise a `ValueError` where some names tell an epoch, or have a number, and others, such as `best.pt`, do not."""
    names = [path.name for path in paths]
    for pattern, parts in ((_COUNTED[0], names), (_NUMBER, _different_parts(names))):
        odd = [name for name, part in zip(names, parts, strict=True) if not pattern.search(part)]
        if 0 < len(odd) < len(names):
            raise ValueError(
                f"files: the other names have a number, but not {', '.join(map(repr, odd))}; "
                f"wants a pattern that leaves them out, or a list of paths in their order"
            )


def _different_parts(names: list[str]) -> list[str]:
    """The names without what all begin and end with; a number is not cut."""
    rest = [name[_common(names) :] for name in names]
    end = _common([name[::-1] for name in rest])
    return [name[: len(name) - end] for name in rest]


def _common(names: list[str]) -> int:
    """With how many characters all names begin, up to a number."""
    same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return len("".join(letters[0] for letters in same).rstrip(string.digits))


def _as_read(path: Path) -> list:
    """What sorts names as a person does: 2 before 10."""
    return [int(part) if number % 2 else part for number, part in enumerate(_NUMBER.split(str(path)))]


def _read(path: Path) -> Any:
    """What a file holds, as far as that is tensors and plain containers."""
    try:
        if path.suffix.lower() == _SAFETENSORS:
            return load_file(path)
        check_archive(path)
        return torch.load(path, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except pickle.UnpicklingError as error:
        if others := _other_objects(path):
            raise ValueError(
                f"{path}: it holds {_few(others)} beside weights, and reading these could run code; wants "
                "torch.save(model.state_dict(), ...), or torch.serialization.add_safe_globals of those you trust"
            ) from error
        raise ValueError(f"{path}: it is damaged, or holds more than weights, which are all that is read") from error
    except Exception as error:  # nonsense in a file raises nearly anything, and all of it means the same
        wants = "safetensors" if path.suffix.lower() == _SAFETENSORS else "a file of torch.save, or .safetensors"
        raise ValueError(f"{path}: it is damaged, or not {wants} ({error or type(error).__name__})") from error


def _other_objects(path: Path) -> list[str]:
    """What a file of `torch.save` holds beside tensors and plain containers."""
    with suppress(Exception):  # it is made for sound files
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    return []


def _weights_under(file: str, saved: Any, key: str) -> StateDict:
    """The tensors that lie under a key, or whose names begin with it."""
    key = key.removesuffix(".")
    if isinstance(saved, Mapping) and key in saved:
        return _weights_in(f"{file}, under {key!r}", saved[key])
    tensors = _weights_in(file, saved)
    if found := {name: tensor for name, tensor in tensors.items() if name.startswith(f"{key}.")}:
        return found
    raise ValueError(f"key: {file} has nothing under {key!r}; it has {_few(map(str, [*saved, *tensors]))}")


def _weights_in(file: str, saved: Any, deepest: int = 3) -> StateDict:
    """The tensors by name, wherever a checkpoint has them."""
    if not isinstance(saved, Mapping):
        raise ValueError(f"{file}: it holds a {type(saved).__name__}, wants a state_dict, or a dict with one")
    inner = next((saved[key] for key in _WITHIN if isinstance(saved.get(key), Mapping)), None)
    if inner is not None and deepest:
        return _weights_in(file, inner, deepest - 1)
    named = {key: value for key, value in saved.items() if isinstance(key, str)}
    tensors = {key: value.detach() for key, value in named.items() if isinstance(value, Tensor)}
    if not tensors:
        keys, within = _few(map(str, saved)) or "nothing", " or ".join(map(repr, _WITHIN))
        raise ValueError(f"{file}: it holds {keys}, wants a state_dict, or one under {within}, or its `key`")
    return tensors


def _names_in_files(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """For each tensor of a network the names that files may have it under, its own first: tied ones share theirs."""
    tied = defaultdict(list)
    for name, tensor in tensors.items():
        tied[id(tensor)].append(_without_compile(name))
    return {
        name: sorted(tied[id(tensor)], key=lambda other: other != _without_compile(name))
        for name, tensor in tensors.items()
    }


def _without_compile(name: str) -> str:
    """A tensor's name without what `torch.compile` puts between."""
    return ".".join(part for part in name.split(".") if part != WRAPPED_BY_COMPILE)


def _prefix(file: str, found: Collection[str], names: Sequence[Sequence[str]]) -> str:
    """What stands before all the network's names in a file, such as `module.`; empty if nothing does.

    Args:
        file: The file, for the message.
        found: The names in it.
        names: For each tensor of the network its names, of which a file has one or more.
    """
    starts = {name.removesuffix(first) for name in found for first in names[0] if f".{name}".endswith(f".{first}")}
    fitting = [start for start in starts if all(any(start + name in found for name in tied) for tied in names)]
    if len(fitting) > 1 and "" not in fitting:
        raise ValueError(f"{file}: has weights for the model under {_few(sorted(fitting))}, wants one network")
    if fitting:
        return min(fitting)  # the empty one, if it is there
    firsts = {name.partition(".")[0] for name in found}  # nothing fits: the message shall not be about the prefix
    return f"{min(firsts)}." if firsts in ({"module"}, {"model"}) else ""


def _check_names(file: str, missing: Sequence[str], unknown: Sequence[str]) -> None:
    """Raise a `ValueError` unless a file has all tensors of the network, and no others."""
    if missing:
        others = f"; it has {_few(unknown)}, which the model does not have" if unknown else ""
        raise ValueError(f"{file}: has no tensor for {_few(missing)}{others}")
    if unknown:
        raise ValueError(f"{file}: has {_few(unknown)}, which the model does not have")


def _few(names: Iterable[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def _noted_drops(path: Path) -> list[int]:
    """The learning-rate drops that a `Recorder` noted in its last file."""
    if path.suffix.lower() != _SAFETENSORS:
        return []
    with safe_open(path, "pt") as file, suppress(ValueError):
        drops = json.loads((file.metadata() or {}).get(LR_DROPS, "[]"))
        return drops if isinstance(drops, list) and all(type(drop) is int for drop in drops) else []
    return []
