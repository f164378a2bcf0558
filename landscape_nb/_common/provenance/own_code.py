"""What determines a function or a class: its package and version if it is installed, its code if it is the user's."""

import dis
import functools
import inspect
import types
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from torch import nn

from landscape_nb._common.provenance.installed import package_of
from landscape_nb._common.provenance.values import Parts, encoded

_MOVED = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
_READ = ("LOAD_GLOBAL", "LOAD_NAME")
_WRITTEN = ("STORE_GLOBAL", "DELETE_GLOBAL")
_ASSIGNED = ("STORE_ATTR", "DELETE_ATTR")
_WHERE = frozenset(vars(types.ModuleType("any"))) | {"__annotations__", "__builtins__", "__cached__", "__file__"}
"""Names that Python itself sets in a module: they differ between a script and an import of it."""
_WRITTEN_BY_PYTHON = ("__doc__", "__firstlineno__", "__module__", "__qualname__")


def package_of_function(function: types.FunctionType) -> str:
    """The installed package whose code a function runs. (`functools.wraps` changes `__module__`, not the globals.)"""
    return package_of(function.__globals__.get("__name__", "__main__"))


def package_of_class(cls: type) -> str:
    """The installed package that a class is from; '' for the user's own."""
    return package_of(type.__dict__["__module__"].__get__(cls))


def name_of(part: Any) -> str:
    """Where something installed is found in its package."""
    names = [getattr(part, name, None) for name in ("__module__", "__qualname__", "__name__")]
    return ".".join(name for name in names[:2] if isinstance(name, str)) or str(names[2])


def function_parts(function: types.FunctionType) -> Parts:
    """A function: if it is the user's own, its code, defaults, closure and the globals it uses.

    An installed function that was made while running (by a decorator, by a transform) may hold the user's own.
    """
    code, names = function.__code__, cell_names(function.__code__)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closure = [(name, _cell(cell)) for name, cell in cells if name not in names]
    package = package_of_function(function)
    if package:
        defaults = [function.__defaults__, function.__kwdefaults__, *_attributes(function)] if closure else []
        return Parts(
            ["function", package, f"{function.__globals__['__name__']}.{code.co_qualname}"], [*defaults, *closure]
        )
    definition = [code, function.__defaults__, function.__kwdefaults__, closure, _attributes(function)]
    return Parts(["function"], [*definition, *_globals_of(function)])


def _attributes(function: types.FunctionType) -> list[tuple[str, Any]]:
    """The attributes of a function, as in `loss.scale`.

    Without those that it writes itself (counters), and those that begin with an underscore, which decorators
    and compilers set, unless its code names them.
    """
    if not function.__dict__:
        return []
    steps = [step for code in nested_codes(function.__code__) for step in _steps(code)]
    written = {step.argval for step in steps if step.opname in _ASSIGNED}
    named = {step.argval for step in steps if step.opname in _MOVED}
    own = sorted(function.__dict__.items(), key=itemgetter(0))
    return [pair for pair in own if pair[0] not in written and (pair[0][:1] != "_" or pair[0] in named)]


def code_parts(code: types.CodeType) -> Parts:
    """Bytecode as it was compiled: without the interpreter's specializations, line numbers, file name and docstring."""
    arguments = code.co_argcount + code.co_kwonlyargcount
    labels = ["code", code.co_code, code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_exceptiontable]
    constants = (None, *code.co_consts[1:]) if _has_docstring(code) else code.co_consts
    return Parts(labels, [code.co_names, code.co_varnames[:arguments], *constants])


def _has_docstring(code: types.CodeType) -> bool:
    """Whether a function's first constant is a docstring that its code does not use as well.

    From Python 3.13 on a flag says so. Before, the first constant of a `def` is its docstring or None; those of
    comprehensions and class bodies, which are not functions with a name, are any text.
    """
    if not code.co_consts or type(code.co_consts[0]) is not str:
        return False
    is_def = code.co_flags & inspect.CO_OPTIMIZED and code.co_name[:1] != "<"
    flag = getattr(inspect, "CO_HAS_DOCSTRING", 0)
    if not (code.co_flags & flag if flag else is_def):
        return False
    return not any(step.opcode in dis.hasconst and step.arg == 0 for step in _steps(code))


def class_parts(cls: type) -> Parts:
    """A class, and if it is the user's own what it defines, and those of its bases that are the user's own."""
    mro = type.__dict__["__mro__"].__get__(cls)
    labels = ["class"]
    held = [] if package_of_class(type(cls)) else [type(cls)]
    for base in mro:
        package = package_of_class(base)
        labels += [f"{package} {name_of(base)}" if package else base.__qualname__]
        held += _patches(base) if package else _definition(base)
    return Parts(labels, held)


def own_names(cls: type) -> frozenset[str]:
    """The attributes that methods of a class and its bases read, as far as these are the user's own."""
    found: set[str] = set()
    for base in cls.__mro__:
        if not package_of_class(base):
            functions = [f for value in vars(base).values() if (f := _function_in(value))]
            steps = (step for f in functions for code in nested_codes(f.__code__) for step in _steps(code))
            found.update(step.argval for step in steps if step.opname in _MOVED)
    return frozenset(found)


def nested_codes(code: types.CodeType) -> list[types.CodeType]:
    """A function's code and that of all functions and classes defined in it."""
    found = [code]
    for each in found:
        found += [constant for constant in each.co_consts if isinstance(constant, types.CodeType)]
    return found


def cell_names(code: types.CodeType) -> frozenset[str]:
    """The variables of enclosing functions that a function writes: they are counters and caches, not settings."""
    stored = {step.argval for each in nested_codes(code) for step in _steps(each) if step.opname == "STORE_DEREF"}
    return frozenset(stored & set(code.co_freevars))


def _definition(cls: type) -> list[Any]:
    """What a class of the user's own defines; of names like `__this__`, functions and plain values only."""
    return [
        (name, value)
        for name, value in sorted(vars(cls).items(), key=itemgetter(0))
        if not (name[:2] == name[-2:] == "__")
        or _function_in(value) is not None
        or (encoded(value) is not None and name not in _WRITTEN_BY_PYTHON)
    ]


def _patches(cls: type) -> list[Any]:
    """The user's own functions that were set as methods of an installed module class."""
    if not issubclass(cls, nn.Module):
        return []
    functions = [(name, value) for name, value in vars(cls).items() if isinstance(value, types.FunctionType)]
    return [(name, f) for name, f in functions if "__name__" in f.__globals__ and not package_of_function(f)]


def _function_in(value: Any) -> types.FunctionType | None:
    """The function that a class attribute runs, if it is one."""
    if type(value) in (staticmethod, classmethod):
        value = value.__func__
    elif type(value) in (property, functools.cached_property):
        value = value.fget if type(value) is property else value.func
    return value if type(value) is types.FunctionType else None


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that was never given a value
        return "an empty cell"


def _globals_of(function: types.FunctionType) -> list[Any]:
    """The globals that a function names, and their values.

    Without names that the function itself writes (counters, caches), and those that say where a module
    is (`__name__`, `__file__`), which differ between a script and an import of it.
    """
    around = function.__globals__
    codes = nested_codes(function.__code__)
    written = {step.argval for code in codes for step in _steps(code) if step.opname in _WRITTEN}
    paths = sorted({path for code in codes for path in _paths(code)})
    return [(path, _found(around, path)) for path in paths if path[0] in around and path[0] not in written]


@functools.lru_cache(4096)
def _steps(code: types.CodeType) -> list[dis.Instruction]:
    return list(dis.get_instructions(code))


def _paths(code: types.CodeType) -> Iterator[tuple[str, ...]]:
    """The dotted names that start at a global: `helpers.scale` gives ("helpers", "scale")."""
    path: tuple[str, ...] = ()
    for step in _steps(code):
        if step.opname in _MOVED and path:
            path = (*path, step.argval)
            continue
        if path:
            yield path
        named = step.opname in _READ and step.argval not in _WHERE
        path = (step.argval,) if named else ()
    if path:
        yield path


def _found(around: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value of a dotted name. Of a module only the attribute that is used counts, not the whole module.

    An attribute of an installed module counts by the version of its package, whether it is bound yet or not (many
    modules bind names only on access); unless it is a function of the user's own that was put there.
    """
    value, rest, package = around[path[0]], path[1:], ""
    while issubclass(type(value), types.ModuleType):
        package = package or package_of(value.__dict__.get("__name__"))
        if not rest or rest[0] not in value.__dict__:
            return package or "a module"
        value, rest = value.__dict__[rest[0]], rest[1:]
    own = type(value) is types.FunctionType and not package_of_function(value)
    return value if own or not package else package
