"""A run of a notebook: it fails with its claims, sliders and widgets, and gives figures, a page and an index."""

import base64
import os

import jupytext
import nbformat
import pytest
from helpers import ROOT
from pages import PIXEL, Images, executed, picture, shown
from papermill.exceptions import PapermillExecutionError

from landscape_nb.course import claims, runner
from landscape_nb.course import notebooks as figures
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


def test_every_figure_gets_a_file_and_keeps_its_words(tmp_path):
    outputs = [picture("one"), shown({"text/plain": "no figure"}), shown({"image/png": PIXEL})]
    found = runner.write_figures(executed(*outputs), tmp_path, "07_x")
    assert found == [(tmp_path / "07_x-1.png", "one"), (tmp_path / "07_x-2.png", "")]
    assert all(path.read_bytes() == base64.b64decode(PIXEL) for path, _ in found)


def test_the_index_has_all_figures_and_claims_as_they_were_written(tmp_path):
    (page, file), notebook = (
        (tmp_path / "07_x.html", tmp_path / "07_x-1.png"),
        Notebook("07_x", "Flat & sharp", "Figure 2"),
    )
    said = [claims.Claim("07-a", True, "1 < 2"), claims.Claim("07-b", False, "2 < 1")]
    report = runner.Report(notebook, 12.3, 345_600_000, said, [(file, 'a "quoted" <text>')], page)
    text = runner.write_index([report, report], tmp_path).read_text(encoding="utf-8")
    assert [(image["src"], image["alt"]) for image in Images(tmp_path / "index.html").found] == [
        ("07_x-1.png", 'a "quoted" <text>')
    ] * 2
    for words in (
        '<h2 id="07"><a href="07_x.html">07 Flat &amp; sharp</a></h2>',
        '<li><a href="#07">07 Flat &amp; sharp</a></li>',
        "ran in 12 s, 346 MB at most",
        "<li>✓ 1 &lt; 2</li>",
        "✗ does not hold here: 2 &lt; 1",
    ):
        assert text.count(words) == 2


def test_errors_in_widgets_are_texts():
    content = executed()
    state = {
        "a": {"state": {"value": "<div>fine</div>"}},
        "b": {"state": {"outputs": [{"output_type": "error", "ename": "KeyError", "evalue": "'x'"}]}},
        "c": {"state": {"value": f'<div class="{runner.ERROR_CLASS}">planted</div>'}},
        "d": {},
    }
    content.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    assert runner.widget_errors(content) == ["KeyError: 'x'", f'<div class="{runner.ERROR_CLASS}">planted</div>']


def test_variables_are_as_they_were_whatever_happened(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_SEED", "1")
    monkeypatch.delenv("LANDSCAPE_NB_LEDGER", raising=False)
    before = dict(os.environ)
    with pytest.raises(KeyboardInterrupt), runner.environment({"LANDSCAPE_NB_SEED": "2", "LANDSCAPE_NB_LEDGER": "l"}):
        assert (os.environ["LANDSCAPE_NB_SEED"], os.environ["LANDSCAPE_NB_LEDGER"]) == ("2", "l")
        os.environ["LANDSCAPE_NB_OTHER"] = "3"
        raise KeyboardInterrupt
    assert dict(os.environ) == before


def test_a_place_for_notebooks_is_made_and_left_empty(tmp_path):
    runner.make_writable(tmp_path / "deep" / "out")
    assert list((tmp_path / "deep" / "out").iterdir()) == []
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(OSError, match=f"^out: cannot write into {place}"):
            runner.make_writable(place)
