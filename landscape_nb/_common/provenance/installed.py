"""Whose code it is: an installed package's, with its version, or the user's own."""

import base64
import csv
import functools
import hashlib
import os
import platform
import sys
import sysconfig
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import ModuleType

_MAIN = ("__main__", "__mp_main__")
_OURS = "landscape_nb"
_KNOWN: dict[str, str] = {}
"""Installed modules seen so far, and their packages."""


def package_of(module: str | None) -> str:
    """Name and version of the installed package that a module belongs to; '' for the user's own modules.

    Installed means in `site-packages`, `dist-packages` or Python's own library, beside the record of its installation
    (`pip install --target`), or in this package. What runs as `__main__` (scripts, notebook cells), lies elsewhere
    (editable installs, too) or was made while running is the user's own. The outermost package decides for everything
    in it.

    Args:
        module: The module's full name; None, as some built-in functions have it, means Python.

    Example:
        >>> [package_of(name).split()[:1] for name in ("json.decoder", "landscape_nb.models", "__main__")]
        [['python'], ['landscape_nb'], []]
    """
    if module is None:
        return _named("builtins", None)
    if not isinstance(module, str) or module.partition(".")[0] in _MAIN:
        return ""
    if module not in _KNOWN:
        package = _package_of(module)
        if not package:  # not cached: a module made while running may later be imported from a package's file
            return ""
        _KNOWN[module] = package
    return _KNOWN[module]


def _package_of(module: str) -> str:
    for outer, file in _files(module):
        if file:
            return _named(outer.partition(".")[0], file)
    return _named(module.partition(".")[0], None)


def _files(module: str):
    """A module's packages from the outermost on, and their files where they have one."""
    names = module.split(".")
    for depth in range(1, len(names) + 1):
        name = ".".join(names[:depth])
        yield name, _file_of(sys.modules.get(name))


def _file_of(module: object) -> str | None:
    """The file that a module was read from; its lazy attributes are not loaded."""
    known = module.__dict__ if issubclass(type(module), ModuleType) else {}
    found = known.get("__file__") or getattr(known.get("__spec__"), "origin", None)
    return found if isinstance(found, str) and os.path.isabs(found) else None


@functools.cache
def _named(top: str, file: str | None) -> str:
    if top == _OURS:
        return f"{top} {_version(top)}"
    if file is None:
        return f"python {platform.python_version()}" if top in sys.stdlib_module_names else ""
    file = os.path.realpath(file)  # site-packages may hold a link to a folder in which somebody writes code
    if {"site-packages", "dist-packages"} & set(file.replace("\\", "/").split("/")) or _is_recorded(top, file):
        told = _version(top)
        return f"{top} {told}" if told else ""
    inside = any(file.startswith(folder + os.sep) for folder in _library_folders())
    return f"python {platform.python_version()}" if inside else ""


# Taken for the user's own, a torch that lies elsewhere would be read whole, function by function: five seconds a plane.
# So its code is compared with pip's record of it, file by file (a second for torch). Names alone would not do: beside
# such a record there may be code of the user's, under the same name or changed since.
def _is_recorded(top: str, file: str) -> bool:
    """Whether a package installer put a module into its folder, and its code is still what was written down then."""
    folders = [Path(file).parent, *(parent.parent for parent in Path(file).parents if parent.name == top)]
    for record in (record for folder in folders for record in folder.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", errors="replace", newline="") as lines:
            rows = [row for row in csv.reader(lines) if len(row) > 1 and row[0].startswith((f"{top}/", f"{top}."))]
        sums = {record.parent.parent / name: code for name, code, *_ in rows if name.endswith(".py")}
        if Path(file) in sums and all(map(_is_unchanged, sums, sums.values())):
            return True
    return False


def _is_unchanged(path: Path, code: str) -> bool:
    """Whether a file has the checksum of a record, such as `sha256=…` in base64."""
    kind, _, wanted = code.partition("=")
    if kind not in hashlib.algorithms_guaranteed or not path.is_file():
        return False
    found = base64.urlsafe_b64encode(hashlib.new(kind, path.read_bytes()).digest())
    return found.rstrip(b"=").decode() == wanted


@functools.cache
def _library_folders() -> tuple[str, ...]:
    found = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)}
    return tuple(sorted(found | {os.path.realpath(folder) for folder in found}))


def _version(top: str) -> str:
    """A package's version: its distribution's, else its `__version__`; empty if neither tells it."""
    with suppress(PackageNotFoundError):
        return version(top)
    told = vars(sys.modules[top]).get("__version__") if top in sys.modules else None
    if isinstance(told, str):
        return told
    named = packages_distributions().get(top, ())  # half a second: scikit-learn is `sklearn`
    return " ".join(version(name) for name in sorted(set(named)))
