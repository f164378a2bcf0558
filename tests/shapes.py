"""Has the shapes in the package's annotations checked in tests, by jaxtyping with beartype.

`pyproject.toml` hands `checked` to jaxtyping's plugin of pytest, which puts it on every function as its module is
imported: `Float[Tensor, "n c"]` is checked at each call, and one name stands for one size throughout a call.

beartype itself, in its place, would check too much. Tests call public functions with wrong arguments on purpose, to
read the message. Protocols and forward references are not meant to be checked at run time. Of a list, beartype looks
at one element, drawn with Python's global random state, by which the library tells whether a model draws numbers.
"""

import ast
import collections.abc
import functools
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from beartype import beartype
from jaxtyping import AbstractArray
from torch import fx

_PACKAGE = Path(__file__).parent.parent / "landscape_nb"
_LOOKED_INTO = (tuple, dict, collections.abc.Mapping, types.UnionType)
"""Whose elements beartype checks without drawing a number: all of a tuple, the first of a mapping."""
_OWN_WORDS = ("landscape_nb.course.", "landscape_nb.models.", "landscape_nb.datasets.")
"""Whose functions say in words of their own what is wrong with an answer or an image."""


def _public(path: str) -> set[str]:
    """The names in a module's `__all__`, read without importing it: it is to be imported with the checks."""
    for node in ast.parse((_PACKAGE / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no __all__")


_PUBLIC = _public("__init__.py") | _public("plotting/__init__.py")


def checked(function: Callable) -> Callable:
    """The function, with its annotations of shapes checked; what has none stays as it is.

    jaxtyping calls this twice for a function: with its parameters alone, annotated to return Any, which are checked
    before the call, and with what it returned, which is checked with them after it. Functions that check their
    arguments themselves are left to it: only afterwards must the shapes be right.
    """
    hints = function.__annotations__
    before = hints.get("return") is Any
    shapes = {name: hint for name, hint in hints.items() if _is_shaped(hint)}
    if not shapes or (before and _checks_itself(function)):
        return function
    function.__annotations__ = shapes
    return _unless_traced(beartype(function), function)


def _unless_traced(check: Callable, function: Callable) -> Callable:
    """The check, left out where torch.fx traces a model: what it passes through has no shape."""

    @functools.wraps(function)
    def checked_or_traced(*args: Any, **kwargs: Any) -> Any:
        traced = any(isinstance(value, fx.Proxy) for value in (*args, *kwargs.values()))
        return (function if traced else check)(*args, **kwargs)

    return checked_or_traced


def _checks_itself(function: Callable) -> bool:
    return function.__qualname__.split(".")[0] in _PUBLIC or f"{function.__module__}.".startswith(_OWN_WORDS)


def _is_shaped(hint: Any) -> bool:
    """Whether a hint says a shape (`Params`, of tensors of any shape, does not), and nothing in it would be drawn."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return hint.dim_str != "..."
    parts = typing.get_args(hint)
    return typing.get_origin(hint) in _LOOKED_INTO and any(map(_is_shaped, parts)) and not any(map(_is_drawn, parts))


def _is_drawn(hint: Any) -> bool:
    looked_into = typing.get_origin(hint) in (None, *_LOOKED_INTO)
    return not looked_into or any(map(_is_drawn, typing.get_args(hint)))
