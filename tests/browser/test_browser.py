"""The course in a browser: JupyterLab with sliders that move, and exported pages that need no kernel and no network."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from helpers import ROOT
from playwright.sync_api import expect
from windows import PATIENCE

from landscape_nb.course import runner
from landscape_nb.course.claims_table import write_claims
from landscape_nb.course.notebook_page import write_page
from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook

TOKEN = "browser-test"
PATHS = find_notebook("10")
SMALL = """
import landscape_nb as lnb
import matplotlib.pyplot as plt
import plotly.graph_objects as go

def draw(power: int = 2, wide: bool = False):
    figure, axes = plt.subplots(figsize=(3 + wide, 2))
    axes.plot([0, 1, 2], [x**power for x in (0, 1, 2)])
    return figure

lnb.show(draw(3), alt="The third power of x")
lnb.show_interactive(go.Figure(go.Scatter(y=[0, 1, 4])), draw(2), alt="A parabola")
lnb.explore(draw, alt="A power of x", power=(1, 3), wide=False)
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The exported pages of all notebooks as they are shipped, and their index."""
    out = tmp_path_factory.mktemp("pages")
    shutil.copytree(ROOT / "notebooks/images", out / "images")
    reports = []
    for notebook in NOTEBOOKS:
        content = nbformat.read(notebook.path, as_version=4)
        figures = runner.write_figures(content, out, notebook.name)
        reports.append(runner.Report(notebook, 1.0, 10**8, [], figures, write_page(content, out, notebook)))
    write_claims([], out)
    runner.write_index(reports, out)
    return out


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over a copy of a notebook, as a class sees it, and over a small one; gives the address."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "course").mkdir()
    shutil.copytree(ROOT / "notebooks/images", folder / "course/images")
    content = nbformat.read(PATHS.path, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    content.metadata["language_info"]["version"] = platform.python_version()
    nbformat.write(content, folder / "course" / PATHS.path.name)
    nbformat.write(content, folder / "course/opened.ipynb")
    content.cells = [nbformat.v4.new_code_cell(SMALL)]
    nbformat.write(content, folder / "course/small.ipynb")
    settings = folder / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    options = {
        "ServerApp.port": address.split(":")[-1],
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder / "course",
        "IdentityProvider.token": TOKEN,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": "None",
        "LabApp.extension_manager": "readonly",
        "LabApp.user_settings_dir": folder / "settings",
        "LabApp.workspaces_dir": folder / "workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    variables = {name: value for name, value in os.environ.items() if name != "LANDSCAPE_NB_STRICT"}
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in options.items())], env=variables, stdout=log, stderr=log
    )
    try:
        _wait_for(f"{address}/api/status?token={TOKEN}", server)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address, server):
    for _ in range(120):
        try:
            return urllib.request.urlopen(address)
        except OSError:
            assert server.poll() is None, "JupyterLab ended"
            time.sleep(0.5)
    pytest.fail("JupyterLab does not answer")


def opened(page, address, name):
    """The page, with a notebook open in JupyterLab and its kernel waiting; none of an earlier test beside it."""
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE)
    page.wait_for_selector('.jp-StatusBar-TextItem:has-text("| Idle")', timeout=PATIENCE)
    return page


def run_all(page):
    """Run all cells of the open notebook; only once, for JupyterLab saves outputs, and they look as if it had run."""
    page.click('.lm-MenuBar-item:has-text("Run")')
    page.click('.lm-Menu-item[data-command="runmenu:run-all"]')
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
        ".filter(prompt => prompt.textContent)"  # a folded cell has an empty one
        ".every(prompt => /\\[\\d+\\]/.test(prompt.textContent))",
        timeout=PATIENCE,
    )
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator(".jupyter-widgets-error-widget").count() == 0


def test_a_notebook_does_not_open_as_modified(page, lab):
    opened(page, lab, "opened.ipynb")
    page.wait_for_timeout(2000)  # the kernel's language comes after its state
    assert page.locator(".jp-mod-dirty").count() == 0
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.wait_for_selector(".jp-mod-dirty", state="attached")


def test_a_screen_reader_hears_what_sliders_set_and_what_pictures_show(page, lab):
    run_all(opened(page, lab, "small.ipynb"))
    handle = page.locator(".widget-slider .noUi-handle")
    expect(handle).to_have_attribute("aria-label", "power")
    picture = page.locator(".widget-image")
    expect(picture).to_have_attribute("alt", "A power of x")
    expect(page.locator(".jp-OutputArea-output img").first).to_have_attribute("alt", "The third power of x")
    figure = page.get_by_role("figure", name="A parabola")
    expect(figure.get_by_alt_text("A parabola")).to_have_count(1)
    figure.get_by_alt_text("A parabola").dispatch_event("mouseenter")  # JupyterLab then draws what turns
    expect(figure.locator(".plot-container")).to_have_count(1)
    before = picture.get_attribute("src")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(picture).not_to_have_attribute("src", before)
    expect(picture).to_have_attribute("alt", "A power of x")


CHANGED = "([before, at]) => document.querySelectorAll('.widget-image')[at].src !== before"


def test_a_key_moves_the_slider_and_play_moves_it_by_itself(page, lab):
    run_all(notebook := opened(page, lab, PATHS.path.name))
    box = notebook.locator(".jp-OutputArea-output", has=notebook.locator(".widget-image")).filter(has_text="epoch")
    picture = box.locator(".widget-image")
    at = notebook.evaluate(
        "picture => [...document.querySelectorAll('.widget-image')].indexOf(picture)", picture.element_handle()
    )
    readout, handle = box.locator(".widget-readout").first, box.locator(".noUi-handle").first

    before, epoch = picture.get_attribute("src"), int(readout.inner_text())
    assert epoch == int(handle.get_attribute("aria-valuemax").split(".")[0])
    handle.focus()
    notebook.keyboard.press("ArrowLeft")
    notebook.wait_for_function(CHANGED, arg=[before, at])
    assert int(readout.inner_text()) < epoch

    play = notebook.locator(".widget-play button").first
    play.click()
    expect(readout).to_have_text(str(epoch))
    notebook.wait_for_timeout(3000)  # until it has noticed that this is the end
    before = picture.get_attribute("src")
    play.click()
    notebook.wait_for_function(CHANGED, arg=[before, at])
    notebook.wait_for_function(CHANGED, arg=[picture.get_attribute("src"), at])
    expect(readout).to_have_text(str(epoch))

    before = picture.get_attribute("src")
    box.locator(".widget-toggle-button", has_text="Adam").click()
    notebook.wait_for_function(CHANGED, arg=[before, at])
    assert notebook.locator(".landscape-nb-error").count() == 0


@pytest.mark.parametrize("number", [notebook.number for notebook in NOTEBOOKS])
def test_an_exported_page_is_whole_without_kernel_and_network(page, pages, number):
    page.goto((pages / f"{find_notebook(number).name}.html").as_uri())
    images = page.evaluate(
        "() => [...document.images].map(image => [image.src.slice(0, 80), image.naturalWidth, image.alt])"
    )
    assert len(images) >= 3
    assert not [source for source, width, _ in images if width == 0]
    assert not [source for source, _, alt in images if len(alt) < 30]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    plots = page.locator(".js-plotly-plot .main-svg").count()
    assert bool(plots) == ("plotly" in find_notebook(number).path.read_text())


def test_the_index_shows_all_figures_and_its_links_lead_somewhere(page, pages):
    page.goto((pages / "index.html").as_uri())
    images = page.evaluate("() => [...document.images].map(image => [image.src, image.naturalWidth])")
    assert len(images) >= 3 * len(NOTEBOOKS)
    assert not [source for source, width in images if width == 0]
    links = page.evaluate("() => [...document.links].map(link => link.getAttribute('href'))")
    pages_and_notebooks = [link for link in links if not link.endswith(".ipynb") and not link.startswith("#")]
    assert len(pages_and_notebooks) > len(NOTEBOOKS)
    assert all((pages / link).exists() for link in pages_and_notebooks)
