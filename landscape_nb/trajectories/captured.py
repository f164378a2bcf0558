"""A function's work on a GPU, recorded once and replayed: without it, launching kernels is what takes the time."""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_WARM_UP = 3


class Captured:
    """A function of tensors on a GPU, recorded as a CUDA graph in its fourth call and replayed from then on.

    A training step of ResNet-56 launches a few thousand kernels of some microseconds each, and Python launches them
    more slowly than the GPU computes them. A graph launches all of them at once.

    What is replayed reads and writes the memory that it was recorded with. So the function must do the same work
    whatever the values are, write what it finds to tensors that stay, and give nothing back; its arguments are copied
    to where the recorded ones were. Arguments of other shapes (an epoch's last batch) are computed call by call. The
    first calls are too, on a stream of their own: libraries choose their algorithms and allocate then, which must not
    happen while a graph is recorded.

    A function that cannot be recorded, one that reads a number from the GPU for example, is called plainly, and a
    warning says why.

    Args:
        function: The function.
        record: `record(function, tensors)` returns what replays the function at the tensors; default a CUDA graph.
        aside: What calls the function before it is recorded; default on a stream of its own.
    """

    def __init__(
        self,
        function: Callable[..., None],
        record: Callable[[Callable[..., None], Sequence[Tensor]], Callable[[], None]] | None = None,
        aside: Callable[..., None] | None = None,
    ):
        self._function, self._record, self._aside = function, record or _cuda_graph, aside or _on_own_stream
        self._calls, self._given = 0, []
        self._replay: Callable[[], None] | None = None

    def __call__(self, *tensors: Tensor) -> None:
        """Do the function's work at these arguments."""
        self._calls += 1
        if self._calls <= _WARM_UP:
            return self._aside(self._function, *tensors)
        if self._calls == _WARM_UP + 1:
            self._try_to_record(tensors)
        if self._replay is None or [t.shape for t in tensors] != [t.shape for t in self._given]:
            return self._function(*tensors)
        for given, tensor in zip(self._given, tensors, strict=True):
            given.copy_(tensor)
        return self._replay()

    def _try_to_record(self, tensors: Sequence[Tensor]) -> None:
        given = [tensor.clone() for tensor in tensors]
        try:
            self._replay, self._given = self._record(self._function, given), given
        except RuntimeError as error:
            warnings.warn(
                f"training: a step cannot be recorded as a CUDA graph; its kernels are launched one by one ({error})",
                stacklevel=2,
            )


def _cuda_graph(function: Callable[..., None], tensors: Sequence[Tensor]) -> Callable[[], None]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(*tensors)
    return graph.replay


def _on_own_stream(function: Callable[..., None], *tensors: Tensor) -> None:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        function(*tensors)
    torch.cuda.current_stream().wait_stream(stream)
