"""Arrays become tensors wherever they are in a batch; graphs are known without their library."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from landscape_nb._common.arrays import count_in_graph, is_graph, with_tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_numpys_default_becomes_the_models_format_and_other_formats_stay(dtype):
    assert with_tensors(np.array([1.5, 2.0]), dtype).dtype == dtype
    for name in ("float32", "float16", "int64", "int32", "uint8", "bool"):
        assert with_tensors(np.ones(2, name), dtype).dtype == getattr(torch, name)


def test_arrays_are_found_however_nested_and_all_else_stays():
    tensor, text = torch.ones(1), "text"
    found = with_tensors({"a": [np.array([1]), (np.array([2.0]), tensor)], "b": {"c": text, "d": None}}, torch.float32)
    assert found["a"][0].tolist() == [1]
    assert isinstance(found["a"], list)
    assert isinstance(found["a"][1], tuple)
    assert found["a"][1][0].tolist() == [2.0]
    assert found["a"][1][1] is tensor
    assert found["b"] == {"c": text, "d": None}


def test_a_tensor_shares_nothing_with_its_array():
    """A model may write into its inputs."""
    array = np.zeros(3)
    with_tensors(array, torch.float64).add_(1)
    assert array.tolist() == [0, 0, 0]


def test_reversed_and_read_only_arrays_are_taken():
    array = np.arange(3.0)
    array.flags.writeable = False
    assert with_tensors(array, torch.float32).tolist() == [0, 1, 2]
    assert with_tensors(array[::-1].copy(), torch.float32).tolist() == [2, 1, 0]


def test_containers_of_ones_own_are_left_as_they_are():
    class Pair(NamedTuple):
        x: np.ndarray

    pair = Pair(np.ones(1))
    assert with_tensors(pair, torch.float32) is pair


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([{}]), np.array(["2020-01-01"], "datetime64[D]")])
def test_an_array_of_other_things_than_numbers_is_named(array):
    with pytest.raises(TypeError, match="data: got an array of .*, wants numbers"):
        with_tensors([array], torch.float32)


def test_a_table_is_named_with_what_to_do():
    class Table:
        def to_numpy(self):
            raise AssertionError

    with pytest.raises(
        TypeError, match=r"data: got a Table, wants tensors or NumPy arrays: its to_numpy\(\) makes one"
    ):
        with_tensors({"x": Table()}, torch.float32)
    assert with_tensors(Table, torch.float32) is Table


def of_geometric(name, module="torch_geometric.data.data"):
    return type(name, (type("BaseData", (), {"__module__": module}),), {})()


def test_graphs_are_those_of_pytorch_geometric():
    assert is_graph(of_geometric("Data"))
    assert is_graph(of_geometric("HeteroData"))
    assert not is_graph(of_geometric("Data", module="somebody.elses"))
    assert not is_graph(type("Data", (), {"__module__": "torch_geometric.data.data"})())
    assert not is_graph({"x": 1})


@pytest.mark.parametrize(
    ("stores", "counts", "samples"),
    [
        ([{"x": torch.ones(9), "y": torch.ones(4)}], {"num_graphs": 2, "num_nodes": 9}, 4),
        ([{"x": torch.ones(9)}, {"y": torch.ones(3)}], {"num_graphs": 2, "num_nodes": 9}, 3),
        ([{"y": torch.tensor(1.0)}], {"num_graphs": 2, "num_nodes": 9}, 2),
        ([{"y": "text"}], {"num_nodes": 9}, 9),
        ([{}], {"num_graphs": None, "num_nodes": 5}, 5),
    ],
)
def test_samples_are_targets_else_graphs_else_nodes(stores, counts, samples):
    assert count_in_graph(SimpleNamespace(stores=stores, **counts)) == samples
