"""Worker processes that end when the process that started them has ended, however it ended."""

import os
import threading
import time

import joblib
import psutil
from joblib.parallel import get_active_backend

from landscape_nb._common.compat import number_of_workers

_SECONDS = 1.0


def parallel(n_jobs: int | None, tasks: int) -> joblib.Parallel | None:
    """What runs tasks in other processes; None where there is to be only one process: this one.

    Processes that joblib itself starts on this machine watch this one, and end when it is gone: joblib
    leaves them alone for five minutes after a `kill -9`. No more of them are started than there are tasks.
    Threads, and processes of other backends (Dask), are not ours to end.

    Args:
        n_jobs: How many, as joblib counts them.
        tasks: How many tasks there will be.

    Example:
        >>> parallel(1, 10) is None
        True
    """
    how = {"return_as": "generator_unordered", "batch_size": 1}
    runner = joblib.Parallel(n_jobs, **how)
    count = number_of_workers(runner)
    if count == 1:
        return None
    backend, _ = get_active_backend()
    if type(backend) is not joblib.parallel.BACKENDS["loky"] or "initializer" in backend.backend_kwargs:
        return runner
    return joblib.Parallel(max(1, min(count, tasks)), initializer=end_with, initargs=(os.getpid(),), **how)


def end_with(pid: int) -> None:
    """Let this process end within seconds after another one has.

    Args:
        pid: The other process, of this machine.
    """
    threading.Thread(target=_watch, args=(pid,), name=f"ends with {pid}", daemon=True).start()


def _watch(pid: int) -> None:
    """Poll: a signal on the parent's death would come with its thread's, and only on Linux.

    A killed process stays a zombie until its own parent asks for it, and its number may be given to another.
    """
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_SECONDS)
    except psutil.NoSuchProcess:
        pass
    os._exit(1)  # nobody is left to tell, and the main thread may be in the middle of a computation
