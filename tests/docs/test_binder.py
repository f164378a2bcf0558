"""Binder's environment has what the project needs."""

import re
import tomllib

from helpers import ROOT


def test_binder_has_every_package_that_the_project_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["course"]
    listed = (ROOT / "binder" / "environment.yml").read_text().replace("pytorch", "torch")
    for requirement in needed:
        assert f"- {re.split('[>=<]', requirement)[0]}" in listed
