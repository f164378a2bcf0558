"""As many levels as are asked for lie between the limits, for losses of either sign."""

import numpy as np
import pytest
from helpers import BOWL, PLANES, plane_of

from landscape_nb import plotting
from landscape_nb._common.levels import choose_levels

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("values", [BOWL, 10.0 ** (3 * BOWL), BOWL - 10, BOWL - 0.5, 1e3 * (BOWL**20 - 1), BOWL + 2300])
@pytest.mark.parametrize("count", [2, 10, 300])
def test_as_many_levels_as_asked_for_lie_between_the_limits(values, count):
    figure = plotting.plot_contours(plane_of(values), levels=count)
    levels = choose_levels(count, [values])
    assert len(levels) == count
    assert values.min() < levels[0] < levels[-1] < values.max()
    assert (np.diff(levels) > 0).all()
    if values.min() > 0:
        np.testing.assert_allclose(np.diff(np.log(levels)), np.log(values.max() / values.min()) / (count + 1))
    texts = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert len(set(texts)) == len(texts) == -(-count // 2)


def test_levels_of_a_loss_far_below_zero_reach_its_middle():
    values = PLANES["far below zero"].loss.values
    levels = choose_levels(20, [values])
    assert (levels < np.median(values)).sum() >= 3
    assert levels[-1] > 0.1 * values.max()
