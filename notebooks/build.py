"""Regenerate the executed notebooks from their scripts, where a script has changed.

Usage: python notebooks/build.py [NUMBER ...]    (with numbers: those, changed or not)
       python notebooks/build.py --seeds [NUMBER ...]  (run every notebook, or those, with seeds 1 and 2
                                                  and keep what their claims came to, for readers who
                                                  run seed 0; then build, for the notebooks show it)
"""

import base64
import io
import itertools
import json
import platform
import re
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import jupytext
import nbformat
import numpy as np
from PIL import Image
from scipy.spatial import KDTree

from landscape_nb._common.settings import LEDGER_VARIABLE, SEED_VARIABLE
from landscape_nb.course.claims import SEEDS_FILE, read_ledger
from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook
from landscape_nb.course.runner import environment, run_notebook, widget_errors
from landscape_nb.course.widget_view import MIME as WIDGET

OTHER_SEEDS = (1, 2)
SCRIPTS = Path(__file__).parent / "scripts"
SOLUTIONS = SCRIPTS.parent / "solutions"
STUB = "\0"
COLOURS, FREQUENT = 128, 32
KERNEL = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "name": "python3",
}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": platform.python_version(),
}
"""What a kernel says of itself: where a notebook says something else, JupyterLab
opens it as modified. (So it does where a reader's Python has another version.)"""
_VOLATILE = ("papermill", "execution", "widgets")


def sources(content):
    """What of a notebook its script decides: each cell's type, text and tags."""
    return [
        (cell.cell_type, cell.source, cell.metadata.get("tags", []))
        for cell in content.cells
    ]


def is_current(notebook):
    """Whether the executed notebook says what its script says."""
    if not notebook.path.exists():
        return False
    script = jupytext.read(SCRIPTS / f"{notebook.name}.py")
    return sources(script) == sources(nbformat.read(notebook.path, as_version=4))


def build(notebook):
    """Execute a notebook's script and write the normalised notebook."""
    import papermill

    content = jupytext.read(SCRIPTS / f"{notebook.name}.py")
    with tempfile.TemporaryDirectory() as folder:
        source, executed = (
            Path(folder) / name for name in ("source.ipynb", "executed.ipynb")
        )
        nbformat.write(content, source)
        ledger = Path(folder) / "claims.jsonl"
        with environment({LEDGER_VARIABLE: str(ledger), SEED_VARIABLE: "0"}):
            papermill.execute_notebook(
                source, executed, kernel_name="python3", cwd=folder
            )
        keep_claims(notebook, list(read_ledger(ledger)))
        content = nbformat.read(executed, as_version=4)
    if errors := widget_errors(content):
        raise RuntimeError(f"{notebook.name}: {errors[0]}")
    content = normalised(content)
    nbformat.write(content, notebook.path)
    write_answer(content, notebook)
    write_solutions(notebook)


def write_answer(content, notebook):
    """Keep the picture of the cell tagged `answer` for the top of the notebook."""
    (cell,) = [
        cell for cell in content.cells if "answer" in cell.metadata.get("tags", [])
    ]
    (picture,) = [
        output.data["image/png"]
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    path = notebook.path.parent / "images" / f"{notebook.name}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(base64.b64decode(picture))


def write_solutions(notebook):
    """Write the notebook with its exercises solved, not executed: whoever opens it runs it."""
    content = solved(jupytext.read(SCRIPTS / f"{notebook.name}.py"))
    SOLUTIONS.mkdir(exist_ok=True)
    nbformat.write(normalised(content), solutions_path(notebook))


def solutions_path(notebook):
    """Where a notebook's solved copy is."""
    return SOLUTIONS / f"{notebook.name}_solutions.ipynb"


def solved(content):
    """Put the solution of every exercise where its stubs are; a check that then says no is an error."""
    content.cells[0].source = content.cells[0].source.replace(
        "\n", ", with solutions\n", 1
    )
    for number, cell in enumerate(content.cells):
        cell.source = re.sub(
            r"\]\((images/|\d\d_\w+\.ipynb\))", r"](../\1", cell.source
        )
        if cell.cell_type == "code" and "exercises.check_" in cell.source:
            (solution,) = re.findall(
                r"```python\n(.*?)```", content.cells[number + 1].source, re.S
            )[:1]
            cell.source = solved_cell(cell.source, solution.strip())
    return content


def solved_cell(exercise, solution):
    """The exercise's code with its solution in the place of the first stub, and its check insisting."""
    code = re.sub(r"^my_\w+ = \.\.\..*\n", STUB, exercise, flags=re.M)
    code, check = code.rsplit("exercises.check_", 1)
    code = code.replace(STUB, f"{solution}\n", 1).replace(STUB, "")
    return f"{code}feedback = exercises.check_{check}\nassert feedback.right, feedback.text\nfeedback"


def normalised(content):
    """Take out what changes from run to run and what needs a kernel; make pictures small."""
    for key in _VOLATILE:
        content.metadata.pop(key, None)
    for number, cell in enumerate(content.cells):
        cell.id = f"cell-{number:02}"
        for key in _VOLATILE:
            cell.metadata.pop(key, None)
        cell.metadata.get("tags", []).sort()
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in map(_normalised_output, cell.outputs) if output
            ]
    content.metadata["kernelspec"] = KERNEL
    content.metadata["language_info"] = LANGUAGE
    return content


def _normalised_output(output):
    """The output without what needs a kernel; None for progress bars, scripts and other lines on stderr."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    data = output.get("data", {})
    was_widget = data.pop(WIDGET, None)
    if was_widget and not {"image/png", "text/markdown"} & data.keys():
        return None
    if "application/javascript" in data:
        return None
    if "image/png" in data:
        data.pop("text/html", None)
        data["image/png"] = _small_png(data["image/png"])
    return output


def _small_png(encoded):
    """The picture with a palette of 128 colours: a quarter of the bytes.

    The most frequent colours stay what they are: they are levels of contours, and neighbours differ little. The rest
    covers all others, however rare: the usual palette (median cut) turned a few red dots into purple.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    pixels = np.asarray(picture).reshape(-1, 3)
    colours, which, counts = np.unique(
        pixels, axis=0, return_inverse=True, return_counts=True
    )
    frequent = colours[np.argsort(-counts)[:FREQUENT]]
    covering = picture.quantize(
        COLOURS - FREQUENT, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    palette = np.concatenate(
        [frequent, np.reshape(covering.getpalette(), (-1, 3))]
    ).astype(np.uint8)
    nearest = KDTree(palette).query(colours)[1][which.ravel()].astype(np.uint8)
    small = Image.fromarray(nearest.reshape(picture.size[::-1]))
    small.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    small.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def write_seeds(notebooks):
    """Keep every claim of these notebooks, as their scripts are now, as it came out with the other seeds."""
    for notebook in notebooks:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"{notebook.name}.ipynb"
            nbformat.write(jupytext.read(SCRIPTS / f"{notebook.name}.py"), source)
            for seed in OTHER_SEEDS:
                keep_claims(
                    notebook,
                    run_notebook(
                        notebook, Path(folder) / "out", seed=seed, source=source
                    ).claims,
                )


def keep_claims(notebook, claims):
    """Keep a run's claims in the place of those of earlier runs with its seed."""
    (seed,) = {claim.seed for claim in claims}
    kept = json.loads(SEEDS_FILE.read_text())
    entries = [entry for runs in kept.values() for entry in runs]
    entries = [
        e
        for e in entries
        if not (e["id"].startswith(f"{notebook.number}-") and e["seed"] == seed)
    ]
    new = [claim for claim in claims if not claim.shipped or seed == 0]
    entries += [
        {key: value for key, value in asdict(claim).items() if key != "others"}
        for claim in new
    ]
    entries.sort(key=lambda entry: (entry["id"], entry["seed"]))
    found = {
        id: list(runs)
        for id, runs in itertools.groupby(entries, key=lambda entry: entry["id"])
    }
    SEEDS_FILE.write_text(json.dumps(found, indent=1) + "\n")


def main():
    """Build the notebooks named on the command line, or those that are not current."""
    seeds = sys.argv[1:2] == ["--seeds"]
    chosen = [find_notebook(number) for number in sys.argv[2 if seeds else 1 :]]
    if seeds:
        write_seeds(chosen or NOTEBOOKS)
        return
    for notebook in chosen or [n for n in NOTEBOOKS if not is_current(n)]:
        build(notebook)


if __name__ == "__main__":
    main()
