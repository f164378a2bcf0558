"""A bar shows where one waits, and nothing where one does not."""

import time

import pytest

from landscape_nb._common import progress
from landscape_nb._common.progress import progress_bar


def written(capsys, shown=True):
    with progress_bar(3, shown) as bar:
        time.sleep(0.2)
        bar.update(2)
    return capsys.readouterr().err


@pytest.mark.parametrize(("delay", "shown", "seen"), [(0.01, True, True), (600, True, False), (0.01, False, False)])
def test_what_takes_long_shows_a_bar(capsys, monkeypatch, delay, shown, seen):
    monkeypatch.setattr(progress, "_DELAY", delay)
    assert ("Measuring" in written(capsys, shown)) == seen
