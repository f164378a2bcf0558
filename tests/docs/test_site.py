"""The site builds without a warning: every page is in it, every link inside it leads somewhere."""

import re

from helpers import ROOT
from sphinx.cmd.build import build_main

from landscape_nb.course.notebooks import NOTEBOOKS


def test_the_site_builds_without_a_warning(tmp_path):
    assert build_main(["-q", "-W", "--keep-going", "-c", str(ROOT / "docs"), str(ROOT), str(tmp_path)]) == 0
    start = (tmp_path / "docs/index.html").read_text()
    assert all(f"{notebook.name}.html" in start for notebook in NOTEBOOKS)
    assert "docs/index.html" in (tmp_path / "index.html").read_text()
    page = (tmp_path / "notebooks/05_skip_connections.html").read_text()
    described = re.findall(r'<img alt="([^"]*)"', page)
    assert len(described) >= 6
    assert not [alt for alt in described if "_images" in alt]
