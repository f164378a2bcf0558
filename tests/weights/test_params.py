"""Points of weight space: their arithmetic is NumPy's, and what does not fit is named."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS
from torch import nn

import landscape_nb as lnb
from landscape_nb.weights.params import (
    Affine,
    add,
    check_directions,
    check_fits,
    check_params,
    check_tensors,
    directions_of,
    dot,
    flatten,
    formatted_like,
    is_same,
    move,
    norm,
    parameters_of,
    scale,
    unflatten,
)

SHAPES = {"w": (3, 4), "b": (5,), "s": ()}


def point(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in SHAPES.items()}


def as_array(params):
    """All entries, by a plain loop."""
    return np.array([entry for tensor in params.values() for entry in tensor.flatten().tolist()])


def test_arithmetic_is_that_of_long_vectors():
    x, y = point(0), point(1)
    a, b = as_array(x), as_array(y)
    np.testing.assert_array_equal(as_array(add(x, y)), a + b)
    np.testing.assert_array_equal(as_array(scale(x, -2.5)), -2.5 * a)
    assert dot(x, y) == pytest.approx(a @ b)
    assert norm(x) == pytest.approx(np.linalg.norm(a))
    np.testing.assert_allclose(as_array(move(x, [y, x], [0.5, 3.0])), a + 0.5 * b + 3 * a)
    assert {name: tuple(tensor.shape) for name, tensor in add(x, y).items()} == SHAPES


def test_keys_decide_what_belongs_together_and_not_their_order():
    x, y = point(0), point(1)
    turned = dict(reversed(y.items()))
    assert dot(x, turned) == pytest.approx(dot(x, y))
    np.testing.assert_array_equal(as_array(add(x, turned)), as_array(add(x, y)))
    np.testing.assert_array_equal(as_array(move(x, [turned], [2.0])), as_array(move(x, [y], [2.0])))


def test_sums_are_taken_in_double_precision():
    """In float32, 2²⁴ ones more would no longer count."""
    many = {"w": torch.ones(2**12), "big": torch.tensor([2.0**13])}
    assert dot(many, many) == 2.0**26 + 2**12
    small = {"w": torch.full((2,), 1e-30)}
    assert norm(small) == pytest.approx(2**0.5 * 1e-30)


def test_a_line_passes_through_its_points_whoever_makes_them():
    """`Affine`, `Affine` into a buffer, and `move` give the same bits."""
    origin, directions = point(0, torch.float32), [point(1, torch.float32), point(2, torch.float32)]
    affine, out = Affine(origin, directions), torch.empty(18)
    for coords in ((0.1, -0.7), (0.0, 0.0), (1 / 3, 1e-3)):
        moved = move(origin, directions, coords)
        fresh, buffered = affine(*coords), affine(*coords, out=out)
        for name in SHAPES:
            assert torch.equal(moved[name], fresh[name])
            assert torch.equal(moved[name], buffered[name])
            assert buffered[name].data_ptr() >= out.data_ptr()
            by_hand = origin[name] + coords[0] * directions[0][name] + coords[1] * directions[1][name]
            torch.testing.assert_close(fresh[name], by_hand)
    assert torch.equal(flatten(origin), flatten(point(0, torch.float32)))


def test_the_template_decides_number_formats():
    template = {"w": torch.zeros(3, 4, dtype=torch.bfloat16), "b": torch.zeros(5), "s": torch.zeros(())}
    found = Affine(point(0), [point(1)], template)(0.5)
    assert {name: tensor.dtype for name, tensor in found.items()} == {name: t.dtype for name, t in template.items()}
    assert formatted_like(point(0), template)["w"].dtype == torch.bfloat16
    torch.testing.assert_close(found["b"], (point(0)["b"] + 0.5 * point(1)["b"]).float())


def test_a_vector_has_each_entry_in_its_place_and_so_has_each_of_a_stack():
    vector = torch.arange(18.0)
    found = unflatten(vector, point(0))
    assert found["w"].tolist() == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]]
    assert found["b"].tolist() == [12.0, 13.0, 14.0, 15.0, 16.0]
    assert found["s"].item() == 17.0
    assert found["w"].dtype == torch.float64
    assert torch.equal(flatten(found), vector.double())
    stack = unflatten(torch.stack([vector, -vector]), point(0))
    assert {name: tuple(tensor.shape) for name, tensor in stack.items()} == {"w": (2, 3, 4), "b": (2, 5), "s": (2,)}
    assert stack["b"][1].tolist() == [-12.0, -13.0, -14.0, -15.0, -16.0]


def test_parameters_are_copies_without_gradients():
    model = nn.Linear(2, 1)
    copied = parameters_of(model)
    before = copy.deepcopy(copied)
    with torch.no_grad():
        model.weight.zero_()
    assert torch.equal(copied["weight"], before["weight"])
    assert not any(tensor.requires_grad for tensor in copied.values())


def test_a_parameter_without_values_is_named():
    with pytest.raises(ValueError, match="model: 'weight' has no values yet; call the model once"):
        parameters_of(nn.LazyLinear(3))
    with pytest.raises(TypeError, match="model: got list, wants a torch.nn.Module"):
        parameters_of([])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0, torch.nan], [1.0, torch.nan], True),
        ([1.0, torch.nan], [torch.nan, 1.0], False),
        ([torch.inf], [torch.inf], True),
        ([torch.inf], [-torch.inf], False),
        ([1.0], [1.0 + 2**-23], False),
        ([1.0], [1.0, 1.0], False),
        ([0.0], [-0.0], True),
    ],
)
def test_tensors_are_the_same_to_the_last_bit(one, other, same):
    assert is_same(torch.tensor(one), torch.tensor(other)) == same
    assert not is_same(torch.tensor(one), torch.tensor(one).double())


def changed(**tensors):
    return {**point(0), **tensors}


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ([torch.ones(1)], TypeError, "d: got list, wants a dict of tensors keyed like named_parameters"),
        (changed(b=[1.0]), TypeError, "d: 'b' is a list, wants tensors"),
        (changed(b=torch.zeros(4)), ValueError, r"d: 'b' has shape \(4,\), wants \(5,\)"),
        (changed(x=torch.zeros(1)), ValueError, "d: has a tensor for 'x', which is not a parameter"),
        ({"w": torch.zeros(3, 4)}, ValueError, "d: has no tensor for 'b', 's'"),
        (changed(b=torch.zeros(5).to_sparse()), ValueError, "d: 'b' is sparse or nested, wants dense tensors"),
        (changed(b=torch.zeros(5, device="meta")), ValueError, "d: 'b' is on the device 'meta' and has no values"),
        (changed(b=torch.zeros(5, dtype=torch.complex64)), ValueError, "d: 'b' is complex64, wants real numbers"),
        (changed(b=torch.full((5,), torch.nan)), ValueError, "d: 'b' has NaN or infinite entries"),
        (changed(s=torch.tensor(-torch.inf)), ValueError, "d: 's' has NaN or infinite entries"),
    ],
)
def test_what_is_not_a_point_of_this_weight_space_is_named(wrong, kind, message):
    with pytest.raises(kind, match=message):
        check_params("d", wrong, point(0))
    with pytest.raises(kind, match=message.replace("d: ", r"directions\[1\]: ", 1)):
        check_directions([point(1), wrong], point(0))


def test_a_point_of_whole_numbers_may_be_given_and_none_may_move_there():
    check_params("d", changed(b=torch.ones(5, dtype=torch.int64)), point(0))
    with pytest.raises(ValueError, match="d: 'b' is float64, wants real numbers that can move"):
        check_params("d", point(0), changed(b=torch.ones(5, dtype=torch.int64)))


def test_infinite_entries_fit_and_only_the_shapes_count():
    check_fits("d", changed(b=torch.full((5,), torch.inf)), point(0))
    check_tensors("d", {"anything": torch.ones(1)})


def test_two_points_of_different_spaces_are_not_added():
    with pytest.raises(ValueError, match="y: has no tensor for 'b'"):
        add(point(0), {"w": torch.zeros(3, 4)})
    with pytest.raises(ValueError, match=r"y: 'b' has shape \(1,\), wants \(5,\)"):
        dot(point(0), changed(b=torch.zeros(1)))


def test_a_point_moves_by_one_number_a_direction():
    for coords in ([1.0], "ab", [1.0, None], 3.0, torch.ones(2)):
        with pytest.raises(ValueError, match="coordinates: got .*, wants 2 numbers, one a direction"):
            move(point(0), [point(1), point(2)], coords)
    moved = move(point(0), [point(1), point(2)], np.array([1, 2]))
    np.testing.assert_allclose(as_array(moved), as_array(point(0)) + as_array(point(1)) + 2 * as_array(point(2)))


def test_directions_are_a_list_and_those_of_a_plane_two():
    assert directions_of([1, 2, 3]) == [1, 2, 3]
    for wrong, kind in (({"w": 1}, ValueError), ("ab", TypeError), (torch.ones(2), TypeError), (iter([1]), TypeError)):
        with pytest.raises(kind, match="directions: got .*wants a list or tuple of them"):
            directions_of(wrong)
    with pytest.raises(ValueError, match="directions: got 3, a plane has two"):
        directions_of([1, 2, 3], plane=True)


def test_tied_weights_count_once_and_move_together():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = nn.Linear(4, 4, bias=False)
            self.decode = nn.Linear(4, 4, bias=False)
            self.decode.weight = self.encode.weight

        def forward(self, x):
            return self.decode(self.encode(x))

    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    objective = lnb.Objective(Tied(), (inputs, inputs), F.mse_loss)
    assert list(objective.origin) == ["encode.weight"]
    assert objective({"encode.weight": torch.eye(4)})["loss"] == pytest.approx(0, abs=1e-12)


def test_bad_points_are_named(objective):
    with pytest.raises(ValueError, match="params: has no tensor for 'linear.bias'"):
        objective({name: p for name, p in objective.origin.items() if name != "linear.bias"})
    with pytest.raises(ValueError, match="params: 'linear.bias' has shape"):
        objective(objective.origin | {"linear.bias": torch.zeros(1)})
    with pytest.raises(TypeError, match="params: got list"):
        objective([1])


class Scaled(nn.Module):
    """Has a parameter that is a single number."""

    def __init__(self):
        super().__init__()
        self.temperature, self.layer = nn.Parameter(torch.tensor(2.0)), nn.Linear(4, 4)

    def forward(self, x):
        return self.temperature * self.layer(x)


def test_a_parameter_may_be_a_single_number():
    x = torch.randn(40, 4)
    model = Scaled()
    objective, directions = lnb.Objective(model, (x, LABELS)), lnb.random_directions(model, 2)
    plane = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    moved = lnb.move(objective.origin, directions, [1.0, -1.0])
    assert moved["temperature"] == 2
    assert float(plane.loss.sel(alpha=1, beta=-1)) == pytest.approx(objective(moved)["loss"], rel=1e-5)
