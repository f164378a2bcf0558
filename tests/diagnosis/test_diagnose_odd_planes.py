"""Planes below zero, and directions that span no plane or do not move, are judged sensibly."""

import numpy as np
import pytest
import torch
from helpers import BOWL, PLANES, plane_of
from torch import nn

import landscape_nb as lnb
from landscape_nb import plotting

pytestmark = pytest.mark.filterwarnings("error")


def test_a_loss_below_zero_is_not_advised_to_be_wider():
    (finding,) = lnb.diagnose(PLANES["below zero"])
    assert (finding.code, finding.severity) == ("below-zero", "note")
    assert "-9.5 at α = 0, β = 0" in finding.text
    assert "logarithmic heights, do not apply" in finding.text
    (finding,) = lnb.diagnose(PLANES["below zero"], plotting.PAPER_LEVELS)
    assert (finding.code, finding.severity) == ("below-zero", "problem")
    assert lnb.diagnose(PLANES["below zero"], np.linspace(-9.5, -8, 8)).codes == []
    assert lnb.diagnose(PLANES["below zero"], 10).codes == []
    assert lnb.diagnose(plane_of(np.where(BOWL > 0.5, BOWL, -1e-9))).codes == lnb.diagnose(PLANES["bowl"]).codes


def measured(*directions):
    torch.manual_seed(0)
    net = nn.Linear(20, 10)
    objective = lnb.Objective(net, (torch.randn(200, 20), torch.arange(200) % 10))
    d1, d2 = lnb.random_directions(net, 2)
    chosen = [pick(d1, d2) for pick in directions]
    if len(chosen) == 1:
        return lnb.evaluate_line(objective, chosen[0], resolution=3, progress=False)
    return lnb.evaluate_plane(objective, chosen, resolution=3, progress=False)


def first(d1, _):
    return d1


def second(_, d2):
    return d2


def back(d1, _):
    return lnb.scale(d1, -2)


def nothing(d1, _):
    return lnb.scale(d1, 0)


def beside(d1, d2):
    return lnb.add(d1, lnb.scale(d2, 0.05))


@pytest.mark.parametrize(
    ("directions", "code", "severity"),
    [
        ((first, second), None, None),
        ((first, first), "parallel-directions", "problem"),
        ((first, back), "parallel-directions", "problem"),
        ((first, beside), "parallel-directions", "warning"),
        ((first, nothing), "zero-direction", "problem"),
        ((nothing, nothing), "zero-direction", "problem"),
        ((nothing,), "zero-direction", "problem"),
        ((first,), None, None),
    ],
)
def test_directions_that_span_no_plane_are_seen(directions, code, severity):
    found = [f for f in lnb.diagnose(measured(*directions)) if f.code in ("parallel-directions", "zero-direction")]
    assert {(f.code, f.severity) for f in found} == (set() if code is None else {(code, severity)})
    assert len(found) == (max(1, directions.count(nothing)) if code else 0)


def test_nothing_wider_is_advised_where_nothing_moves():
    assert "too-narrow" not in lnb.diagnose(measured(nothing, nothing)).codes
