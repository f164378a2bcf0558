"""What is freed goes back to the system: notebooks train many networks within a gigabyte."""

import platform
import subprocess
import sys

import pytest
import torch

from landscape_nb import models, train

FREED = """
import psutil
from landscape_nb._common.allocator import give_back

blocks = [bytes(60_000) for _ in range(5000)]
del blocks[:-1]
before = psutil.Process().memory_info().rss
give_back()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' C libraries keep no such heap")
def test_freed_memory_below_a_block_that_stays_is_given_back():
    given = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert int(given) > 200_000_000


def test_a_trained_network_holds_no_gradients():
    data = torch.randn(32, 1, 8, 8), torch.randint(10, (32,))
    run = train(models.mlp(channels=1, image_size=8), data, 1, cache=False, progress=False)
    assert all(parameter.grad is None for parameter in run.model.parameters())


COMPILED = """
import gc
import psutil
from landscape_nb._common.allocator import give_back
from landscape_nb.engines.winograd.llvm import Processor
from landscape_nb.engines.winograd.kernel import kernel


def resident():
    gc.collect()
    give_back()
    return psutil.Process().memory_info().rss


kernel(8, 8, 6, Processor(4, 16))
before = resident()
for channels in range(16, 176, 8):
    kernel(8, channels, 6, Processor(4, 16))
    gc.collect()
print(resident() - before)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels are for x86")
def test_of_a_kernel_only_its_machine_code_is_kept():
    grown = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 20 * 500_000


LARGE = "llvmlite", "ipywidgets", "papermill", "torch._dynamo", "sklearn", "plotly", "zarr", "dask"


def test_what_is_large_is_imported_when_it_is_needed():
    code = f"import sys, landscape_nb; print([name for name in {LARGE} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
