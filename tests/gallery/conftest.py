"""Jobs that take a second."""

import pytest
import tiny_jobs as declared

from landscape_nb.gallery import jobs


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
