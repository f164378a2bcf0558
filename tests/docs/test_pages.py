"""The pages made from the code are current, every public name has an example, and links lead somewhere."""

import importlib.util
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar, get_origin

import pytest
from helpers import ROOT

import landscape_nb as lnb


def builder(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_api = builder("build_api")


@pytest.mark.parametrize("name", ["build_api", "build_claims", "build_fidelity", "build_reference"])
def test_a_page_made_from_the_code_is_current(name):
    page = builder(name)
    assert page.PAGE.read_text(encoding="utf-8") == page.page()


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]), ids=lambda path: path.name)
def test_links_of_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize(("page", "entry"), [("api.md", "### `{}`\n"), ("reference.md", ":: landscape_nb.{}\n")])
def test_every_public_name_has_an_entry(page, entry):
    offered = {"": lnb, "exercises.": lnb.exercises, "models.": lnb.models, "plotting.": lnb.plotting}
    things = {where + name: getattr(part, name) for where, part in offered.items() for name in part.__all__}
    names = [name for name, thing in things.items() if not isinstance(thing, ModuleType | TypeVar)]
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert not [name for name in names if entry.format(name) not in text]


def test_every_public_name_has_one_task(monkeypatch):
    assert sum(map(len, build_api.by_task().values())) == len(list(build_api.public_names()))
    monkeypatch.setitem(build_api.TASKS, "Measure a loss", "Objective")
    with pytest.raises(ValueError, match=r"^TASKS: \['accuracy'\] have no task"):
        build_api.by_task()


def test_every_public_function_has_an_example():
    without = [
        name
        for name, thing in build_api.public_names()
        if inspect.isfunction(thing) and "Example:" not in (inspect.getdoc(thing) or "")
    ]
    assert not without


def undescribed(name, thing) -> list[str]:
    """The sections that a function's docstring lacks."""
    docstring, signature = inspect.getdoc(thing) or "", inspect.signature(thing)
    given = "Yields:" if get_origin(signature.return_annotation) is Iterator else "Returns:"
    wanted = ["Args:"] if signature.parameters else []
    wanted += [] if signature.return_annotation is None else [given]
    return [f"{name}: {section}" for section in wanted if f"\n{section}\n" not in docstring]


def test_every_public_function_says_what_it_takes_and_what_it_returns():
    functions = [(name, thing) for name, thing in build_api.public_names() if inspect.isfunction(thing)]
    assert len(functions) >= 80
    assert not [line for pair in functions for line in undescribed(*pair)]


def test_what_a_docstring_lacks_is_found():
    def shift(x: float) -> float:
        """Add one.

        Returns:
            The number; see Args: there are none described.
        """
        return x + 1

    def say(text: str) -> None:
        """Print a text."""

    assert undescribed("shift", shift) == ["shift: Args:"]
    assert undescribed("say", say) == ["say: Args:"]
    assert undescribed("nothing", lambda: 0) == ["nothing: Returns:"]
