"""The wheel and the source distribution hold what their users need."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from landscape_nb.course.notebooks import NOTEBOOKS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, set[str]]:
    """The names of the files in the wheel and in the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as sources:
        below_top = {name.partition("/")[2] for name in sources.getnames()}
        return {"wheel": set(archive.namelist()), "source": below_top}


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
