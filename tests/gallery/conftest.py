"""Jobs that take a second."""

import pytest
import tiny_jobs as declared

from landscape_nb.gallery import jobs
from landscape_nb.gallery.build import build


@pytest.fixture(scope="module")
def tiny_jobs(tmp_path_factory):
    """Small jobs in the place of all others; results and trained networks in a directory of the tests."""
    folder = tmp_path_factory.mktemp("tiny jobs")
    before = dict(jobs.SCALES), dict(jobs.JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDSCAPE_NB_CACHE", str(folder / "cache"))
        patch.setenv("LANDSCAPE_NB_GALLERY", str(folder / "gallery"))
        yield declared.declare()
    for kept, dictionary in zip(before, (jobs.SCALES, jobs.JOBS), strict=True):
        dictionary.clear()
        dictionary.update(kept)


@pytest.fixture(scope="module")
def built(tiny_jobs, tmp_path_factory):
    """The small jobs, built without an interruption: where, which files, and what was said."""
    said, folder = [], tmp_path_factory.mktemp("out")
    files = build(tiny_jobs, folder, echo=said.append)
    return folder, files, said
