"""Shapes in annotations are checked where the package's functions call each other, and only there."""

import ast
import random
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

import landscape_nb as lnb
from landscape_nb.engines import measured_by
from landscape_nb.hessian.lanczos import orthogonal
from landscape_nb.surfaces.rbf import interpolate_scattered


def test_a_wrong_shape_is_found():
    with pytest.raises(jaxtyping.TypeCheckError, match="orthogonal"):
        orthogonal(torch.zeros(3), torch.zeros(2, 4))
    with pytest.raises(jaxtyping.TypeCheckError, match="interpolate_scattered"):
        interpolate_scattered(np.zeros((5, 2)), np.zeros(4), np.zeros((1, 2)))
    with pytest.raises(jaxtyping.TypeCheckError, match="measured_by"):
        measured_by(None, [], np.zeros(3))


def states_shapes(source: str) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == "jaxtyping" for node in ast.walk(ast.parse(source)))


def test_every_module_that_states_shapes_is_checked(pytestconfig):
    *checked, checker = pytestconfig.getoption("jaxtyping_packages").split(",")
    assert checker == "shapes.checked"
    package = Path(lnb.__file__).parent
    stating = [path for path in package.rglob("*.py") if states_shapes(path.read_text(encoding="utf-8"))]
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in stating]
    assert len(names) > 40
    assert not [name for name in names if not f"{name}.".startswith(tuple(f"{part}." for part in checked))]


def test_public_functions_say_what_is_wrong_themselves():
    with pytest.raises(ValueError, match="images: got a tensor of shape"):
        lnb.models.mlp((4,), channels=1, image_size=8)(torch.zeros(2, 64))
    with pytest.raises(ValueError, match="outputs: got shape"):
        lnb.accuracy(torch.zeros(5), torch.zeros(5, dtype=torch.long))


def test_checks_draw_no_random_numbers():
    before = random.getstate()
    lnb.add({"w": torch.ones(2)}, {"w": torch.ones(2)})
    orthogonal(torch.ones(4), torch.eye(2, 4))
    assert random.getstate() == before
