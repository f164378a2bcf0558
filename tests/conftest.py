"""What all tests share: a cache of their own, real data where it is configured, small networks."""

import os
import shutil
import tempfile
from pathlib import Path

import matplotlib
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import landscape_nb as lnb

ROOT = Path(__file__).parent.parent

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


@pytest.fixture
def lenient(monkeypatch):
    """The way a class sees it: errors are messages."""
    monkeypatch.delenv("LANDSCAPE_NB_STRICT")


def real_file(name: str) -> Path:
    """A file of the data directory; it may be missing on a laptop, not in CI."""
    path = lnb.datasets.data_directory() / name
    if not path.exists():
        reason = f"{path} is not there; LANDSCAPE_NB_DATA names the directory"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class Quadratic(nn.Module):
    """Half of θᵀAθ, as a network whose parameter θ is a matrix of one row."""

    def __init__(self, matrix: torch.Tensor, theta: torch.Tensor):
        super().__init__()
        self.theta = nn.Parameter(theta[None].clone())
        self.register_buffer("matrix", matrix)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (0.5 * self.theta @ self.matrix @ self.theta.T).expand(len(inputs), 1)


def quadratic_objective(matrix: torch.Tensor, theta: torch.Tensor) -> lnb.Objective:
    data = (torch.zeros(3, 1), torch.zeros(3))
    return lnb.Objective(Quadratic(matrix, theta), data, criterion=lambda outputs, _: outputs.mean())


def batch_norm_net(seed: int = 0) -> nn.Module:
    """A small net with batch norm whose running statistics are no longer the initial ones."""
    net = lnb.models.mlp((12, 9), batch_norm=True, channels=1, classes=4, image_size=8, seed=seed)
    images, _ = small_data(seed)
    with torch.no_grad():
        nn.init.normal_(net.linear.weight, generator=torch.Generator().manual_seed(seed))
        for _ in range(20):
            net(images)
    return net.eval()


def small_data(seed: int = 0, samples: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(samples, 1, 8, 8, generator=generator)
    return images, torch.randint(4, (samples,), generator=generator)


@pytest.fixture
def objective() -> lnb.Objective:
    return lnb.Objective(batch_norm_net(), small_data(), F.cross_entropy, {"accuracy": lnb.accuracy}, batch_size=16)


@pytest.fixture(scope="session")
def digits() -> lnb.datasets.ImageData:
    return lnb.datasets.digits()
