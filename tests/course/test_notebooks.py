"""The course's notebooks are where they are said to be, in their order, and are found by number or name."""

import nbformat
import pytest
from helpers import ROOT

from landscape_nb.course import notebooks
from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook, notebooks_directory


def test_the_list_is_that_of_the_files():
    files = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert [notebook.name for notebook in NOTEBOOKS] == files
    assert [notebook.number for notebook in NOTEBOOKS] == [f"{number:02}" for number in range(len(files))]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.number)
def test_a_notebooks_path_is_its_file(notebook):
    assert nbformat.read(notebook.path, as_version=4).cells[0].source.startswith("# ")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.number)
def test_a_notebook_is_found_by_its_number_and_name(notebook):
    assert find_notebook(notebook.number) is find_notebook(notebook.name) is notebook
    assert find_notebook(str(int(notebook.number))) is notebook


@pytest.mark.parametrize(
    "wrong", ["", "13", "99", "x", "005", "skip_connections", "05_skip_connections.ipynb", "-1", "5 "]
)
def test_what_the_course_does_not_have_is_named_with_what_it_has(wrong):
    with pytest.raises(ValueError, match=f"number: got {wrong!r}, the course has 00, 01, .*, 12$"):
        find_notebook(wrong)


def test_a_number_is_a_text():
    with pytest.raises(TypeError, match="number: got int, wants a notebook's number or name, such as '05'"):
        find_notebook(5)


def test_an_installed_package_has_its_notebooks_inside(tmp_path, monkeypatch):
    """And a clone beside it; where there are both, those inside belong to the package."""
    package = tmp_path / "landscape_nb"
    package.mkdir()
    monkeypatch.setattr(notebooks, "_PACKAGE", package)
    (tmp_path / "notebooks").mkdir()
    assert notebooks_directory() == tmp_path / "notebooks"
    (package / "notebooks").mkdir()
    assert notebooks_directory() == package / "notebooks"
    assert find_notebook("05").path == package / "notebooks" / "05_skip_connections.ipynb"
