"""Runs what depends on the processor once more, as on a processor that can do less.

Usage: python tests/processors.py. A run is left out where it would repeat what this processor does anyway.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from landscape_nb.engines.winograd.llvm import this_processor

TESTS = Path(__file__).parent
REPLAYED = sorted((TESTS / "engines").glob("test_*.py"))
DIFFERENTIATED = [TESTS / "hessian", *(TESTS / f"trajectories/test_{name}.py" for name in ("training", "trajectory"))]
ELSEWHERE = "not processes and not killed"
"""Leaves out tests of several processes: they take long, and compute nothing that others do not."""
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


class Run(NamedTuple):
    """Tests in an environment; for processors whose vectors have so many floats it adds something."""

    name: str
    limits: dict[str, str]
    files: list[Path]
    lanes: tuple[int, ...]


WITH_TILES = [*REPLAYED, TESTS / "engines/winograd", *DIFFERENTIATED]
RUNS = [
    Run("AVX2", AVX2 | {"LANDSCAPE_NB_ISA": "avx2"}, WITH_TILES, (16,)),
    Run("AVX2, all convolutions torch's", AVX2 | {"LANDSCAPE_NB_ISA": "none"}, REPLAYED, (16, 8)),
]


def main() -> int:
    processor = this_processor()
    for run in RUNS:
        if processor and processor.lanes in run.lanes:
            print(f"== {run.name}: {run.limits}", flush=True)
            command = [sys.executable, "-m", "pytest", "-v", "-k", ELSEWHERE, *run.files]
            if status := subprocess.run(command, env=os.environ | run.limits).returncode:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
