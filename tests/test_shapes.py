"""Shapes in annotations are checked where the package's functions call each other, and only there."""

import random

import jaxtyping
import numpy as np
import pytest
import torch

import landscape_nb as lnb
from landscape_nb.hessian.lanczos import orthogonal
from landscape_nb.surfaces.rbf import interpolate_scattered


def test_a_wrong_shape_is_found():
    with pytest.raises(jaxtyping.TypeCheckError, match="orthogonal"):
        orthogonal(torch.zeros(3), torch.zeros(2, 4))
    with pytest.raises(jaxtyping.TypeCheckError, match="interpolate_scattered"):
        interpolate_scattered(np.zeros((5, 2)), np.zeros(4), np.zeros((1, 2)))


def test_public_functions_say_what_is_wrong_themselves():
    with pytest.raises(ValueError, match="images: got a tensor of shape"):
        lnb.models.mlp((4,), channels=1, image_size=8)(torch.zeros(2, 64))


def test_checks_draw_no_random_numbers():
    before = random.getstate()
    lnb.add({"w": torch.ones(2)}, {"w": torch.ones(2)})
    orthogonal(torch.ones(4), torch.eye(2, 4))
    assert random.getstate() == before
