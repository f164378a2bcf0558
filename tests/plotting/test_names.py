"""The script that names sliders and pictures goes to a live notebook, and to nothing else."""

import pytest

from landscape_nb.plotting.names import name_in_jupyterlab


@pytest.mark.parametrize(("live", "players", "shown"), [(True, "0", 1), (True, "1", 0), (False, "0", 0)])
def test_only_a_live_notebook_gets_the_script(monkeypatch, live, players, shown):
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: bundles.append(bundle))
    monkeypatch.setattr("IPython.core.interactiveshell.InteractiveShell.initialized", lambda: live)
    monkeypatch.setenv("LANDSCAPE_NB_PLAYERS", players)
    name_in_jupyterlab()
    assert len(bundles) == shown
    assert all("aria-label" in bundle["application/javascript"] for bundle in bundles)
