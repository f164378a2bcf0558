"""The package's names are there when they are asked for, and not before."""

import subprocess
import sys

import pytest

import landscape_nb


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_imports_nothing_large():
    code = "import sys, landscape_nb; print(sorted({'torch', 'numpy', 'xarray', 'matplotlib'} & set(sys.modules)))"
    assert in_a_new_process(code) == "[]"


@pytest.mark.parametrize("name", ["norm", "datasets", "exercises"])
def test_a_name_is_imported_when_it_is_first_used(name):
    """In a process of its own: here another test may have imported a module of that name."""
    code = f"import landscape_nb as lnb; print(lnb.{name}.__name__); from landscape_nb import {name}"
    assert in_a_new_process(code).split(".")[-1] == name


def test_every_public_name_is_there_and_listed():
    assert {*landscape_nb.__all__} <= {*dir(landscape_nb)}
    for name in landscape_nb.__all__:
        assert getattr(landscape_nb, name) is getattr(landscape_nb, name)


def test_names_are_listed_before_they_are_used():
    code = "import landscape_nb; print(set(landscape_nb.__all__) - set(dir(landscape_nb)))"
    assert in_a_new_process(code) == "set()"


def test_what_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="^module 'landscape_nb' has no attribute 'evaluate_plain'"):
        _ = landscape_nb.evaluate_plain
    assert not hasattr(landscape_nb, "__path_of_nothing__")


def test_a_misspelled_name_gets_a_suggestion():
    code = "import landscape_nb as lnb; lnb.evaluate_plan"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Did you mean: 'evaluate_plane'?" in found.stderr
