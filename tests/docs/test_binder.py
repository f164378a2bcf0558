"""Binder's environment has what the project needs."""

import re
import tomllib

from helpers import ROOT

from landscape_nb.course.runner import SPARING


def test_binder_has_every_package_that_the_project_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["course"]
    listed = (ROOT / "binder" / "environment.yml").read_text().replace("pytorch", "torch")
    for requirement in needed:
        assert f"- {re.split('[>=<]', requirement)[0]}" in listed


def test_binder_and_make_lab_are_as_sparing_as_a_run_of_the_course():
    for path in ("binder/start", "Makefile"):
        text = (ROOT / path).read_text()
        assert all(f"{name}={value}" in text for name, value in SPARING.items())
