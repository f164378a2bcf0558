"""A figure becomes a picture in one draw."""

import matplotlib.pyplot as plt
import plotly.graph_objects as go
from matplotlib.figure import Figure

from landscape_nb.plotting.show import png, show, show_interactive


def test_a_picture_takes_one_draw(monkeypatch):
    draws, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda *args: (draws.append(1), draw(*args)))
    png(plt.figure(figsize=(1, 1), layout="constrained"))
    assert len(draws) == 1


def test_a_live_notebook_gets_the_picture_with_its_text_and_a_run_of_the_course_does_not(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    for players in ("0", "1"):
        monkeypatch.setenv("LANDSCAPE_NB_PLAYERS", players)
        show(plt.figure(figsize=(1, 1)), 'a "bowl" & <more>')
    assert 'alt="a &quot;bowl&quot; &amp; &lt;more&gt;">' in shown[0]["text/html"]
    assert shown[0]["image/png"] in shown[0]["text/html"]
    assert "text/html" not in shown[1]


def test_a_figure_that_turns_has_its_text_before_it_in_a_live_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    for players in ("0", "1"):
        monkeypatch.setenv("LANDSCAPE_NB_PLAYERS", players)
        show_interactive(go.Figure(), plt.figure(figsize=(1, 1)), "a <bowl>")
    words, live, page = shown
    assert words["text/html"] == '<span class="landscape-nb-alt" hidden>a &lt;bowl&gt;</span>'
    assert live.keys() == page.keys() == {"application/vnd.plotly.v1+json", "text/plain", "image/png"}
