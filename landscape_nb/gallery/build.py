"""Computes jobs one after the other, or several at once; whatever stops it, it goes on where it was."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import joblib
import torch

from landscape_nb._common.checks import check_kind, check_positive, check_whole
from landscape_nb._common.devices import find_device
from landscape_nb._common.paths import local_path
from landscape_nb.gallery.jobs import JOBS, SCALES, Job, find_job
from landscape_nb.gallery.products import compute
from landscape_nb.gallery.results import NETWORK, check_writable, is_done, user_folder, write, write_manifest
from landscape_nb.gallery.work import Work, released_file
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

    Every product is written when it is done; training goes on from its last epoch, and what is measured from its last
    points. So a build may be killed at any moment, and what it gives in the end is the same.

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
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("seconds: a time can be set in the main thread only, which signals interrupt")
    check_whole("n_jobs", n_jobs, 1)
    check_kind("names", names, (list, tuple), "a list of jobs' names")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = str(find_device(device))
    folder = user_folder() if out is None else local_path("out", out)
    chosen = [find_job(name) for name in names] or default_jobs(device)
    chosen = [job for job in chosen if missing(job, folder)]
    if not chosen:
        return []
    _check_needs(chosen, folder)
    check_writable(folder)
    deadline = time.time() + seconds if seconds else None
    written: list[Path] = []
    errors: list[Exception] = []
    try:
        # What lies between two networks needs both: it comes after all networks.
        for jobs in ([job for job in chosen if not job.ends], [job for job in chosen if job.ends]):
            for files, error in _built(jobs, folder, device, deadline, n_jobs, echo):
                written += files
                errors += [error] if error else []
    finally:
        write_manifest(folder)
    if errors:
        for error in errors[1:]:
            errors[0].add_note(f"also: {error}")
        raise errors[0]
    return written


def _check_needs(jobs: Sequence[Job], folder: Path) -> None:
    """Raise at once if images, released files or networks are missing, rather than after hours of other work."""
    names = {job.name for job in jobs}
    for job in jobs:
        for end in (JOBS[f"{job.scale}-{role}"] for role in job.ends):
            if end.name not in names and not is_done(end, NETWORK, folder):
                raise ValueError(f"job: {job.name} needs the network of {end.name}, which is not trained yet")
        if job.released:
            released_file(job)
    for job in {job.scale: job for job in jobs}.values():
        Work(job, folder).data  # noqa: B018  (it is read, or an error says where it should be)


def _built(
    jobs: Sequence[Job], folder: Path, device: str, deadline: float | None, n_jobs: int, echo: Callable[[str], None]
) -> Iterator[tuple[list[Path], Exception | None]]:
    """What each job wrote, and its error: one that fails leaves the others at work."""
    runner = parallel(n_jobs, len(jobs)) if len(jobs) > 1 else None
    if runner is None:
        yield from (build_job(job, folder, device, deadline, echo, progress=True) for job in jobs)
    else:
        yield from runner(joblib.delayed(build_job)(job, folder, device, deadline, print) for job in jobs)


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
) -> tuple[list[Path], Exception | None]:
    """Compute what is missing of one job, until a deadline (a `time.time()`).

    Returns:
        The files that were written, and the error that ended it, if one did.
    """
    written: list[Path] = []
    if deadline is not None and time.time() >= deadline:
        return written, None
    work = Work(job, folder, device, progress)

    def compute_all() -> None:
        for product in missing(job, folder):
            echo(f"{job.name}: {product}, {in_words(estimate(work, product))}")
            found = compute(work, product)
            written.append(write(job, product, found, folder))
            work.drop_stores()

    try:
        run_until(deadline, compute_all)
    except (ValueError, OSError, RuntimeError, ArithmeticError) as error:  # full disks, divergence, memory of a GPU
        error.add_note(f"in job {job.name}")
        return written, error
    return written, None


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
        points, images = map(int, more[:2])
        return points**2 * _PASSES_OF_EIGENVALUES * images
    points = {"lines": 2 * scale.draws * scale.line, "between": 2 * scale.between}
    return points.get(kind, _POINTS_OF_A_PLANE) * scale.images


def in_words(seconds: float) -> str:
    """A time as a person says it.

    Example:
        >>> in_words(42.3), in_words(7000)
        ('about 42 s', 'about 117 minutes')
    """
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {max(1, round(seconds))} s"


def run_until(deadline: float | None, work: Callable[[], None]) -> None:
    """Do work, and interrupt it at a deadline as Ctrl-C would: everything in it goes on later from where it was.

    Raising the signal works on every system. A shell has what it runs in the background ignore it, so that Python's
    own handler is put in its place. An interrupt that comes just when the work has ended must not escape: the timer
    is waited for, and the pause lets a pending interrupt arrive.

    Args:
        deadline: A `time.time()`; None is never.
        work: What to do.

    Raises:
        KeyboardInterrupt: Somebody else interrupted it, before the deadline.
    """
    if deadline is None:
        return work()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(max(0.0, deadline - time.time()), signal.raise_signal, (signal.SIGINT,))
    timer.daemon = True
    try:
        try:
            timer.start()
            work()
        finally:
            timer.cancel()
            if timer.ident is not None:
                timer.join()
            time.sleep(0)
    except KeyboardInterrupt:
        if time.time() < deadline:
            raise
    finally:
        signal.signal(signal.SIGINT, before)
    return None
