"""Runs notebooks of the course, and reports minutes, memory, claims, figures and errors in widgets."""

import base64
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import nbformat
import psutil

from landscape_nb._common.settings import LEDGER_VARIABLE, PLAYERS_VARIABLE, SEED_VARIABLE
from landscape_nb.course.claims import Claim, read_ledger
from landscape_nb.course.explore import ERROR_CLASS
from landscape_nb.course.html_page import write_html
from landscape_nb.course.notebook_page import write_page
from landscape_nb.course.notebooks import Notebook, notebooks_directory
from landscape_nb.course.players import write_frames
from landscape_nb.trajectories.run_files import make_writable_cache

SPARING = {"MALLOC_ARENA_MAX": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "200"}
"""What a kernel's libraries read when they begin, so that a notebook takes less memory.

With one arena, glibc's threads share what each has freed: 40 MB. oneDNN keeps 1,024 compiled kernels, most of them of
networks that a notebook has done with: with 200 it takes 15 MB less, and no longer.
"""
_QUIET_KERNEL = ["--log-level=ERROR"]
"""Otherwise every kernel warns that it communicates over a port of this machine."""


@dataclass(frozen=True)
class Report:
    """What running a notebook took and gave.

    Attributes:
        notebook: The notebook.
        seconds: Wall time, the kernel's start included.
        peak_memory: Largest resident memory of the kernel and its children while cells ran, in bytes.
        claims: The notebook's claims.
        figures: Files of its figures, and their alternative texts.
        page: The executed notebook as HTML.
    """

    notebook: Notebook
    seconds: float
    peak_memory: int
    claims: list[Claim]
    figures: list[tuple[Path, str]]
    page: Path


def run_notebook(
    notebook: Notebook,
    out: Path,
    preset: str = "quick",
    seed: int = 0,
    progress: bool = True,
    source: Path | None = None,
) -> Report:
    """Execute a notebook; write it, its HTML, its figures and its sliders' pictures into a directory.

    Args:
        notebook: The notebook.
        out: The directory; it is made if necessary.
        preset: `'quick'`, `'gallery'` or `'full'`.
        seed: Seed of the notebook's networks.
        progress: Whether to show a progress bar.
        source: The notebook's file, if it is not the course's.

    Returns:
        What it took and gave.

    Raises:
        OSError: `out`, or the directory of trained networks, cannot be written; nothing has been run.
        papermill.PapermillExecutionError: A cell failed; the notebook up to there is in `out`.
        RuntimeError: A widget of the notebook holds an error.

    Example:
        >>> run_notebook(find_notebook("05"), Path("build"))  # doctest: +SKIP
    """
    import papermill

    make_writable(out)
    make_writable_cache()
    shutil.copytree(notebooks_directory() / "images", out / "images", dirs_exist_ok=True)
    executed, ledger = out / f"{notebook.name}.ipynb", out / f"{notebook.name}.claims.jsonl"
    ledger.write_text("")
    parameters = {} if preset == "quick" else {"PRESET": preset}
    variables = {LEDGER_VARIABLE: str(ledger.resolve()), SEED_VARIABLE: str(seed), PLAYERS_VARIABLE: "1"}
    variables |= {name: os.environ.get(name, value) for name, value in SPARING.items()}
    peaks = [0]
    with environment(variables), _peak_memory() as peak:
        began = time.perf_counter()
        papermill.execute_notebook(
            source or notebook.path,
            executed,
            parameters,
            kernel_name="python3",
            progress_bar=progress,
            cwd=out,
            extra_arguments=_QUIET_KERNEL,
            on_cell_executed=lambda **_: peaks.append(peak()),  # not after the last: a kernel that ends takes more
        )
        seconds = time.perf_counter() - began
    content: Any = nbformat.read(executed, as_version=4)
    if errors := widget_errors(content):
        raise RuntimeError(f"{executed}: a widget holds an error: {errors[0]}")
    figures = write_figures(content, out, notebook.name)
    if write_frames(content, out, notebook.name):
        nbformat.write(content, executed)
    page = write_page(content, out, notebook)
    return Report(notebook, seconds, peaks[-1], list(read_ledger(ledger)), figures, page)


def make_writable(folder: Path) -> None:
    """Make a directory and see that a file can be written there.

    Raises:
        OSError: It cannot.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError("it is a file")
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".landscape-nb-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(f"out: cannot write into {folder} ({error})") from error


def widget_errors(content: nbformat.NotebookNode) -> list[str]:
    """Errors that widget callbacks left in a notebook's saved widget state, where no runner looks.

    Args:
        content: An executed notebook.

    Returns:
        A text for each error.

    Example:
        >>> widget_errors(nbformat.v4.new_notebook())
        []
    """
    saved = content.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    found = []
    for model in saved.get("state", {}).values():
        state = model.get("state", {})
        if ERROR_CLASS in str(state.get("value", "")):
            found.append(state["value"])
        for output in state.get("outputs", ()):
            if output.get("output_type") == "error":
                found.append(f"{output.get('ename')}: {output.get('evalue')}")
    return found


def write_figures(content: nbformat.NotebookNode, out: Path, name: str) -> list[tuple[Path, str]]:
    """Write every PNG output of a notebook into a file of its own.

    Returns:
        The files and their alternative texts.
    """
    figures = []
    for output in _outputs(content):
        if "image/png" in output.get("data", {}):
            path = out / f"{name}-{len(figures) + 1}.png"
            path.write_bytes(base64.b64decode(output.data["image/png"]))
            figures.append((path, output.metadata.get("image/png", {}).get("alt", "")))
    return figures


def write_index(reports: Sequence[Report], out: Path) -> Path:
    """Write a page that shows every figure of the notebooks that were run.

    Returns:
        The page.
    """
    sections = "\n".join(map(_section, reports))
    notebooks = [report.notebook for report in reports]
    contents = "\n".join(f'<li><a href="#{n.number}">{n.number} {escape(n.title)}</a></li>' for n in notebooks)
    page = _INDEX.format(sections=sections, contents=contents)
    return write_html(out / "index.html", "the course", 1100, _STYLE, page)


def _section(report: Report) -> str:
    notebook = report.notebook
    figures = "\n".join(
        f'<figure><img src="{path.name}" alt="{escape(alt)}"><figcaption>{escape(alt)}</figcaption></figure>'
        for path, alt in report.figures
    )
    claims = "\n".join(
        f"<li>{'✓' if claim.holds else '✗ does not hold here:'} {escape(claim.text)}</li>" for claim in report.claims
    )
    return (
        f'<h2 id="{notebook.number}"><a href="{report.page.name}">{notebook.number} {escape(notebook.title)}</a></h2>\n'
        f"<p>{escape(notebook.paper)} of the paper · ran in {report.seconds:.0f} s, "
        f"{report.peak_memory / 1e6:.0f} MB at most · "
        f'<a href="{notebook.name}.ipynb">executed notebook</a></p>\n'
        f"<ul>{claims}</ul>\n{figures}"
    )


_STYLE = """\
figure { margin: 1.5em 0; } img { max-width: 100%; }
figcaption { color: #444; font-size: 16px; } ul, .contents { list-style: none; padding: 0; }
.contents { columns: 2; }"""

_INDEX = """\
<h1>landscape-nb: the course</h1>
<p>Every figure was computed on this machine, now. <a href="claims.html">What the course claims</a>, in one table.</p>
<nav aria-label="Notebooks"><ol class="contents">{contents}</ol></nav>
{sections}"""


def _outputs(content: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    for cell in content.cells:
        yield from cell.get("outputs", ())


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while, for this process and the kernels it starts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _peak_memory(interval: float = 0.1) -> Iterator[Callable[[], int]]:
    """Watch the resident memory of this process's children; yields a function that returns the peak so far."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(interval):
            total = 0
            for child in psutil.Process().children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: peak
    finally:
        done.set()
        thread.join()
