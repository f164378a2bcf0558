"""A figure becomes a picture in one draw."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from landscape_nb.plotting.show import png


def test_a_picture_takes_one_draw(monkeypatch):
    draws, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda *args: (draws.append(1), draw(*args)))
    png(plt.figure(figsize=(1, 1), layout="constrained"))
    assert len(draws) == 1
