"""A device is found by its name, or what is wrong with the name is said."""

import pytest
import torch

from landscape_nb._common.devices import find_device


def test_a_device_is_one_that_tensors_can_be_read_from():
    for name in ("cpu", torch.device("cpu"), "cpu:0"):
        assert find_device(name).type == "cpu"
    for wrong in ("gpu", "cuda:99", "meta", ""):
        with pytest.raises(ValueError, match=f"^device: got {wrong!r}, wants 'cpu', or 'cuda' or 'mps' where there"):
            find_device(wrong)
    for wrong in (None, 1.5, ["cpu"]):
        with pytest.raises(TypeError, match=f"^device: got {type(wrong).__name__}, wants a device's name"):
            find_device(wrong)
