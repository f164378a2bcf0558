"""Names of the package that are imported when they are first used."""

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def first_used(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose imports stand below `if TYPE_CHECKING:`.

    Importing everything takes seconds, most of them torch's; `landscape-nb --help` needs none of it. Type checkers and
    people read the imports as they are used to, and this reads the same lines, so that there is one list of names.
    It needs the package's source beside it; where a name is already an attribute, Python does not ask here.

    Args:
        package: The package's `__name__`.

    Raises:
        AttributeError: By the function that is returned: the package does not have this name.

    Example:
        >>> get, names = first_used("landscape_nb")
        >>> get("norm").__module__
        'landscape_nb.weights.params'
    """
    module = sys.modules[package]
    sources = dict(_imports(Path(str(module.__file__))))

    def get(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)
        value = _imported(sources[name], name, package)
        setattr(module, name, value)
        return value

    return get, lambda: sorted({*vars(module), *sources})


def _imported(source: str, name: str, package: str) -> Any:
    """What `from source import name` gives: an attribute, or a module inside."""
    inside = importlib.import_module(source)
    # Asking the package itself for an attribute would lead back here.
    if source == package or not hasattr(inside, name):
        return importlib.import_module(f"{source}.{name}")
    return getattr(inside, name)


def _imports(file: Path) -> Iterator[tuple[str, str]]:
    """Each name that a file imports below `if TYPE_CHECKING:`, and the module it comes from."""
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            for each in statement.body:
                if isinstance(each, ast.ImportFrom):
                    yield from ((alias.asname or alias.name, str(each.module)) for alias in each.names)
