"""How long importing takes all names of the package, beside the libraries that it imports.

`import landscape_nb` alone imports next to nothing: names are imported when they are first used.
"""

import subprocess
import sys

from planes import goal
from timing import fastest


def imports():
    rivals = {
        name: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
        for name, code in (("ours", "from landscape_nb import *"), ("libraries", "import torch, xarray, matplotlib"))
    }
    seconds = fastest(rivals, rounds=6)
    return [
        goal(
            "all of landscape_nb / import torch, xarray, matplotlib",
            seconds["ours"] / seconds["libraries"],
            1.5,
            at_most=True,
        )
    ], seconds
