"""The package's rooms, read from its source: who may import whom, and what is done in one place only."""

import ast
import inspect
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc import locate

import pytest

import landscape_nb

PACKAGE = Path(landscape_nb.__file__).parent

_WEIGHTS = {"_common", "models"}
_OBJECTIVE = _WEIGHTS | {"weights", "datasets"}
_ENGINES = _OBJECTIVE | {"objective"}
_SURFACES = _ENGINES | {"engines"}
_HESSIAN = _SURFACES | {"surfaces"}
_GALLERY = _HESSIAN | {"hessian", "trajectories", "diagnosis", "plotting"}
_EVERYTHING = _GALLERY | {"gallery", "course", "__main__", "__init__"}
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
    "__main__": _EVERYTHING,
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
LAZY = "_common/lazy.py"
"""Imports for `__init__`, by the names that stand there, which this test reads as it reads all imports."""
DOCUMENTED = {
    *("_asdict", "_exit", "_fields", "_name_", "_replace", "_value_"),  # Python's
    *("_repr_markdown_", "_repr_mimebundle_"),  # IPython's
}
"""Names with an underscore that their documentation offers to everyone."""
HOOKS = {"_adjoint", "_matvec"}
"""What SciPy's documentation asks subclasses of `LinearOperator` to define."""

TESTS = Path(__file__).parent
OF_THE_WHOLE = {
    "test_architecture.py": "which room knows what",
    "test_distribution.py": "what the wheel holds",
    "test_package.py": "what `import landscape_nb` imports",
    "test_shapes.py": "the checks of shapes, which tests have and the package does not",
}
"""Test files beside the rooms that are not about one module."""
IMPORTS = {"import_module", "__import__"}
"""Functions that import a module by its name."""
REACHES = {"resolve_name", "run_module", "module_from_spec"}
"""Functions that reach a module in ways that this test does not follow."""
REACHES_MODULES = {"_common/provenance/installed.py": "says the version of every library that is imported"}
"""Modules that take others out of `sys.modules`, and why."""
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


@cache
def imported_names(path: str, tree: ast.Module) -> list[str]:
    """The full names of what a module imports, wherever in it, and of what it reaches below `landscape_nb` itself."""
    aliases = imported_as(path, tree)
    return [*imported_by_name(path, tree, aliases), *chains_from_the_package(tree, aliases)]


def imported_by_name(path: str, tree: ast.Module, aliases: dict[str, str]) -> Iterator[str]:
    """The full names of what a module imports, by a statement or by a call that spells the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node.level, node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and last_name(node.func, aliases) in IMPORTS:
            yield from filter(None, [spelled_module(path, node)])


def imported_as(path: str, tree: ast.Module) -> dict[str, str]:
    """What a module's imports give a name, and the full name of each."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
            names |= {alias.name.split(".")[0]: alias.name.split(".")[0] for alias in node.names if not alias.asname}
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node.level, node.module or "")
            names |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
    return names


def chains_from_the_package(tree: ast.Module, aliases: dict[str, str]) -> Iterator[str]:
    """Full names such as `landscape_nb.hessian.lanczos`, read as attributes of the package; or the package alone."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner:
            first, *rest = dotted(node)
            if aliases.get(first) == "landscape_nb":
                yield ".".join(["landscape_nb", *rest])


def dotted(node: ast.AST) -> list[str]:
    """The parts of a dotted name; the first is empty where it begins with something else than a name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [getattr(node, "id", ""), *reversed(parts)]


def full_name(node: ast.AST, aliases: dict[str, str]) -> str:
    """A dotted name, whatever its beginning was imported as."""
    first, *rest = dotted(node)
    return ".".join([aliases.get(first, first), *rest])


def last_name(node: ast.AST, aliases: dict[str, str]) -> str:
    return full_name(node, aliases).split(".")[-1]


def spelled_module(path: str, call: ast.Call) -> str | None:
    """The full name of the module that a call imports, if it is spelled out there."""
    given = dict(zip(("name", "package"), call.args, strict=False)) | {each.arg: each.value for each in call.keywords}
    name = getattr(given.pop("name", None), "value", None)
    own = [ast.unparse(each) for each in given.values()] in ([], ["__package__"])
    return (
        absolute(path, len(name) - len(name.lstrip(".")), name.lstrip(".")) if isinstance(name, str) and own else None
    )


def hidden_imports(package: Path) -> list[str]:
    """Where modules are imported or reached in ways that `imported_names` cannot follow."""
    return [f"{path}: {name}" for path, tree in modules(package) for name in hidden_imports_of(path, tree)]


@cache
def hidden_imports_of(path: str, tree: ast.Module) -> list[str]:
    aliases, calls = imported_as(path, tree), [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    followed = {id(call.func) for call in calls if spelled_module(path, call)}
    asked = {id(thing) for node in ast.walk(tree) if isinstance(node, ast.Compare) for thing in node.comparators}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and path != LAZY:
            name, all_modules = last_name(node, aliases), full_name(node, aliases) == "sys.modules"
            imports = name in IMPORTS and id(node) not in followed
            reaches = all_modules and id(node) not in asked and path not in REACHES_MODULES
            if imports or reaches or name in REACHES:
                found.append(ast.unparse(node))
    return found


def absolute(path: str, level: int, name: str) -> str:
    """The full name of what a module imports, given the dots before it."""
    above = ["landscape_nb", *path.split("/")][:-level] if level else []
    return ".".join([*above, *([name] if name else [])])


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


def own_attributes(tree: ast.AST) -> set[str]:
    """The attributes that classes define: methods, variables, and what they keep in `self`."""
    names = set()
    for node in ast.walk(tree):
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            names.add(getattr(item, "name", ""))
            targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_itself(node.value):
            names.add(node.attr)
    return names


def is_itself(node: ast.AST) -> bool:
    return getattr(node, "id", "") in ("self", "cls")


def private_attributes(tree: ast.Module, aliases: dict[str, str]) -> Iterator[str]:
    """Private attributes that a module reads of other things than itself, or that it does not define itself."""
    own = own_attributes(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if is_private(node.attr) and not (is_itself(node.value) and node.attr in own):
                yield ast.unparse(node)
        elif any(is_private(part) for name in attributes_by_name(node, aliases) for part in name.split(".")):
            yield ast.unparse(node)


def private_overrides(tree: ast.Module, aliases: dict[str, str]) -> Iterator[str]:
    """Private attributes of other libraries' classes that a subclass defines anew."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            theirs = {name for base in foreign_bases(node, tree, aliases) for name in attributes_of(base)}
            private = {name for name in own_attributes(node) if is_private(name)}
            yield from (f"{node.name}.{name}" for name in sorted((private & theirs) - HOOKS))


def foreign_bases(node: ast.ClassDef, tree: ast.Module, aliases: dict[str, str]) -> Iterator[type]:
    """The classes of other libraries that a class inherits from, by way of the module's or the package's own too."""
    local = {other.name: other for other in ast.walk(tree) if isinstance(other, ast.ClassDef)}
    for base in node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        name = full_name(base, aliases)
        if name in local:
            yield from foreign_bases(local[name], tree, aliases)
        elif inspect.isclass(found := locate(name)):
            yield from (kind for kind in found.__mro__ if kind.__module__.split(".")[0] != "landscape_nb")


def attributes_of(kind: type) -> set[str]:
    return {*vars(kind), *getattr(kind, "__annotations__", {})}


def attributes_by_name(node: ast.AST, aliases: dict[str, str]) -> list[str]:
    """The names of attributes that are reached by strings: through `getattr` and its like, or an object's dict."""
    if isinstance(node, ast.Subscript) and is_dict_of_attributes(node.value, aliases):
        return [node.slice.value] if isinstance(getattr(node.slice, "value", None), str) else []
    if not isinstance(node, ast.Call):
        return []
    of_dict = isinstance(node.func, ast.Attribute) and is_dict_of_attributes(node.func.value, aliases)
    return literals(node) if of_dict or last_name(node.func, aliases) in TAKES_NAMES else []


def is_dict_of_attributes(node: ast.AST, aliases: dict[str, str]) -> bool:
    """Whether this is `vars(thing)` or `thing.__dict__`."""
    by_vars = isinstance(node, ast.Call) and last_name(node.func, aliases) == "vars"
    return by_vars or getattr(node, "attr", "") == "__dict__"


def private_names_elsewhere(package: Path) -> set[str]:
    """Private names of other libraries outside the one module for them."""
    elsewhere = [(path, tree) for path, tree in modules(package) if path != COMPAT]
    return {f"{path}: {name}" for path, tree in elsewhere for name in private_names(path, tree)}


@cache
def private_names(path: str, tree: ast.Module) -> set[str]:
    aliases = imported_as(path, tree)
    imported = {name for name in imported_names(path, tree) if any(map(is_private, name.split(".")))}
    foreign = {name for name in imported if name.split(".")[0] != "landscape_nb"}
    return {*foreign, *private_attributes(tree, aliases), *private_overrides(tree, aliases)}


def untested_modules(package: Path, tests: Path) -> list[str]:
    """Modules without a test file of their own; an `__init__` only hands out names."""
    paths = [path.relative_to(package) for path in sorted(package.rglob("*.py")) if path.name != "__init__.py"]
    alone = [path for path in paths if not (tests / path.with_name(f"test_{path.name}")).exists()]
    return [path.as_posix() for path in alone]


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
    assert all((PACKAGE / path).exists() for path in {*REACHES_MODULES, *SETS_VARIABLES, SETTINGS, COMPAT, LAZY})
    assert all((TESTS / name).exists() for name in OF_THE_WHOLE)


@pytest.mark.parametrize("path", ["planted.py", "weights/planted.py", "engines/winograd/planted.py"])
def test_a_planted_module_without_tests_is_found(copied, path):
    plant(copied, path, "NUMBER = 1")
    assert untested_modules(copied, TESTS) == [path]


@pytest.mark.parametrize("path", ["__main__.py", "_common/rng.py", "course/exercises/lines.py"])
def test_tests_of_a_module_that_is_gone_are_found(copied, path):
    (copied / path).unlink()
    room, _, name = path.rpartition("/")
    assert homeless_tests(copied, TESTS) == [f"{room}/test_{name}".lstrip("/")]


def test_every_module_is_in_a_room_of_the_table():
    assert {room_of(path) for path, _ in modules(PACKAGE)} <= set(MAY_IMPORT)


def test_rooms_import_only_what_the_table_allows():
    assert not forbidden_imports(PACKAGE)


def test_every_import_can_be_followed():
    assert not hidden_imports(PACKAGE)


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
        ("surfaces/grid.py", "import landscape_nb.weights.params; landscape_nb.hessian.lanczos.x", "hessian.lanczos.x"),
        ("surfaces/grid.py", "import landscape_nb.weights; getattr(landscape_nb, 'hessian')", "__init__."),
        (
            "surfaces/grid.py",
            "from importlib import import_module as load; load('landscape_nb.hessian')",
            "hessian",
        ),
        ("surfaces/grid.py", "import importlib as i; i.import_module('landscape_nb.hessian')", "hessian"),
    ],
)
def test_a_planted_import_is_found(copied, path, line, found):
    plant(copied, path, "def planted():", f"    {line}")
    assert forbidden_imports(copied) == [f"{path} imports {found}"]


@pytest.mark.parametrize(
    "line",
    [
        "import_module(NAME)",
        "importlib.import_module(f'landscape_nb.{room}')",
        "importlib.import_module(name=NAME)",
        "importlib.import_module('.hessian', 'landscape_nb')",
        "from importlib import import_module as load; load(NAME)",
        "load = importlib.import_module",
        "module = __import__('hessian', level=2)",
        "import sys; module = sys.modules['landscape_nb.hessian']",
        "import sys; module = sys.modules.get('landscape_nb.hessian')",
        "from sys import modules as loaded; module = loaded['landscape_nb.hessian']",
        "import pkgutil; module = pkgutil.resolve_name('landscape_nb.hessian')",
        "from pkgutil import resolve_name as find; module = find('landscape_nb.hessian')",
    ],
)
def test_a_planted_import_that_cannot_be_followed_is_found(copied, line):
    plant(copied, "weights/params.py", line)
    assert len(hidden_imports(copied)) == 1


def test_asking_whether_a_module_is_there_is_not_an_import(copied):
    plant(copied, "weights/params.py", "import sys; there = 'google.colab' in sys.modules")
    assert not hidden_imports(copied)


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
        "_version = 1; x = torch.ones(1)._version",
        "from operator import attrgetter as ag; version = ag('_version')(tensor)",
        "from builtins import vars as of; buffers = of(module)['_buffers']",
        "class Planted(nn.Module):\n    def count(self):\n        return len(self._buffers)",
        "class Planted(nn.Module):\n    def _apply(self, function):\n        return self",
        "class Planted(nn.Module):\n    _version = 2",
        "class One(nn.Module):\n    pass\nclass Planted(One):\n    def _apply(self, function):\n        return self",
        "from torch.nn import Module as M\nclass Planted(M):\n    def _apply(self, function):\n        return self",
        "from landscape_nb._common.compat import DispatchMode\n"
        "class Planted(DispatchMode):\n    def _should_skip_dynamo(cls):\n        return True",
    ],
)
def test_a_planted_private_name_is_found(copied, line):
    plant(copied, "models/plain.py", line)
    assert len(private_names_elsewhere(copied)) == 1
