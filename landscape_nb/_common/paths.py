"""Paths on this machine: which paths and names are possible, and directories that appear whole or not at all."""

import os
import platform
import re
import shutil
import tempfile
import time
import unicodedata
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

import psutil

from landscape_nb._common.checks import check_kind
from landscape_nb._common.hashing import hashed

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:([:/]|$)")  # a drive of Windows has one letter
_LONGEST_NAME = 200
_MAKING = ".making-"
_DAY = 24 * 3600


def local_path(name: str, path: str | PathLike[str]) -> Path:
    """An absolute path on this machine, with `~` expanded.

    Args:
        name: The argument's name, for the message.
        path: What was given.

    Raises:
        TypeError: It is neither a string nor a path.
        ValueError: It is empty, or a URL, which would be taken for a local directory.

    Example:
        >>> local_path("store", "s3://bucket/plane.zarr")
        Traceback (most recent call last):
        ValueError: store: got 's3://bucket/plane.zarr', wants a path on this machine: URLs are not supported
    """
    check_kind(name, path, (str, PathLike), "a path: a string or a pathlib.Path")
    text = os.fspath(path)
    check_kind(name, text, str, "a path: a string or a pathlib.Path")
    if not text or not text.replace("\0", "").strip():
        raise ValueError(f"{name}: got {text!r}, wants a path")
    if _SCHEME.match(text):
        raise ValueError(f"{name}: got {text!r}, wants a path on this machine: URLs are not supported")
    if "\0" in text:
        raise ValueError(f"{name}: got {text!r}, wants a path without null characters")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(f"{name}: got {text!r}, which no file system can write") from None
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"{name}: got {text!r}, whose home directory is not known ({error})") from error


def why_unwritable(folder: Path) -> str:
    """Why no file can be written into a directory, which need not be there yet; empty if one can.

    Nothing is left there: where the directory is missing, the nearest one above it is tried.

    Args:
        folder: An absolute path.

    Example:
        >>> why_unwritable(Path("/dev/null/nets"))
        '/dev/null is not a directory'
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return f"{there} is not a directory"
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        return str(error)
    return ""


def check_array_names(names: Sequence[str], taken: Collection[str]) -> None:
    """Raise a `ValueError` unless every name can be that of an array in a store: a directory of its own.

    Args:
        names: The names.
        taken: The names of the other arrays in the store.

    Example:
        >>> check_array_names(["loss", "../x"], ["alpha"])
        Traceback (most recent call last):
        ValueError: store: '../x' cannot be the name of an array in a store; rename that metric or extra data
    """
    seen = {_alike(name) for name in taken}
    for name in names:
        if not _is_plain(name):
            raise ValueError(
                f"store: {name!r} cannot be the name of an array in a store; rename that metric or extra data"
            )
        if _alike(name) in seen:
            raise ValueError(f"store: the name {name!r} is taken in a store; rename that metric or extra data")
        seen.add(_alike(name))


def _is_plain(name: str) -> bool:
    """Whether Zarr can make a directory of this name right below the store, beside files of its own."""
    separated = re.search(r'[/\\:*?"<>|]', name)
    own = name.startswith((".", "__")) or name.casefold() == "zarr.json"
    short = len(name.encode(errors="replace")) <= _LONGEST_NAME
    return bool(name) and name == name.strip() and name.isprintable() and short and not separated and not own


def _alike(name: str) -> str:
    """The same text for all names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


@contextmanager
def made_beside(path: Path) -> Iterator[Path]:
    """A directory to fill beside `path`, which is renamed to `path` at the end; after an error it is removed.

    If another process was faster, its directory stays. What killed processes left behind is removed.

    Args:
        path: The path that the directory shall have.

    Yields:
        The path of the directory to make.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "made"
        >>> with made_beside(path) as making:
        ...     making.mkdir()
        >>> [child.name for child in path.parent.iterdir()]
        ['made']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    making = path.with_name(f"{path.name}{_MAKING}{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        yield making
        try:
            making.rename(path)
        except OSError:  # another process was faster
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)  # if all went well, it has been renamed


def _remove_leftovers(path: Path) -> None:
    """Remove what was begun for `path` by processes that are gone.

    A directory's name tells the machine and the process that fills it: a process that still runs may be filling it
    right now. Processes on other machines cannot be seen, and a number may belong to a new process by now: there, and
    then, a directory is removed when it is a day old, for filling takes a second. What cannot be removed (because it
    is another user's) stays.
    """
    for leftover in list(path.parent.iterdir()):
        if leftover.name.startswith(path.name + _MAKING):
            host, pid, *_ = [*leftover.name.removeprefix(path.name + _MAKING).split("-"), ""]
            here = host == _host() and pid.isdecimal()
            with suppress(FileNotFoundError):
                if (here and not psutil.pid_exists(int(pid))) or time.time() - leftover.stat().st_mtime > _DAY:
                    shutil.rmtree(leftover, ignore_errors=True)


def _host() -> str:
    return hashed([platform.node().encode()], 4).hex()


def write_whole(argument: str, path: Path, content: bytes) -> Path:
    """Write a file that is there whole or not at all, whatever happens.

    Args:
        argument: Which argument of the caller named the file.
        path: The file; its directory is made if necessary.
        content: What it shall hold.

    Returns:
        The file.

    Raises:
        OSError: It cannot be written.

    Example:
        >>> write_whole("out", Path(tempfile.mkdtemp()) / "made" / "file", b"whole").read_bytes()
        b'whole'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None
        raise OSError(f"{argument}: {path} cannot be written ({error})") from error
    return path
