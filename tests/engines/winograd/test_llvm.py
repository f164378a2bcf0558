"""Machine code uses the instructions that the processor has and the environment allows."""

import pytest
import torch
from helpers import with_tiles
from llvmlite.binding import get_host_cpu_features
from torch import nn

import landscape_nb as lnb
from landscape_nb.engines.winograd.llvm import Processor, _features, this_processor


def test_instructions_can_be_limited(monkeypatch):
    has = get_host_cpu_features()
    found = {}
    for isa in ("none", "avx2", ""):
        monkeypatch.setenv("LANDSCAPE_NB_ISA", isa)
        found[isa] = this_processor.__wrapped__()
    avx2 = Processor(8, 16) if has.get("avx2") and has.get("fma") else None
    assert found == {"none": None, "avx2": avx2, "": Processor(16, 32) if has.get("avx512vl") else avx2}


@with_tiles
def test_machine_code_for_avx2_has_nothing_of_avx512(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_ISA", "avx2")
    features = _features()
    assert features["avx2"]
    assert not [name for name, has in features.items() if has and name.startswith("avx512")]


def test_an_unknown_limit_is_an_error(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_ISA", "sse9")
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.LazyLinear(4))
    net(torch.zeros(1, 1, 8, 8))
    objective = lnb.Objective(net, (torch.zeros(3, 1, 8, 8), torch.arange(3)))
    with pytest.raises(ValueError, match="LANDSCAPE_NB_ISA: got 'sse9', wants one of '', 'avx2', 'none'"):
        lnb.evaluate_line(objective, lnb.random_directions(net, 1)[0], resolution=3, progress=False)
