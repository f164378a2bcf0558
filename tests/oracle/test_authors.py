"""The authors' trained networks on real CIFAR-10 images: losses and accuracies known to four digits."""

import numpy as np
import pytest
import torch
from conftest import real_file

import landscape_nb as lnb


@pytest.mark.parametrize(
    ("name", "loss", "digits", "accuracy"), [("resnet56", 0.00077, 5, 1.0), ("resnet56_noshort", 0.1335, 4, 0.9568)]
)
def test_authors_networks(name, loss, digits, accuracy):
    file = np.load(real_file("cifar10-lossless-4000.npz"))
    mean, std = (np.float32(values) / 255 for values in ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)))
    images = torch.from_numpy((file["x"] / np.float32(255) - mean) / std).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(file["y"].astype(np.int64))
    net = lnb.load_authors_checkpoint(real_file(f"{name}.t7"))
    objective = lnb.Objective(net, (images, labels), metrics={"accuracy": lnb.accuracy})
    values = objective()
    assert round(values["loss"], digits) == loss
    assert values["accuracy"] == pytest.approx(accuracy, abs=5.1e-5)
