"""Every notebook from an empty cache, strictly; and the suite turns red when a slider or a claim is wrong."""

import json
import shutil

import pytest
from helpers import ROOT

from landscape_nb.course import runner
from landscape_nb.course.notebooks import NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.number)
def test_a_notebook_runs_from_an_empty_cache(notebook, tmp_path, monkeypatch, session_cache, session_course):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "cache"))
    report = runner.run_notebook(notebook, session_course, progress=False)
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    measured = {"seconds": round(report.seconds, 1), "peak_memory_mb": report.peak_memory // 10**6}
    (folder / f"measured-{notebook.number}.json").write_text(json.dumps(measured))
    assert report.peak_memory < 2**30
    assert report.claims
    assert all(claim.holds for claim in report.claims)
    assert report.figures
    assert all(path.stat().st_size > 1000 and len(alt) >= 30 for path, alt in report.figures)
    assert report.page.stat().st_size > 10_000
    shutil.copytree(tmp_path / "cache", session_cache, dirs_exist_ok=True)
