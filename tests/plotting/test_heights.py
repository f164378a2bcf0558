"""Heights are logarithms of the values, cut at both ends, and what is compared has one axis."""

import numpy as np
import pytest
from helpers import plane_over

from landscape_nb.plotting.heights import heights_of

BOWL = plane_over(lambda a, b: 1 + a**2 + b**2 / 4).loss


def test_heights_are_logarithms_between_the_ends_that_all_share():
    steep = plane_over(lambda a, b: 10.0 ** (3 * a) + 0 * b).loss
    found = heights_of({"bowl": BOWL, "steep": steep}, log=True, bottom=0.1, top=40)
    assert (found.low, found.high) == pytest.approx((-1, np.log10(40)))
    np.testing.assert_allclose(found.of["bowl"], np.log10(BOWL))
    np.testing.assert_allclose(found.of["steep"], np.log10(steep.values.clip(0.1, 40)))
    assert found.labels == ["0.1", "1", "10"]
    np.testing.assert_allclose(found.ticks, [-1, 0, 1])


def test_without_ends_the_axis_is_that_of_all_values():
    found = heights_of({"bowl": BOWL, "higher": 10 * BOWL}, log=True)
    assert (found.low, found.high) == pytest.approx((0, np.log10(float(10 * BOWL.max()))))


def test_an_infinite_top_cuts_nothing_off():
    for bottom in (None, 0.5):
        found, without = (heights_of({"bowl": BOWL}, log=True, bottom=bottom, top=top) for top in (np.inf, None))
        np.testing.assert_array_equal(found.of["bowl"], without.of["bowl"])
        assert (found.low, found.high) == (without.low, without.high)
    with pytest.raises(ValueError, match="^top: got nan, wants more than 1, or all heights are cut off$"):
        heights_of({"flat": BOWL * 0 + 1}, log=False, top=np.nan)


def test_below_zero_heights_are_linear():
    found = heights_of({"bowl": BOWL - 5}, log=True)
    assert not found.log
    np.testing.assert_allclose(found.of["bowl"], BOWL - 5)


def test_equal_heights_have_room_above_and_below():
    found = heights_of({"flat": BOWL * 0 + 100}, log=True)
    assert found.low < 2 < found.high


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ({"bottom": 0}, "bottom: got 0, wants a finite number above 0"),
        ({"bottom": 5}, "bottom: got 5, wants less than 3, or all heights are raised to it"),
        ({"bottom": 1.5, "top": 1.5}, "top: got 1.5, wants more than 1.5, or all heights are cut off"),
    ],
)
def test_ends_that_leave_no_height_are_refused(ends, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        heights_of({"bowl": BOWL}, log=True, **ends)
