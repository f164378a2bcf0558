"""Whose code it is: an installed package's, with its version, or the user's own."""

import functools
import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
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
    if {"site-packages", "dist-packages"} & set(file.replace("\\", "/").split("/")):
        return f"{top} {_version(top)}"
    if _is_recorded(top, file):
        return f"{top} {_version(top)}"
    inside = any(file.startswith(folder + os.sep) for folder in _library_folders())
    return f"python {platform.python_version()}" if inside else ""


# Taken for the user's own, a torch that lies elsewhere would be read whole, function by function: five seconds a plane.
# An editable install has its record in site-packages, not beside its files, and stays the user's own.
def _is_recorded(top: str, file: str) -> bool:
    """Whether pip put a top-level module into the folder where its file lies, and wrote down that it did."""
    folders = [Path(file).parent, *(parent.parent for parent in Path(file).parents if parent.name == top)]
    records = (record for folder in folders for record in folder.glob("*.dist-info/RECORD"))
    lines = (line for record in records for line in record.read_text(encoding="utf-8", errors="replace").splitlines())
    return any(line.startswith((f"{top}/", f"{top}.")) for line in lines)


@functools.cache
def _library_folders() -> tuple[str, ...]:
    found = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)}
    return tuple(sorted(found | {os.path.realpath(folder) for folder in found}))


def _version(top: str) -> str:
    """A package's version: of the distribution of that name, else its `__version__` (scikit-learn is `sklearn`)."""
    try:
        return version(top)
    except PackageNotFoundError:
        told = vars(sys.modules[top]).get("__version__") if top in sys.modules else None
        return told if isinstance(told, str) else "unknown"
