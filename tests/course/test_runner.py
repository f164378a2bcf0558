"""A run of a notebook: it fails with its claims, sliders and widgets, and gives figures, a page and an index."""

import jupytext
import nbformat
import pytest
from helpers import ROOT
from papermill.exceptions import PapermillExecutionError

from landscape_nb.course import notebooks as figures
from landscape_nb.course import runner
from landscape_nb.course.notebooks import Notebook


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Makes a notebook of a few cells that the runner finds; the first holds the parameters."""

    def make(*cells):
        content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        content.cells[0].metadata["tags"] = ["parameters"]
        content.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        (tmp_path / "images").mkdir()
        nbformat.write(content, tmp_path / "99_planted.ipynb")
        return Notebook("99_planted", "Planted", "nothing")

    monkeypatch.setattr(figures, "notebooks_directory", lambda: tmp_path)
    monkeypatch.setattr(runner, "notebooks_directory", lambda: tmp_path)
    return make


def test_a_false_claim_turns_the_suite_red(planted, tmp_path):
    notebook = planted("import landscape_nb as lnb", "lnb.claim('99-false', 1 > 2, 'One is more.')")
    with pytest.raises(PapermillExecutionError, match="claim 99-false does not hold"):
        runner.run_notebook(notebook, tmp_path / "out", progress=False)


SLIDER = """
import matplotlib.pyplot as plt
import landscape_nb as lnb

def draw(c=0):
    if c == 5:
        raise ZeroDivisionError("planted")
    return plt.figure(figsize=(1, 1))

explorer = lnb.explore(draw, alt="An empty figure", c=(0, 9))
"""


def test_a_slider_that_fails_at_one_value_turns_the_suite_red(planted, tmp_path):
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        runner.run_notebook(planted(SLIDER), tmp_path / "out", progress=False)


@pytest.mark.usefixtures("lenient")
def test_an_error_hidden_in_a_widget_is_found(planted, tmp_path):
    notebook = planted(SLIDER, "display(explorer)", "explorer.widgets['c'].value = 5; explorer._redraw()")
    with pytest.raises(RuntimeError, match="a widget holds an error.*ZeroDivisionError"):
        runner.run_notebook(notebook, tmp_path / "out", progress=False)


def test_an_error_hidden_in_an_output_widget_is_found(planted, tmp_path):
    cell = "import ipywidgets as i; w = i.interactive(lambda x: 1 / (x - 1), x=(-1, 1)); display(w)"
    with pytest.raises(RuntimeError, match="a widget holds an error: ZeroDivisionError"):
        runner.run_notebook(planted(cell, "w.children[0].value = 1"), tmp_path / "out", progress=False)


def test_a_script_with_a_false_claim_fails(planted, tmp_path):
    """One number changed in a real script, the slow parts left out."""
    script = (ROOT / "notebooks/scripts/02_scale_invariance.py").read_text()
    changed = script.replace("min(raw_ratios) > 2", "min(raw_ratios) > 2000").replace('"epochs": 12', '"epochs": 1')
    assert changed.count("2000") == 1
    cells = [cell.source for cell in jupytext.reads(changed, "py:percent").cells if cell.cell_type == "code"]
    with pytest.raises(PapermillExecutionError, match="claim 02-raw-is-arbitrary does not hold"):
        runner.run_notebook(planted(*cells), tmp_path / "out", progress=False)


def test_the_preset_reaches_the_notebook(planted, tmp_path):
    notebook = planted('PRESET = "quick"', "import landscape_nb as lnb", "print(lnb.choose_preset(PRESET, quick={}))")
    report = runner.run_notebook(notebook, tmp_path / "out", preset="gallery", progress=False)
    assert "No paper-scale result is shipped for this notebook yet" in report.page.read_text()


def test_memory_is_what_cells_need_not_what_ending_the_kernel_needs(planted, tmp_path):
    at_the_end = "import atexit, time; atexit.register(lambda: (b'e' * 400_000_000, time.sleep(1)))"
    notebook = planted(at_the_end, "numbers = b'n' * 200_000_000; time.sleep(0.5); del numbers", "time.sleep(0.5)")
    report = runner.run_notebook(notebook, tmp_path / "out", progress=False)
    assert 200_000_000 < report.peak_memory < 400_000_000
