"""Write docs/api.md: every public name with its first sentence and its example.

Usage: python docs/build_api.py
"""

import ast
import inspect
import textwrap
from itertools import pairwise
from pathlib import Path

import landscape_nb as lnb
from landscape_nb._common import schema
from landscape_nb.models import residual
from landscape_nb.weights import params

PAGE = Path(__file__).parent / "api.md"
_HEAD = """# Public names

Made from the docstrings, which also give shapes, defaults, errors and sources: `help(lnb.evaluate_plane)`.
`import landscape_nb as lnb`; the names below are in `lnb`, those of a module in `lnb.<module>`.
"""
_MODULES = ("datasets", "exercises", "models", "plotting")
DATA = {"Params": params, "plotting.PAPER_LEVELS": schema, "models.RESNET_DEPTHS": residual}
"""Public names of things without a docstring, and the modules where a text stands below their definition."""


def public_names():
    """Every public function and class, with the name by which it is called."""
    for name in lnb.__all__:
        thing = getattr(lnb, name)
        if callable(thing) and inspect.getdoc(thing) and not inspect.ismodule(thing):
            yield name, thing
    for module in _MODULES:
        names = vars(getattr(lnb, module))
        for name, thing in names.items():
            own = getattr(thing, "__module__", "").startswith(f"landscape_nb.{module}")
            public = callable(thing) or f"{module}.{name}" in DATA
            if public and name in names.get("__all__", [name] * own) and not name.startswith("_"):
                yield f"{module}.{name}", thing


def docstring(name, thing):
    """What is said of a public name; data and type aliases have only the text below their definition."""
    if name not in DATA:
        return inspect.getdoc(thing)
    body = ast.parse(inspect.getsource(DATA[name])).body
    defined = f"{name.split('.')[-1]} = "
    (below,) = (after for line, after in pairwise(body) if ast.unparse(line).startswith(defined))
    return inspect.cleandoc(below.value.value)


def entry(name, thing):
    """The page's lines on one name."""
    text = docstring(name, thing)
    lines = [f"## `{name}`", "", text.splitlines()[0], ""]
    if "Example:\n" in text:
        example = text.split("Example:\n")[1].split("\n\n")[0]
        lines += ["```python", textwrap.dedent(example).replace("  # doctest: +SKIP", "").rstrip(), "```", ""]
    return "\n".join(lines)


def page():
    """The whole page."""
    return "\n".join([_HEAD, *(entry(name, thing) for name, thing in sorted(public_names(), key=lambda pair: pair[0]))])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
