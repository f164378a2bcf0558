"""Computes jobs one after the other, or several at once; whatever stops it, it goes on where it was."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import joblib
import torch

from landscape_nb._common.checks import check_positive, check_whole, find_device
from landscape_nb.gallery.jobs import JOBS, SCALES, Job, find_job
from landscape_nb.gallery.products import Work, compute
from landscape_nb.gallery.results import is_done, user_folder, write, write_manifest
from landscape_nb.objective import Objective
from landscape_nb.surfaces.workers import parallel

_PROBED = 100
_POINTS_OF_A_PLANE = 100
_PASSES_OF_A_STEP = 3
_PASSES_OF_EIGENVALUES = 60


def missing(job: Job, folder: Path) -> list[str]:
    """The products of a job that a directory does not have.

    Example:
        >>> missing(find_job("cpu-resnet20-plain"), Path("nowhere"))
        ['training', 'lines', 'plane']
    """
    return [product for product in job.products if not is_done(job, product, folder)]


def build(
    names: Sequence[str] = (),
    out: Path | None = None,
    device: str | None = None,
    seconds: float | None = None,
    n_jobs: int = 1,
    echo: Callable[[str], None] = print,
) -> list[Path]:
    """Compute what is missing of some jobs.

    Every product is written when it is done; training goes on from its last epoch, a curvature map from its last
    row, and other products begin anew. So a build may be killed at any moment, and what it gives in the end is the
    same.

    Args:
        names: Jobs, in the order in which to compute them; default all of the largest scale that this machine is for.
        out: Where to write; default the user's results.
        device: Where to compute; default a GPU if there is one.
        seconds: When to stop; None is when all is done.
        n_jobs: How many jobs to compute at once, each in a process of its own. They may share a GPU.
        echo: What tells about the work.

    Returns:
        The files that were written.

    Raises:
        ValueError: A job or device does not exist, or a job needs a network that is neither there nor in `names`.
        FileNotFoundError: Images, or a released network, are not there.
    """
    if seconds is not None:
        check_positive("seconds", seconds)
    check_whole("n_jobs", n_jobs, 1)
    device = str(find_device(device)) if device else "cuda" if torch.cuda.is_available() else "cpu"
    folder = user_folder() if out is None else Path(out)
    chosen = [find_job(name) for name in names] or default_jobs(device)
    deadline = time.time() + seconds if seconds else None
    written: list[Path] = []
    # What lies between two networks needs both: it comes after all networks.
    for jobs in ([job for job in chosen if not job.ends], [job for job in chosen if job.ends]):
        waiting = [job for job in jobs if missing(job, folder)]
        runner = parallel(n_jobs, len(waiting)) if len(waiting) > 1 else None
        if runner is None:
            for job in waiting:
                written += build_job(job, folder, device, deadline, echo, progress=True)
        else:
            tasks = (joblib.delayed(build_job)(job, folder, device, deadline, print) for job in waiting)
            for files in runner(tasks):
                written += files
    if written:
        write_manifest(folder)
    return written


def default_jobs(device: str) -> list[Job]:
    """The jobs that a device is for.

    Example:
        >>> {job.scale for job in default_jobs("cpu")}
        {'cpu'}
    """
    scale = "gpu" if torch.device(device).type == "cuda" else "cpu"
    return [job for job in JOBS.values() if job.scale == scale]


def build_job(
    job: Job, folder: Path, device: str, deadline: float | None, echo: Callable[[str], None], progress: bool = False
) -> list[Path]:
    """Compute what is missing of one job, until a deadline (a `time.time()`)."""
    written: list[Path] = []
    if deadline is not None and time.time() >= deadline:
        return written
    work = Work(job, folder, device, progress)
    with _until(deadline):
        for product in missing(job, folder):
            echo(f"{job.name}: {product}, {_in_words(estimate(work, product))}")
            found = compute(work, product)
            written.append(write(job, product, found, folder))
    return written


def estimate(work: Work, product: str) -> float:
    """About how many seconds a product takes, from the time of a forward pass. (Engines may be several times faster.)

    Args:
        work: The job.
        product: The product's name.
    """
    images = passes(work.job, product, len(work.data.train[0]), len(work.data.test[0]))
    objective = Objective(work.example, tuple(part[:_PROBED] for part in work.data.train), batch_size=_PROBED)
    began = time.perf_counter()
    objective()
    return images * (time.perf_counter() - began) / _PROBED


def passes(job: Job, product: str, train: int, test: int) -> int:
    """How many images a product takes through the network, forward.

    Args:
        job: The job.
        product: The product's name.
        train: How many training images the data have.
        test: How many test images.

    Example:
        >>> passes(find_job("cpu-resnet20-plain"), "training", 50_000, 10_000)
        3260000
    """
    scale = SCALES[job.scale]
    kind, *more = product.split("-")
    if kind == "training" and job.training:
        epochs, images = job.training.epochs, job.training.images or train
        return epochs * (_PASSES_OF_A_STEP * images + test) + images + test
    if kind == "map":
        points, images = map(int, more)
        return points**2 * _PASSES_OF_EIGENVALUES * images
    points = {"lines": 2 * scale.draws * scale.line, "between": 2 * scale.between}
    return points.get(kind, _POINTS_OF_A_PLANE) * scale.images


def _in_words(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {max(1, round(seconds))} s"


@contextmanager
def _until(deadline: float | None) -> Iterator[None]:
    """Interrupt the block at a deadline, as Ctrl-C would: everything in it goes on later from where it was.

    Raising the signal works on every system. A shell has what it runs in the background ignore it, so that Python's
    own handler is put in its place. An interrupt that comes just when the block has ended must not escape: the timer
    is waited for, and the pause lets a pending interrupt arrive.
    """
    if deadline is None:
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(max(0.0, deadline - time.time()), signal.raise_signal, (signal.SIGINT,))
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            time.sleep(0)
            signal.signal(signal.SIGINT, before)
    except KeyboardInterrupt:
        if time.time() < deadline:
            raise
