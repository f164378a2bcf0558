"""Notebooks run beside Colab's own packages, and installing the library changes none of them."""

import json
import subprocess
import sys

import pytest
from helpers import ROOT

from landscape_nb.course.notebooks import find_notebook
from landscape_nb.course.runner import environment, run_notebook

PINS = {
    "backcall": "0.2.0", "click": "8.3.1", "cloudpickle": "3.1.2", "decorator": "4.4.2", "entrypoints": "0.4",
    "ipykernel": "6.17.1", "ipython": "7.34.0", "ipython-genutils": "0.2.0", "ipywidgets": "7.7.1", "joblib": "1.5.3",
    "jupyter-client": "7.4.9", "jupyterlab-widgets": "3.0.16", "llvmlite": "0.43.0", "matplotlib": "3.10.0",
    "numpy": "2.1.3", "pandas": "2.2.2", "pickleshare": "0.7.5", "pillow": "11.3.0", "platformdirs": "4.9.2",
    "plotly": "5.24.1", "psutil": "5.9.5", "pytz": "2025.2", "pyzmq": "26.2.1", "safetensors": "0.7.0",
    "scikit-learn": "1.6.1", "scipy": "1.16.3", "tenacity": "9.1.4", "tornado": "6.5.1", "tqdm": "4.67.3",
    "traitlets": "5.7.1", "widgetsnbextension": "3.6.10", "xarray": "2025.12.0",
}  # fmt: skip
"""What Colab had in 2026 (googlecolab/backend-info) of what the library and a kernel use, but for torch."""


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """A directory with Colab's packages, to be found before the environment's."""
    folder = tmp_path_factory.mktemp("colab")
    named = [f"{name}=={version}" for name, version in PINS.items()]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(folder), *named], check=True)
    return folder


def test_its_packages_satisfy_the_library(colab, tmp_path):
    """pip finds a way to install the library that keeps each of them."""
    kept = tmp_path / "colab.txt"
    kept.write_text("".join(f"{name}=={version}\n" for name, version in PINS.items()))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--disable-pip-version-check"]
    report = tmp_path / "report.json"
    subprocess.run([*pip, "--constraint", str(kept), "--report", str(report), str(ROOT)], check=True)
    found = {each["metadata"]["name"].lower(): each["metadata"] for each in json.loads(report.read_text())["install"]}
    assert {name: found[name]["version"] for name in PINS if name in found} == {
        name: PINS[name] for name in PINS if name in found
    }
    needed = " ".join(found["landscape-nb"]["requires_dist"]).lower()
    always = [line for line in found["landscape-nb"]["requires_dist"] if "extra ==" not in line]
    assert "jupyterlab" in needed
    assert not [line for line in always if line.startswith(("jupyterlab", "papermill", "nbconvert", "ipykernel"))]


@pytest.mark.parametrize("number", ["00", "05"])
def test_a_notebook_runs_beside_them(colab, number, tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "cache"))
    asked = "import ipywidgets, ipykernel, numpy, plotly; print(ipywidgets.__version__, numpy.__version__)"
    with environment({"PYTHONPATH": f"{colab}:{ROOT}"}):
        said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
        assert said.split() == [PINS["ipywidgets"], PINS["numpy"]]
        report = run_notebook(find_notebook(number), tmp_path / "out", progress=False)
    assert report.claims
    assert all(claim.holds for claim in report.claims)
