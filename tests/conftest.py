"""Fixtures of all tests: a cache of their own, an objective, real data; solutions come last."""

import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch.nn.functional as F
from helpers import batch_norm_net, right_arguments, small_data
from windows import chromium, window

import landscape_nb as lnb
from landscape_nb.course.notebooks import NOTEBOOKS
from landscape_nb.course.runner import run_notebook

matplotlib.use("Agg")


def pytest_configure(config):
    """Notebooks and trainings start from an empty cache, fail on any error, and say where a process died."""
    folder = tempfile.mkdtemp(prefix="landscape-nb-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder))
    os.environ |= {"LANDSCAPE_NB_CACHE": folder, "LANDSCAPE_NB_STRICT": "1", "PYTHONFAULTHANDLER": "1"}
    config.pluginmanager.register(_InOrder())


class _InOrder:
    """Solutions come last, with the networks that the notebooks' tests have trained.

    They run as a class sees them: the notebooks' tests have drawn all their sliders already.
    """

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: "solutions" in item.path.parts)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        if "solutions" in item.path.parts:
            os.environ.pop("LANDSCAPE_NB_STRICT", None)


@pytest.fixture(scope="session")
def session_cache() -> Path:
    """Where trained networks are kept for the solutions' tests."""
    return Path(os.environ["LANDSCAPE_NB_CACHE"])


@pytest.fixture(scope="session")
def session_course(tmp_path_factory) -> Path:
    """Where the notebooks' tests leave what they ran, for tests of pages."""
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def course(session_course) -> Path:
    """A run of the whole course; notebooks that this session has not run yet are run now."""
    for notebook in NOTEBOOKS:
        if not (session_course / f"{notebook.name}.html").exists():
            run_notebook(notebook, session_course, progress=False)
    return session_course


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser):
    with window(browser) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _closed_figures():
    """A test's figures are closed after it."""
    yield
    plt.close("all")


@pytest.fixture
def lenient(monkeypatch):
    """The way a class sees it: errors are messages."""
    monkeypatch.delenv("LANDSCAPE_NB_STRICT")


@pytest.fixture
def objective() -> lnb.Objective:
    return lnb.Objective(batch_norm_net(), small_data(), F.cross_entropy, {"accuracy": lnb.accuracy}, batch_size=16)


@pytest.fixture(scope="session")
def digits() -> lnb.datasets.ImageData:
    return lnb.datasets.digits()


@pytest.fixture(scope="module")
def g() -> SimpleNamespace:
    return right_arguments()


@pytest.fixture
def litter(tmp_path):
    """What lies about in the test's directory and below it."""
    return lambda: sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
