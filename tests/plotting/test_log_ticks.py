"""Powers of ten on logarithmic axes are plain text, and have no ticks between them."""

import matplotlib.pyplot as plt
import pytest

from landscape_nb import explore
from landscape_nb.plotting.log_ticks import simplify_ticks


@pytest.mark.parametrize(("top", "minor"), [(50, True), (1e6, False)])
def test_powers_of_ten_have_no_ticks_between_them(top, minor):
    drawn = []

    def draw(number=0):
        figure, axes = plt.subplots()
        axes.set(yscale="log", ylim=(1, top))
        drawn.append(axes)
        return figure

    explore(draw, alt="Powers of ten", number=(0, 1))
    assert bool(len(drawn[0].yaxis.get_minorticklocs())) == minor
    assert len(drawn[0].yaxis.get_majorticklocs()) > 1


@pytest.mark.parametrize(
    ("scale", "low", "wanted"), [("log", 1e-3, {"10⁻³", "10⁰", "10²"}), ("symlog", -100, {"−10¹", "0", "10²"})]
)
def test_powers_of_ten_are_plain_text_and_right(scale, low, wanted):
    figure, axes = plt.subplots()
    axes.set(yscale=scale, ylim=(low, 100))
    before = [label.get_text() for label in axes.get_yticklabels()]
    simplify_ticks(figure)
    after = [label.get_text() for label in axes.get_yticklabels()]
    assert wanted <= set(after)
    assert not any("$" in text for text in after)
    assert len(set(before)) == len(set(after))


def test_a_formatter_of_ones_own_stays():
    figure, axes = plt.subplots()
    axes.set(yscale="log", ylim=(1, 100))
    axes.yaxis.set_major_formatter("{x:g} m")
    simplify_ticks(figure)
    assert "100 m" in [label.get_text() for label in axes.get_yticklabels()]
