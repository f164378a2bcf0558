"""Every notebook with the paper's networks on CIFAR-10, for a few steps: its full preset, cut down."""

import nbformat
import papermill
import pytest
from conftest import real_file

from landscape_nb.figures import find_notebook
from landscape_nb.runner import run_notebook

FULL = ("02", "05")  # the perceptron, VGG-9 and ResNets

CUT = """
import dataclasses

most = {"epochs": 1, "images": 32, "points": 3, "resolution": 3}
for name, value in vars(settings).items():
    if isinstance(value, int) and name in most:
        setattr(settings, name, min(value, most[name]))
cut = {part: tuple(tensor[:256] for tensor in getattr(data, part)) for part in ("train", "test")}
data = dataclasses.replace(data, **cut)
sample = data.subset(settings.images)
"""


def cut_down(notebook):
    """The notebook with a cell after its settings that leaves the networks, and little else."""
    content = nbformat.read(notebook.path, as_version=4)
    (at,) = [n for n, cell in enumerate(content.cells) if "lnb.choose_preset(PRESET, " in cell.source]
    content.cells.insert(at + 1, nbformat.v4.new_code_cell(CUT))
    return content


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("number", FULL)
def test_full_runs_the_papers_networks_on_cifar10(number, tmp_path, monkeypatch):
    real_file("cifar10.npz")
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "cut.ipynb"
    nbformat.write(cut_down(find_notebook(number)), source)
    papermill.execute_notebook(
        source, tmp_path / "run.ipynb", {"PRESET": "full"}, kernel_name="python3", progress_bar=False
    )


def test_a_gallery_that_has_nothing_says_so(tmp_path):
    report = run_notebook(find_notebook("02"), tmp_path / "out", preset="gallery", progress=False)
    assert "No paper-scale result is shipped for this notebook yet" in report.page.read_text()
