"""Points of weight space as rows of a matrix that is never in memory: each row is read when it is indexed."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor, nn

from landscape_nb._common.checks import check_kind
from landscape_nb.objective.forward import Buffers
from landscape_nb.objective.objective import Objective
from landscape_nb.trajectories.trajectory import Chosen, Trajectory
from landscape_nb.weights.filters import carrying, filter_fields_of
from landscape_nb.weights.params import Params, check_params, flatten, formatted_like, unflatten

Points = Trajectory | Sequence[Params]

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_BLOCK_POINTS, _BLOCK_BYTES = 16, 2**28


def points_of(name: str, points: Points) -> Sequence[Params]:
    """The points of a run, or a sequence of points as it is; anything else is a `TypeError` that names the argument."""
    points = points.points if isinstance(points, Trajectory) else points
    if isinstance(points, Mapping) or not (hasattr(points, "__len__") and hasattr(points, "__getitem__")):
        raise TypeError(f"{name}: got {type(points).__name__}, wants a Trajectory or a sequence of points")
    return points


def own_buffers(objective: Objective, points: Points) -> Callable[[int], Buffers]:
    """A function that returns the buffers at the i-th point: the point's own, else the objective's."""
    own = objective.buffers
    states = points.states if isinstance(points, Trajectory) else points
    return lambda i: own | {n: t.to(own[n].device, own[n].dtype) for n, t in states[i].items() if n in own}


def parameters_in(name: str, points: Sequence[Params], model: nn.Module | None) -> Sequence[Params]:
    """The points without buffers, which a model tells from parameters; without a model there must not be any.

    Args:
        name: What the caller calls them, for the message.
        points: Points, or whole `state_dict`s.
        model: The model of these points, or None.

    Raises:
        TypeError: `model` is not a model.
        ValueError: There is no model, and the last point has entries that look like buffers.
    """
    if model is not None:
        check_kind("model", model, nn.Module, "a torch.nn.Module, to tell parameters from buffers")
        return Chosen(points, model)
    last = points[len(points) - 1] if len(points) else {}
    buffers = [key for key in last if str(key).split(".")[-1] in _BUFFERS] if isinstance(last, Mapping) else []
    if buffers:
        raise ValueError(f"{name}: holds {buffers[0]!r}, which is a buffer; give model=, so that only parameters count")
    return points


class Stacked(Sequence):
    """Several sequences as one; none is read before it is indexed."""

    def __init__(self, parts: Sequence[Sequence[Params]]):
        self.parts = parts
        self.ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> Params:  # pyrefly: ignore[bad-override]  (nobody takes slices)
        part = bisect_right(self.ends, index)
        return self.parts[part][index - self.ends[part] + len(self.parts[part])]


class Rows:
    """The differences of points from an origin as vectors, each made when it is indexed."""

    def __init__(self, name: str, points: Sequence[Params], origin: Params):
        self.name, self.points, self.origin = name, points, origin
        self.zero = as_vector(origin)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Float[Tensor, "n"]:
        point = self.points[index]
        if isinstance(point, Mapping):  # of a whole state_dict, only the tensors that the origin has
            point = {name: tensor for name, tensor in point.items() if name in self.origin}
        check_params(f"{self.name}[{index}]", point, self.origin)
        return as_vector({name: point[name] for name in self.origin}) - self.zero

    def __iter__(self) -> Iterator[Float[Tensor, "n"]]:
        return map(self.__getitem__, range(len(self)))

    def params(self, vector: Float[Tensor, "n"]) -> Params:
        """A vector as tensors like the origin's."""
        return formatted_like(unflatten(vector, self.origin), self.origin)

    def blocks(self, begin: int = 0) -> Iterator[tuple[slice, Float[Tensor, "block n"]]]:
        """A few rows at a time, each time with the slice that says which."""
        size = max(1, min(_BLOCK_POINTS, _BLOCK_BYTES // (self.zero.nbytes + 1)))
        for start in range(begin, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield part, torch.stack([self[i] for i in range(part.start, part.stop)])


def as_vector(params: Params) -> Float[Tensor, "n"]:
    """All entries in one vector on the CPU, in float32 or better."""
    vector = flatten(params).detach().cpu()
    return vector.to(torch.promote_types(vector.dtype, torch.float32))


def final_point(name: str, points: Sequence[Params]) -> Params:
    """A copy of the last point in float32 or better, so that float16 checkpoints are not rounded again."""
    if not len(points):
        raise ValueError(f"{name}: got no points")
    last = len(points) - 1
    point = points[last]
    if point == {}:
        raise ValueError(f"{name}[{last}]: it has no tensors")
    check_params(f"{name}[{last}]", point, point)
    final = {
        key: tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32), copy=True)
        for key, tensor in point.items()
    }
    return carrying(final, filter_fields_of(point))
