"""Importing the package loads nothing large that is not needed."""

import subprocess
import sys

LARGE = "llvmlite", "ipywidgets", "papermill", "torch._dynamo", "sklearn", "plotly", "zarr", "dask"


def test_what_is_large_is_imported_when_it_is_needed():
    code = f"import sys, landscape_nb; print([name for name in {LARGE} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
