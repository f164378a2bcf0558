"""A function's work on a GPU, recorded once and replayed: without it, launching kernels is what takes the time."""

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

Function = Callable[..., None]
_WARM_UP = 3


class Recorder(Protocol):
    """What calls functions of tensors on a device, and records them."""

    def call(self, function: Function, tensors: Sequence[Tensor]) -> bool:
        """Call the function; whether it waited for the device meanwhile."""
        ...

    def record(self, function: Function, tensors: Sequence[Tensor]) -> Callable[[], None]:
        """What does the function's work again, at the values that these tensors have then."""
        ...


class Captured:
    """A function of tensors on a GPU, recorded as a CUDA graph in its fourth call and replayed from then on.

    A training step of ResNet-56 launches a few thousand kernels of some microseconds each, and Python launches them
    more slowly than the GPU computes them. A graph launches all of them at once. It keeps the memory of one call.

    What is replayed reads and writes the memory that it was recorded with. So the function must do the same work
    whatever the values are, write what it finds to tensors that stay, and give nothing back; its arguments are copied
    to where the recorded ones were. Arguments of other shapes (an epoch's last batch) are computed call by call. The
    first calls are too: libraries choose their algorithms and allocate then, which must not happen in a recording.

    A function that waits for the GPU, to read a number for example, cannot be recorded. That is found out before, for
    a recording that fails leaves torch in a state of its own. Such a function is called plainly, and a warning says so.

    Args:
        function: The function.
        recorder: What calls and records it; default the GPU.
    """

    def __init__(self, function: Function, recorder: Recorder | None = None):
        self._function, self._recorder = function, recorder or _Gpu()
        self._calls, self._waits, self._given = 0, False, []
        self._replay: Callable[[], None] | None = None

    def __call__(self, *tensors: Tensor) -> None:
        """Do the function's work at these arguments."""
        self._calls += 1
        if self._calls <= _WARM_UP:
            self._waits |= self._recorder.call(self._function, tensors)
            return None
        if self._calls == _WARM_UP + 1:
            self._try_to_record(tensors)
        if self._replay is None or [t.shape for t in tensors] != [t.shape for t in self._given]:
            return self._function(*tensors)
        for given, tensor in zip(self._given, tensors, strict=True):
            given.copy_(tensor)
        return self._replay()

    def _try_to_record(self, tensors: Sequence[Tensor]) -> None:
        if self._waits:
            return _warn("it waits for the GPU")
        given = [tensor.clone() for tensor in tensors]
        try:
            self._replay, self._given = self._recorder.record(self._function, given), given
        except RuntimeError as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # in a recording that could not be ended
                raise error.__context__ from None
            _warn(str(error))
        return None


def _warn(why: str) -> None:
    warnings.warn(
        f"training: a step cannot be recorded as a CUDA graph, so its kernels are launched one by one ({why})",
        stacklevel=3,
    )


class _Gpu:
    """Calls functions on a stream of their own, and records them as CUDA graphs there.

    One stream for all: libraries keep memory for each that they have seen. It is the one of the tensors' device, which
    need not be the current one: on another, kernels would run while nothing is recorded.
    """

    def call(self, function: Function, tensors: Sequence[Tensor]) -> bool:
        device = tensors[0].device
        with torch.cuda.device(device), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            stream, current = _stream(device), torch.cuda.current_stream()
            before = torch.cuda.get_sync_debug_mode()
            stream.wait_stream(current)
            torch.cuda.set_sync_debug_mode("warn")
            try:
                with torch.cuda.stream(stream):
                    function(*tensors)
            finally:
                torch.cuda.set_sync_debug_mode(before)
                current.wait_stream(stream)
        waits = [each for each in caught if "synchronizing" in str(each.message)]
        for each in caught:
            if each not in waits:
                warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        return bool(waits)

    def record(self, function: Function, tensors: Sequence[Tensor]) -> Callable[[], None]:
        device, graph = tensors[0].device, torch.cuda.CUDAGraph()
        with torch.cuda.device(device):
            before = torch.cuda.current_stream()
            try:
                with torch.cuda.graph(graph, stream=_stream(device)):
                    function(*tensors)
            finally:  # torch does not go back to it when a recording cannot be ended
                torch.cuda.set_stream(before)
        return graph.replay


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
