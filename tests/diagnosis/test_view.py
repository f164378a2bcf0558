"""What is read from a drawn line or plane: in any order of dimensions, and whatever its attributes hold."""

import numpy as np
import pytest
from helpers import bowl
from helpers import judged_plane as plane

from landscape_nb.diagnosis.diagnose import diagnose


def test_the_order_of_dimensions_does_not_matter():
    shifted = plane(lambda a, b: bowl(a - 0.5, b + 0.2), [(-1, 1), (-2, 2)])
    assert diagnose(shifted) == diagnose(shifted.transpose("beta", "alpha"))


STRANGE = {
    "samples": ["x", None, [1, 2], -3, 0, float("nan"), True],
    "direction_cosine": [["a"], "x", None, [[1.0], [2.0]], {"a": 1}],
    "direction_norms": [["a"], "x", None],
    "relative_steps": [["a", "b"], [3.0], 3.0, "xy", None],
    "end_losses": [["a", "b"], "xy", [1.0, 2.0], 3.0],
    "directions": ["[1,2]", "{", "3", '[{"dead_filters": "x"}]', None, 5, [1], "[" * 100_000],
    "origin_loss": ["x", None, [1.0]],
    "kind": [3, np.array([1, 2])],
    "batch_norm": [3, np.array([1, 2])],
    "batch_norm_layers": ["x", np.array([1, 2])],
    "normalization": [3, ["none"]],
}


@pytest.mark.parametrize("name", STRANGE)
def test_attributes_of_another_kind_are_ignored(name):
    without = plane(stderr=0.3)
    del without.attrs["samples"], without.attrs["directions"], without.attrs["origin_loss"]
    del without.attrs["kind"], without.attrs["batch_norm"], without.attrs["normalization"]
    for value in STRANGE[name]:
        assert diagnose(without.assign_attrs({name: value})) == diagnose(without), value
