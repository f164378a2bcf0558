"""How an objective is measured fast, and that the faster way gives the same values (README.md beside this)."""

from landscape_nb.engines.bfloat16 import bfloat16_engine
from landscape_nb.engines.choose import choose_engine, one_by_one, plain_engine, wants_plain
from landscape_nb.engines.points import OneByOne, measured_by
from landscape_nb.engines.replay import differentiable

__all__ = [
    "OneByOne",
    "bfloat16_engine",
    "choose_engine",
    "differentiable",
    "measured_by",
    "one_by_one",
    "plain_engine",
    "wants_plain",
]
