"""The API page is what the docstrings say, and every public name has an example."""

import importlib.util
import inspect

from conftest import ROOT

spec = importlib.util.spec_from_file_location("build_api", ROOT / "docs" / "build_api.py")
build_api = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build_api)


def test_the_api_page_is_current():
    assert build_api.PAGE.read_text(encoding="utf-8") == build_api.page()


def test_every_public_function_has_an_example():
    without = [
        name
        for name, thing in build_api.public_names()
        if inspect.isfunction(thing) and "Example:" not in (inspect.getdoc(thing) or "")
    ]
    assert not without
