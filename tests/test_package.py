"""Importing the package loads nothing large that is not needed, and benchmarks import what there is."""

import ast
import importlib
import subprocess
import sys
import tomllib

from helpers import ROOT

import landscape_nb

LARGE = "llvmlite", "ipywidgets", "papermill", "torch._dynamo", "sklearn", "plotly", "zarr", "dask"
LARGE += "lightning", "transformers"


def test_what_is_large_is_imported_when_it_is_needed():
    code = f"import sys, landscape_nb; print([name for name in {LARGE} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_command_line_does_not_wait_for_torch():
    code = "import sys, landscape_nb.__main__; print([name for name in ('torch', 'xarray') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_benchmarks_import_from_the_package_exists():
    """They run with packages that tests do not have, and would otherwise break unseen when a module is renamed."""
    missing = []
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("landscape_nb"):
                module = importlib.import_module(str(node.module))
                missing += [f"{path.name}: {alias.name}" for alias in node.names if not hasattr(module, alias.name)]
    assert not missing


def test_every_file_says_the_same_version():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert landscape_nb.__version__ == declared
    assert f"\nversion: {declared}\n" in (ROOT / "CITATION.cff").read_text()
