"""Threads of an engine: each uses torch with one thread of its own, and they are kept."""

import threading
from concurrent.futures import wait

import pytest
import torch

from landscape_nb.engines.threads import one_thread_each

TIMEOUT = 300
"""After which a test gives up; nothing is measured against it."""


@pytest.fixture(autouse=True)
def four_threads():
    """The main thread uses several, whatever the machine; no pool of another test is left over."""
    before = torch.get_num_threads()
    one_thread_each.cache_clear()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)
    one_thread_each.cache_clear()


def met(pool, workers):
    """What torch says in each of the threads, which all have to be there at once."""
    meeting = threading.Barrier(workers)

    def ask():
        meeting.wait(TIMEOUT)
        return threading.get_ident(), torch.get_num_threads()

    asked = [pool.submit(ask) for _ in range(workers)]
    wait(asked)
    return [each.result() for each in asked]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_as_many_threads_as_asked_for_use_one_thread_each_and_the_others_stay(workers):
    found = met(one_thread_each(workers), workers)
    assert len({ident for ident, _ in found}) == workers
    assert [threads for _, threads in found] == [1] * workers
    assert torch.get_num_threads() == 4
    other = []
    thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert other == [4]


def test_threads_are_kept():
    first = {ident for ident, _ in met(one_thread_each(2), 2)}
    assert one_thread_each(2) is one_thread_each(2)
    assert {ident for ident, _ in met(one_thread_each(2), 2)} == first


def test_a_setting_that_is_changed_later_is_not_theirs():
    pool = one_thread_each(2)
    torch.set_num_threads(3)
    assert [threads for _, threads in met(pool, 2)] == [1, 1]
    assert torch.get_num_threads() == 3
