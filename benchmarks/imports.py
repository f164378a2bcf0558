"""How long importing takes, beside the libraries that it imports."""

import subprocess
import sys

from planes import goal
from timing import fastest


def imports():
    rivals = {
        name: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
        for name, code in (("ours", "import landscape_nb"), ("libraries", "import torch, xarray, matplotlib"))
    }
    seconds = fastest(rivals, rounds=6)
    return [
        goal(
            "import landscape_nb / import torch, xarray, matplotlib",
            seconds["ours"] / seconds["libraries"],
            1.5,
            at_most=True,
        )
    ], seconds
