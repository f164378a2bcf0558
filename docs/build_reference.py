"""Write docs/reference.md: the site's page with arguments, returns, errors and example of every public name.

Usage: python docs/build_reference.py
"""

import inspect
import textwrap
from pathlib import Path

from build_api import DATA, by_task, docstring

PAGE = Path(__file__).parent / "reference.md"
_HEAD = """# Reference

Every public name, by task, with its arguments, what it returns and what it raises, from the docstrings.
`import landscape_nb as lnb`; the names below are in `lnb`, those of a module in `lnb.<module>`.
"""


def entry(name, thing):
    """The page's lines on one name, which Sphinx fills in."""
    if name in DATA:  # autodoc would describe `dict` or `tuple`
        directive = f".. py:data:: landscape_nb.{name}\n\n{textwrap.indent(docstring(name, thing), '   ')}"
    elif inspect.isclass(thing):
        directive = f".. autoclass:: landscape_nb.{name}\n   :members:"
    else:
        directive = f".. autofunction:: landscape_nb.{name}"
    return f"```{{eval-rst}}\n{directive}\n```\n"


def page():
    """The whole page."""
    parts = [_HEAD]
    for task, names in by_task().items():
        parts += [f"## {task}\n", *(entry(name, thing) for name, thing in names)]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
