"""Of a compiled kernel only its machine code is kept."""

import platform
import subprocess
import sys

import pytest

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
