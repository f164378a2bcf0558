"""What is freed goes back to the system: notebooks train many networks within a gigabyte."""

import subprocess
import sys

import pytest

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
