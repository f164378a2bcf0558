"""Data that are not tensors yet, NumPy's arrays, and graphs of PyTorch Geometric, which need not be installed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def with_tensors(part: Any, dtype: torch.dtype) -> Any:
    """Data with tensors instead of NumPy arrays, however nested.

    Args:
        part: A batch, or a part of one.
        dtype: The number format of tensors made from float64, NumPy's default; other formats stay.

    Raises:
        TypeError: An array does not hold numbers, or a table is not an array.

    Example:
        >>> with_tensors({"x": np.ones(2), "y": np.array([1])}, torch.float32)
        {'x': tensor([1., 1.]), 'y': tensor([1])}
    """
    if isinstance(part, np.ndarray):
        return _tensor(part, dtype)
    if isinstance(part, Mapping):
        return {key: with_tensors(each, dtype) for key, each in part.items()}
    if type(part) in (tuple, list):
        return type(part)(with_tensors(each, dtype) for each in part)
    if not isinstance(part, Tensor | type) and hasattr(part, "to_numpy"):
        raise TypeError(f"data: got a {type(part).__name__}, wants tensors or NumPy arrays: its to_numpy() makes one")
    return part


def _tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
    try:
        tensor = torch.tensor(array)
    except (TypeError, ValueError) as error:
        raise TypeError(f"data: got an array of {array.dtype}, wants numbers") from error
    return tensor.to(dtype) if array.dtype == np.float64 else tensor


def is_graph(part: Any) -> bool:
    """Whether this is a `Data`, `HeteroData` or `Batch` of PyTorch Geometric.

    Example:
        >>> is_graph(torch.ones(2))
        False
    """
    return any(c.__name__ == "BaseData" and c.__module__.startswith("torch_geometric.") for c in type(part).__mro__)


def count_in_graph(graph: Any) -> int:
    """The number of samples in a graph or a batch of them: of targets `y`, else of graphs, else of nodes."""
    targets = [store["y"] for store in graph.stores if isinstance(store.get("y"), Tensor)]
    if targets and targets[0].ndim:
        return len(targets[0])
    return int(getattr(graph, "num_graphs", None) or graph.num_nodes)
