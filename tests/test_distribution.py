"""The wheel and the source distribution hold what their users need."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from landscape_nb.course.notebooks import NOTEBOOKS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Any]:
    """The names of the files in the wheel and in the source distribution, and what an index shows."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as sources:
        below_top = {name.partition("/")[2] for name in sources.getnames()}
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        return {"wheel": names, "source": below_top, "description": archive.read(metadata).decode()}


def files(folder: str) -> set[str]:
    """The files of a folder of the repository, less what Python and Jupyter keep for later."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    named = {path.relative_to(ROOT).as_posix() for path in found if path.suffix != ".pyc"}
    return {name for name in named if ".ipynb_checkpoints" not in name}


def test_the_wheel_holds_the_package_its_data_and_the_course(built):
    assert files("landscape_nb") <= built["wheel"]
    assert "landscape_nb/py.typed" in built["wheel"]
    assert {f"landscape_nb/notebooks/{notebook.name}.ipynb" for notebook in NOTEBOOKS} <= built["wheel"]


def test_the_wheel_holds_nothing_else(built):
    tops = {name.split("/")[0] for name in built["wheel"]}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"landscape_nb"}
    assert not [name for name in built["wheel"] if "__pycache__" in name or "/tests/" in name]


@pytest.mark.parametrize("folder", ["landscape_nb", "notebooks", "tests", "docs", "benchmarks"])
def test_the_source_distribution_can_be_tested(built, folder):
    assert files(folder) <= built["source"]
    assert {"pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "LICENSE"} <= built["source"]


def test_the_readme_of_an_index_has_no_links_into_the_repository_but_absolute_ones(built):
    text = built["description"]
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert all(link.startswith("https://") for link in links)
    assert "https://raw.githubusercontent.com/landscape-nb/landscape-nb/main/docs/images/turning.gif" in text
    assert "https://github.com/landscape-nb/landscape-nb/blob/main/notebooks/05_skip_connections.ipynb" in text


def test_a_workflow_runs_the_tests():
    assert "make test" in (ROOT / ".github" / "workflows" / "test.yml").read_text()


def test_the_readmes_picture_moves_and_is_small():
    path = ROOT / "docs" / "images" / "turning.gif"
    assert path.stat().st_size < 2_000_000
    assert Image.open(path).n_frames > 20
