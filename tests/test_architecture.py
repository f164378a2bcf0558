"""The package's rooms, read from its source: who may import whom, and what is done in one place only."""

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import landscape_nb

PACKAGE = Path(landscape_nb.__file__).parent

_WEIGHTS = {"_common", "models"}
_OBJECTIVE = _WEIGHTS | {"weights", "datasets"}
_ENGINES = _OBJECTIVE | {"objective"}
_SURFACES = _ENGINES | {"engines"}
_HESSIAN = _SURFACES | {"surfaces"}
_GALLERY = _HESSIAN | {"hessian", "trajectories", "diagnosis", "plotting"}
_EVERYTHING = _GALLERY | {"gallery", "course", "cli", "__init__"}
MAY_IMPORT = {
    "_common": set(),
    "models": {"_common"},
    "datasets": {"_common"},
    "weights": _WEIGHTS,
    "objective": _OBJECTIVE,
    "engines": _ENGINES,
    "trajectories": _ENGINES,
    "surfaces": _SURFACES,
    "hessian": _HESSIAN,
    "diagnosis": {"_common"},
    "plotting": {"_common"},
    "gallery": _GALLERY,
    "course": _EVERYTHING,
    "cli": _EVERYTHING,
    "__init__": _EVERYTHING,
}
"""For each room, the other rooms that it may import. Data flow one way; figures and findings need no model."""

NAMES_OF_ENGINES = {
    "engines.bfloat16_engine",
    "engines.choose_engine",
    "engines.one_by_one",
    "engines.plain_engine",
    "engines.wants_plain",
    "engines.OneByOne",
    "engines.measured_by",
    "engines.differentiable",
}
"""What other rooms know of `engines`."""

COMPAT = "_common/compat.py"
DOCUMENTED = {"_asdict", "_exit", "_fields", "_name_", "_replace", "_value_"}
"""Names with an underscore that Python's documentation offers to everyone."""

TESTS = Path(__file__).parent
TESTED_ELSEWHERE: dict[str, str] = {}
"""Modules without a test file of their own, and why."""
OF_THE_WHOLE = {
    "test_architecture.py": "which room knows what",
    "test_distribution.py": "what the wheel holds",
    "test_package.py": "what `import landscape_nb` imports",
    "test_shapes.py": "the checks of shapes, which tests have and the package does not",
}
"""Test files beside the rooms that are not about one module."""
IMPORTS = {"import_module", "__import__"}
"""Functions that import a module by its name."""
TAKES_NAMES = {"getattr", "hasattr", "setattr", "delattr", "attrgetter", "methodcaller", "__getattribute__"}
"""Functions that reach an attribute by its name."""

SETTINGS = "_common/settings.py"
SETS_VARIABLES = {"course/runner.py"}
"""Modules that set environment variables, for notebooks that they run; they decide nothing by them."""


def modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package: its path below it, and its syntax tree."""
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), parsed(path.read_text(encoding="utf-8"))


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def room_of(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def imported_names(path: str, tree: ast.Module) -> Iterator[str]:
    """The full names of what a module imports, wherever in it, by a statement or by a call that spells the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node.level, node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in IMPORTS:
            for name in literals(node)[:1]:
                yield absolute(path, len(name) - len(name.lstrip(".")), name.lstrip("."))


def absolute(path: str, level: int, name: str) -> str:
    """The full name of what a module imports, given the dots before it."""
    above = ["landscape_nb", *path.split("/")][:-level] if level else []
    return ".".join([*above, *([name] if name else [])])


def called(call: ast.Call) -> str:
    """The name of the function or method that is called."""
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def literals(call: ast.Call) -> list[str]:
    """The strings that are spelled out among a call's arguments."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return [arg.value for arg in given if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]


def own_imports(package: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a module's path and the name below `landscape_nb` that it imports from another room."""
    for path, tree in modules(package):
        for name in imported_names(path, tree):
            first, _, rest = name.partition(".")
            if first == "landscape_nb":
                target = rest if rest.split(".")[0] in MAY_IMPORT else f"__init__.{rest}"
                if room_of(target.replace(".", "/")) != room_of(path):
                    yield path, target


def forbidden_imports(package: Path) -> list[str]:
    """What is imported against the table."""
    return [
        f"{path} imports {target}"
        for path, target in own_imports(package)
        if target.split(".")[0] not in MAY_IMPORT.get(room_of(path), ())
    ]


def settings_elsewhere(package: Path) -> list[str]:
    """Where environment variables are read, or ours are named, outside the one module for it."""
    found = []
    for path, tree in modules(package):
        if path == SETTINGS:
            continue
        for node in ast.walk(tree):
            reads = isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
            named = isinstance(node, ast.Constant) and re.fullmatch(r"LANDSCAPE_NB_\w+", str(node.value))
            if (reads and path not in SETS_VARIABLES) or named:
                found.append(f"{path}:{node.lineno}")
        found += [path for name in imported_names(path, tree) if name in ("os.environ", "os.environb", "os.getenv")]
    return found


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in DOCUMENTED


def defined_names(tree: ast.Module) -> set[str]:
    """What a module itself gives a name: functions, classes, variables and attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def private_attributes(tree: ast.Module) -> Iterator[str]:
    """Private attributes that a module reads of other things than itself, and that it does not define."""
    own = defined_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if is_private(node.attr) and node.attr not in own and ast.unparse(node.value) not in ("self", "cls"):
                yield ast.unparse(node)
        elif any(is_private(part) and part not in own for name in attributes_by_name(node) for part in name.split(".")):
            yield ast.unparse(node)


def attributes_by_name(node: ast.AST) -> list[str]:
    """The names of attributes that are reached by strings: through `getattr` and its like, or an object's dict."""
    if isinstance(node, ast.Subscript) and is_dict_of_attributes(node.value):
        return [node.slice.value] if isinstance(getattr(node.slice, "value", None), str) else []
    if not isinstance(node, ast.Call):
        return []
    of_dict = isinstance(node.func, ast.Attribute) and is_dict_of_attributes(node.func.value)
    return literals(node) if of_dict or called(node) in TAKES_NAMES else []


def is_dict_of_attributes(node: ast.AST) -> bool:
    """Whether this is `vars(thing)` or `thing.__dict__`."""
    return (isinstance(node, ast.Call) and called(node) == "vars") or getattr(node, "attr", "") == "__dict__"


def private_names_elsewhere(package: Path) -> set[str]:
    """Private names of other libraries outside the one module for them.

    A module that defines a name of its own, such as `_version`, and reads torch's of that name is not found out.
    """
    found = set()
    for path, tree in modules(package):
        if path != COMPAT:
            names = {name for name in imported_names(path, tree) if any(map(is_private, name.split(".")))}
            foreign = {name for name in names if name.split(".")[0] != "landscape_nb"}
            found |= {f"{path}: {name}" for name in foreign | set(private_attributes(tree))}
    return found


def untested_modules(package: Path, tests: Path) -> list[str]:
    """Modules without a test file of their own; an `__init__` only hands out names."""
    paths = [path.relative_to(package) for path in sorted(package.rglob("*.py")) if path.name != "__init__.py"]
    alone = [path for path in paths if not (tests / path.with_name(f"test_{path.name}")).exists()]
    return [path.as_posix() for path in alone if path.as_posix() not in TESTED_ELSEWHERE]


def homeless_tests(package: Path, tests: Path) -> list[str]:
    """Test files in a room's folder that are named after none of its modules.

    `test_MODULE_of_odd_models.py` is about `MODULE.py` too. Folders that are not a room's (`browser`, `docs`, `faults`,
    `notebooks`, `third_party`, `wrong_calls`) have tests of several rooms at once.
    """
    found = []
    for path in sorted(tests.rglob("test_*.py")):
        beside = package / path.relative_to(tests).parent
        names = {module.stem for module in beside.glob("*.py")} if beside.is_dir() else set()
        about = any(f"{path.stem}_".startswith(f"test_{name}_") for name in names)
        if beside.is_dir() and not about and (beside != package or path.name not in OF_THE_WHOLE):
            found.append(path.relative_to(tests).as_posix())
    return found


def test_every_module_has_a_test_file():
    assert not untested_modules(PACKAGE, TESTS)


def test_every_test_file_in_a_room_is_about_a_module():
    assert not homeless_tests(PACKAGE, TESTS)


def test_exceptions_are_still_needed():
    assert all((PACKAGE / path).exists() for path in TESTED_ELSEWHERE)
    assert all((TESTS / name).exists() for name in OF_THE_WHOLE)


@pytest.mark.parametrize("path", ["planted.py", "weights/planted.py", "engines/winograd/planted.py"])
def test_a_planted_module_without_tests_is_found(copied, path):
    plant(copied, path, "NUMBER = 1")
    assert untested_modules(copied, TESTS) == [path]


@pytest.mark.parametrize("path", ["cli.py", "_common/rng.py", "course/exercises/lines.py"])
def test_tests_of_a_module_that_is_gone_are_found(copied, path):
    (copied / path).unlink()
    room, _, name = path.rpartition("/")
    assert homeless_tests(copied, TESTS) == [f"{room}/test_{name}".lstrip("/")]


def test_every_module_is_in_a_room_of_the_table():
    assert {room_of(path) for path, _ in modules(PACKAGE)} <= set(MAY_IMPORT)


def test_rooms_import_only_what_the_table_allows():
    assert not forbidden_imports(PACKAGE)


def test_other_rooms_know_a_handful_of_names_of_the_engines():
    known = {target for _, target in own_imports(PACKAGE) if target.split(".")[0] == "engines"}
    assert known == NAMES_OF_ENGINES
    assert len(known) <= 8


def test_environment_variables_are_read_in_one_module():
    assert not settings_elsewhere(PACKAGE)


def test_private_names_of_other_libraries_are_in_one_module():
    assert not private_names_elsewhere(PACKAGE)


def test_the_package_has_few_entries():
    assert len([entry for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]) <= 16


@pytest.mark.parametrize("folder", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=lambda path: path.name)
def test_a_room_begins_with_a_sentence(folder):
    docstring = ast.get_docstring(parsed((folder / "__init__.py").read_text(encoding="utf-8")))
    first = docstring.split("\n\n")[0].replace("et al.", "et al")
    assert first.endswith(".")
    assert ". " not in first


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the package's source, to plant lines in."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "landscape_nb", ignore=shutil.ignore_patterns("*.nc", "*.json")))


def plant(package: Path, path: str, *lines: str) -> None:
    with (package / path).open("a", encoding="utf-8") as file:
        file.write("\n".join(["", *lines, ""]))


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("_common/checks.py", "from landscape_nb.weights.params import Params", "weights.params.Params"),
        ("_common/provenance/values.py", "from ...models import mlp", "models.mlp"),
        ("models/plain.py", "import landscape_nb.datasets", "datasets"),
        ("weights/params.py", "from landscape_nb import objective", "objective"),
        ("plotting/style.py", "from landscape_nb import Objective", "__init__.Objective"),
        ("engines/choose.py", "import landscape_nb as lnb", "__init__."),
        ("surfaces/grid.py", "from landscape_nb.hessian.lanczos import lanczos", "hessian.lanczos.lanczos"),
        ("diagnosis/view.py", "from ..course import claims", "course.claims"),
        ("surfaces/grid.py", "importlib.import_module('landscape_nb.hessian.lanczos')", "hessian.lanczos"),
        ("surfaces/grid.py", "import_module(name='landscape_nb.hessian.lanczos')", "hessian.lanczos"),
        ("engines/choose.py", "importlib.import_module('..course.claims', __package__)", "course.claims"),
        ("weights/params.py", "__import__('landscape_nb.objective')", "objective"),
    ],
)
def test_a_planted_import_is_found(copied, path, line, found):
    plant(copied, path, "def planted():", f"    {line}")
    assert forbidden_imports(copied) == [f"{path} imports {found}"]


@pytest.mark.parametrize(
    "line",
    ["import os; os.environ", "import os; os.getenv('HOME')", "from os import environ", "NAME = 'LANDSCAPE_NB_SPEED'"],
)
def test_a_planted_environment_variable_is_found(copied, line):
    plant(copied, "models/plain.py", line)
    assert len(settings_elsewhere(copied)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from torch._C import _nn",
        "from torch.utils._pytree import tree_map",
        "import joblib._memmapping_reducer",
        "memory = tensor.untyped_storage()._cdata",
        "changes = tensor._version",
        "buffers = module._buffers",
        "has = hasattr(function, '_torchdynamo_orig_callable')",
        "version = getattr(tensor, '_version')",
        "delattr(module, '_buffers')",
        "version = operator.attrgetter('_version')(tensor)",
        "count = operator.attrgetter('module._buffers')(model)",
        "backward = operator.methodcaller('_backward')",
        "buffers = object.__getattribute__(module, '_buffers')",
        "buffers = vars(module)['_buffers']",
        "buffers = module.__dict__['_buffers']",
        "buffers = vars(module).get('_buffers')",
        "backend = importlib.import_module('torch._C')",
        "backend = __import__('torch._C')",
    ],
)
def test_a_planted_private_name_is_found(copied, line):
    plant(copied, "models/plain.py", line)
    assert len(private_names_elsewhere(copied)) == 1
