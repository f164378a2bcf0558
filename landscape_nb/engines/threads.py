"""Python threads in which torch uses one thread each."""

from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Barrier

import torch

_KEPT_WHEN_FREED = 2**20


@lru_cache(maxsize=2)
def one_thread_each(workers: int) -> ThreadPoolExecutor:
    """Threads that are kept, with their memory, which need not be asked of the system again.

    Example:
        >>> threads = torch.get_num_threads()
        >>> one_thread_each(2).submit(torch.get_num_threads).result(), torch.get_num_threads() == threads
        (1, True)
    """
    threads, all_there = torch.get_num_threads(), Barrier(workers)
    pool = ThreadPoolExecutor(workers, initializer=_begin)
    wait([pool.submit(all_there.wait) for _ in range(workers)])
    torch.set_num_threads(threads)
    return pool


def _begin() -> None:
    """Have torch use one thread, and the C library keep what this one frees.

    A block that the system gave (glibc asks it for the first large ones) shows by its size, when it is freed, how
    much memory of other blocks to keep; what is given back has to be cleared by the system before it is used again.
    """
    torch.get_num_threads()  # a thread's first question sets it to the last setting of any thread
    torch.set_num_threads(1)
    torch.empty(_KEPT_WHEN_FREED)
