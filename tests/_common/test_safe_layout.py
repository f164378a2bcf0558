"""On every processor, with one thread and with two, gradients are those of double precision."""

import os
import subprocess
import sys

import pytest
import torch
from helpers import ROOT

SCRIPT = ROOT / "tests" / "gradients.py"
CHECKED_HEAP = {"LD_PRELOAD": "libc_malloc_debug.so.0", "GLIBC_TUNABLES": "glibc.malloc.check=3"}
"""The GNU C library then ends a process that has written past a block of memory, as soon as the block is freed."""
SECONDS = 1500
"""After which a process is taken to hang; a slow machine needs a tenth of it."""
with_avx512 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="AVX2 is what this processor has"
)


@pytest.mark.parametrize(("isa", "threads"), [("AVX2", 1), ("AVX2", 2), pytest.param("DEFAULT", 2, marks=with_avx512)])
def test_gradients_are_right_in_every_layout(isa, threads):
    limits = {"ONEDNN_MAX_CPU_ISA": isa, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-X", "faulthandler", SCRIPT, str(threads)]
    try:
        done = subprocess.run(
            command, env=os.environ | CHECKED_HEAP | limits, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"hangs in {error.stdout.decode().splitlines()[-1]}")
    *_, last = lines = done.stdout.splitlines()
    assert done.returncode == 0, f"dies in {last}\n{done.stderr}"
    errors = {name: float(error) for name, error in (line.rsplit(": ", 1) for line in lines)}
    assert {name: error for name, error in errors.items() if not error < 0.03} == {}
    assert len(errors) > 30
