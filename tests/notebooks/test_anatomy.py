"""The anatomy of every notebook, and that it is what its script says."""

import ast
import re
import statistics

import jupytext
import nbformat
import pytest
from helpers import ROOT

import build
from landscape_nb.course.notebooks import NOTEBOOKS
from landscape_nb.course.runner import widget_errors

FIGURE_MAKERS = {"show", "show_interactive", "explore"}


def read(notebook):
    return nbformat.read(notebook.path, as_version=4)


def code(content):
    return [cell for cell in content.cells if cell.cell_type == "code"]


def text(content):
    return "\n".join(cell.source for cell in content.cells if cell.cell_type == "markdown")


def without_magics(source):
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)


notebooks = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.number)


def test_every_script_is_a_notebook_of_the_course():
    names = {path.stem for path in (ROOT / "notebooks" / "scripts").glob("*.py")}
    assert names == {notebook.name for notebook in NOTEBOOKS}
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == names
    assert {path.stem.removesuffix("_solutions") for path in build.SOLUTIONS.glob("*.ipynb")} == names


@notebooks
def test_the_notebook_is_what_its_script_says(notebook):
    def parts(content):
        return [(cell.cell_type, cell.source, sorted(cell.metadata.get("tags", []))) for cell in content.cells]

    assert parts(read(notebook)) == parts(jupytext.read(ROOT / "notebooks" / "scripts" / f"{notebook.name}.py"))


@notebooks
def test_the_solutions_are_those_of_the_script(notebook):
    wanted = build.normalised(build.solved(jupytext.read(build.SCRIPTS / f"{notebook.name}.py")))
    found = nbformat.read(build.solutions_path(notebook), as_version=4)
    assert [cell.source for cell in found.cells] == [cell.source for cell in wanted.cells]
    solved = "\n".join(cell.source for cell in code(found))
    assert not re.search(r"^my_\w+ = \.\.\.", solved, re.M)
    assert solved.count("assert feedback.right") == solved.count("exercises.check_") >= 3


@notebooks
def test_it_is_executed_in_order_without_errors_and_small(notebook):
    content = read(notebook)
    assert [cell.execution_count for cell in code(content)] == list(range(1, len(code(content)) + 1))
    assert not [o for cell in code(content) for o in cell.outputs if o.output_type == "error"]
    assert "widgets" not in content.metadata
    assert not widget_errors(content)
    assert notebook.path.stat().st_size <= 500_000


@notebooks
def test_it_opens_with_title_badges_question_answer_and_card(notebook):
    first, card = (cell.source for cell in read(notebook).cells[:2])
    assert first.startswith(f"# {notebook.number} · {notebook.title}\n")
    assert "colab-badge" in first
    assert "mybinder.org/badge" in first
    assert first.count("**Question.**") == 1
    alt, image = re.search(r"!\[([^\]]{40,})\]\((images/[^)]+)\)", first).groups()
    assert (notebook.path.parent / image).exists(), alt
    for row in ("**You will**", "**You need**", "**In the paper**", "**Takes**"):
        assert row in card
    assert re.search(r"[\d.]+ minutes, [\d.]+ GB", card)


@notebooks
def test_parameters_hold_the_preset_only(notebook):
    cells = code(read(notebook))
    (tagged,) = [n for n, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert [ast.unparse(node) for node in ast.parse(cells[tagged].source).body] == ["PRESET = 'quick'"]
    assert re.search(r"lnb\.choose_preset\(\s*PRESET, ", cells[tagged + 1].source)


@notebooks
def test_a_full_run_keeps_its_planes_and_takes_a_gpu(notebook):
    """Every call that measures a plane or map at the preset's own resolution says where it is kept."""
    source = without_magics("\n".join(cell.source for cell in code(read(notebook))))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and re.search(r"evaluate_plane\(|curvature_map\(", ast.unparse(node)):
            assert "store" in ast.unparse(node), ast.unparse(node)
    if "models.resnet(56" in source or "models.vgg9" in source:
        assert "settings.device" in source


@notebooks
def test_its_parts_are_there(notebook):
    content = read(notebook)
    prose, source = text(content), "\n".join(cell.source for cell in code(content))
    assert 3 <= len(re.findall(r"^## \d", prose, re.M)) <= 5
    assert prose.count("**Predict.**") >= 2
    assert len(re.findall(r"^\d\. ", prose[prose.index("**Notice**") :].split("\n\n**")[0], re.M)) >= 3
    for heading in ("## Exercises", "## What this does not show", "## To discuss", "## Take away", "## References"):
        assert heading in prose
    assert "**Why.**" in prose
    assert "lnb.explore(" in source
    assert source.count("lnb.claim(") >= 2
    exercises = re.findall(r"^\*\*\d · .*\*\* \(([●○]{3}), \d+ minutes\)", prose, re.M)
    assert len(exercises) >= 3
    assert len(exercises) == source.count("exercises.check_") == prose.count("<summary>Solution</summary>")


@notebooks
def test_cells_are_short(notebook):
    cells = code(read(notebook))
    assert statistics.median(len(cell.source.splitlines()) for cell in cells if not is_folded(cell)) <= 6
    assert max(len(cell.source.splitlines()) for cell in cells) <= 25
    assert not [line for cell in cells for line in cell.source.splitlines() if len(line) > 88]


def is_folded(cell):
    """Whether a page shows what a cell gives without its code."""
    folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
    assert folded == ("hide-input" in cell.metadata.get("tags", []))
    return folded


@notebooks
def test_only_alternative_texts_and_claims_are_folded(notebook):
    for cell in filter(is_folded, code(read(notebook))):
        assert cell.source.startswith("alt = ") or "lnb.claim(" in cell.source


@notebooks
def test_every_figure_has_an_alternative_text(notebook):
    content = read(notebook)
    for cell in code(content):
        for call in (node for node in ast.walk(ast.parse(without_magics(cell.source))) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr in FIGURE_MAKERS:
                assert "alt" in [keyword.arg for keyword in call.keywords]
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) >= 30


@notebooks
def test_numbers_of_claims_are_unique_and_the_notebooks(notebook):
    names = re.findall(r'lnb\.claim\(\s*"([^"]+)"', "\n".join(cell.source for cell in code(read(notebook))))
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{notebook.number}-") for name in names)


@notebooks
def test_links_lead_somewhere(notebook):
    for target in re.findall(r"\]\(([^)#]+)\)", text(read(notebook))):
        if not target.startswith("https://"):
            assert (notebook.path.parent / target).exists(), target
