"""All benchmarks in one run, one table: `python benchmarks/run.py [JOB …]`; the result goes into benchmarks/README.md.

Jobs: mlp, resnet20, resnet56, progressive, eigenvalues, imports. Those on images of 32×32 read the authors'
networks and images from the directory that LANDSCAPE_NB_DATA names; where they are missing, `resnet56`
runs an untrained network on noise, and `progressive` says that it was left out.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import eigenvalues
import imports
import planes
import progress
import torch

from landscape_nb import datasets, load_authors_checkpoint, models

RESULTS = Path(__file__).parent / "results.json"
README = Path(__file__).parent / "README.md"
PEERS = (
    "gradfield",
    "nngeom",
    "loss-landscape-3d",
    "pyhessian",
    "hessian-eigenthings",
    "curvlinops-for-pytorch",
    "adaptive",
)
START = "<!-- results -->\n"


def resnet56():
    folder = datasets.data_directory()
    if (folder / "resnet56.t7").exists():
        return planes.resnet56_on_images(load_authors_checkpoint(folder / "resnet56.t7"), *progress.images(folder, 500))
    torch.manual_seed(0)
    return planes.resnet56_on_images(models.resnet(56).eval(), torch.randn(500, 3, 32, 32), torch.arange(500) % 10)


def progressive():
    folder = datasets.data_directory()
    if not (folder / "resnet56_noshort.t7").exists():
        print("progressive: left out, the authors' networks are not in", folder)
        return [], {}
    return progress.planes(folder)


JOBS = {
    "imports": imports.imports,
    "mlp": planes.mlp_on_digits,
    "resnet20": planes.resnet20_on_digits,
    "eigenvalues": eigenvalues.resnet20_on_digits,
    "resnet56": resnet56,
    "progressive": progressive,
}


def main(names):
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or JOBS:
        goals, seconds = JOBS[name]()
        results[name] = {"goals": goals, "seconds": seconds}
        print(*table(goals), *(f"  {rival}: {time:.4g} s" for rival, time in seconds.items()), "", sep="\n", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    README.write_text(README.read_text().split(START)[0] + START + "\n" + "\n".join(report(results)) + "\n")


def table(goals):
    for line in goals:
        met = line["found"] <= line["wanted"] if line["at_most"] else line["found"] >= line["wanted"]
        bound = f"{'≤' if line['at_most'] else '≥'} {line['wanted']:g}"
        yield f"| {line['what']} | {line['found']:.3g} | {bound} | {'yes' if met else '**no**'} |"


def report(results):
    yield "| what | measured | goal | met |"
    yield "|---|---|---|---|"
    for name in JOBS:
        yield from table(results.get(name, {"goals": []})["goals"])
    yield ""
    yield f"torch {torch.__version__}, {torch.get_num_threads()} threads; " + ", ".join(
        f"{p} {version(p)}" for p in PEERS
    )
    yield ""
    yield "| shortest time, per point for planes | seconds |"
    yield "|---|---|"
    for name in JOBS:
        for rival, seconds in results.get(name, {"seconds": {}})["seconds"].items():
            yield f"| {name}: {rival} | {seconds:.4g} |"


if __name__ == "__main__":
    main(sys.argv[1:])
