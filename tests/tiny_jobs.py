"""Two networks of a few thousand weights on a hundred digits, and the way between them, as jobs of the gallery."""

from pathlib import Path

import xarray as xr

from landscape_nb.gallery import jobs
from landscape_nb.gallery.jobs import find_job
from landscape_nb.gallery.results import read

_TRAINING = jobs.Training(3, 40, lr=0.05, images=100, recorded=True)
_NETWORK = "VGG-9 of an eighth of the width"
_AROUND = {"family": "vgg9", "options": {"width": 0.125}}

SCALE = jobs.Scale("quick", "digits", 40, 9, 5, 5, 2)
DECLARED = (
    jobs.Job(
        "vgg9-sgd-small-decay",
        "quick",
        "small batches",
        _NETWORK,
        training=_TRAINING,
        products=("training", "lines", "plane", "path", "path-plane", "random-paths"),
        **_AROUND,
    ),
    jobs.Job(
        "vgg9-sgd-large-decay",
        "quick",
        "large batches",
        _NETWORK,
        training=jobs.Training(2, 100, weight_decay=0.0, lr=0.05, images=100, recorded=True),
        products=("training", "plane"),
        **_AROUND,
    ),
    jobs.Job(
        "vgg9-between-decay",
        "quick",
        "between",
        _NETWORK,
        ends=("vgg9-sgd-small-decay", "vgg9-sgd-large-decay"),
        products=("between-interpolated", "between-frozen"),
    ),
)


def declare() -> list[str]:
    """Put these jobs in the place of all others in this process, and return their names."""
    jobs.SCALES["quick"] = SCALE
    jobs.JOBS.clear()
    jobs.JOBS.update({job.name: job for job in DECLARED})
    return list(jobs.JOBS)


MEASURED_ANEW = {"wall_time", "computed_in_seconds", "seconds", "remaining_seconds", "objective"}
"""Times; and a fingerprint, which counts our code, that pytest's hook for shapes changes in its own process."""


def without_times(found: xr.Dataset) -> xr.Dataset:
    return found.assign_attrs(dict.fromkeys(MEASURED_ANEW & set(found.attrs), 0))


def same(first: Path, second: Path) -> None:
    """Assert that two directories have the same results."""
    names = [sorted(path.name for path in folder.iterdir()) for folder in (first, second)]
    assert names[0] == names[1]
    for name in names[0]:
        if name.endswith(".nc"):
            products = [read(find_job(name.split(".")[0]), name.split(".")[1], folder) for folder in (first, second)]
            xr.testing.assert_identical(*map(without_times, products))
        elif name.endswith(".safetensors"):
            assert (first / name).read_bytes() == (second / name).read_bytes()
