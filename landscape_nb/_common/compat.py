"""Private names of other libraries, which may change with any version of them; no other module uses one.

Where a name is gone, an import here fails at once and says which. What each is for stands beside it.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import joblib
import torch
from torch import Tensor, nn
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

# The base classes of layers: nn has BatchNorm1d, 2d, 3d and SyncBatchNorm, but no public name for all of them.
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm
from torch.nn.modules.conv import _ConvNd as AnyConv
from torch.nn.modules.conv import _ConvTransposeNd as AnyConvTranspose

# What `DispatchMode` is made of, and what tells plain tensors from others.
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, is_traceable_wrapper_subclass

# Nested containers of tensors: torch has no public functions for them.
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_structure

__all__ = [
    "AnyBatchNorm",
    "AnyConv",
    "AnyConvTranspose",
    "DispatchMode",
    "children_of",
    "forward_hooks_of",
    "fused_weight_norm",
    "hooks_of",
    "inner_adaptive_avg_pool2d",
    "is_compiled",
    "is_traceable_wrapper_subclass",
    "number_of_workers",
    "own_buffers_of",
    "own_parameters_of",
    "plain_tensors",
    "pre_hooks_of",
    "schema_of",
    "storage_id",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_structure",
    "unwrapped",
    "version_of",
]

fused_weight_norm = torch._weight_norm
"""What the hook and the parametrization of weight normalization call; its second derivative is wrong."""

inner_adaptive_avg_pool2d = torch._C._nn.adaptive_avg_pool2d
"""What `F.adaptive_avg_pool2d` calls, which stands in its place in a recorded forward pass."""

WRAPPED_BY_COMPILE = "_orig_mod"
"""The name under which `torch.compile`'s module has the one that it compiled."""


class DispatchMode(TorchDispatchMode):
    """A base of modes that see each operation below autograd, where it reads and writes memory.

    Torch would wrap a subclass's `__torch_dispatch__` to keep its compiler out of it, and would import the compiler for
    that: 150 MB and two seconds.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def version_of(tensor: Tensor) -> int:
    """How often a tensor was written in place; an inference tensor is not counted.

    Example:
        >>> version_of(torch.zeros(2).add_(1))
        1
    """
    return 0 if tensor.is_inference() else tensor._version


def storage_id(tensor: Tensor) -> int:
    """A number that two tensors share exactly if they share their memory, while one of them is alive.

    `data_ptr()` would be the same for all tensors without memory, such as those of torch's fake mode.

    Example:
        >>> whole = torch.zeros(2)
        >>> storage_id(whole) == storage_id(whole[1:])
        True
    """
    return tensor.untyped_storage()._cdata


def own_parameters_of(module: nn.Module) -> dict[str, nn.Parameter | None]:
    """A module's own parameters, those that are None too, which `named_parameters` leaves out."""
    return module._parameters


def own_buffers_of(module: nn.Module) -> dict[str, Tensor | None]:
    """A module's own buffers, those that are None too, which `named_buffers` leaves out."""
    return module._buffers


def children_of(module: nn.Module) -> dict[str, nn.Module | None]:
    """A module's children under every name: `named_children` names a child once, and leaves None out."""
    return module._modules


def pre_hooks_of(module: nn.Module) -> Iterable[Any]:
    """What a module calls before its forward pass; torch offers to add hooks, not to see them."""
    return module._forward_pre_hooks.values()


def forward_hooks_of(module: nn.Module) -> Iterable[Any]:
    """What a module calls after its forward pass."""
    return module._forward_hooks.values()


def hooks_of(module: nn.Module) -> Iterable[Any]:
    """What a module calls before and after its forward and its backward pass.

    Example:
        >>> list(hooks_of(nn.ReLU()))
        []
    """
    backward = (module._backward_pre_hooks, module._backward_hooks)
    return [*pre_hooks_of(module), *forward_hooks_of(module), *(hook for hooks in backward for hook in hooks.values())]


def is_compiled(function: Any) -> bool:
    """Whether a function was made by `torch.compile`.

    Example:
        >>> is_compiled(torch.relu)
        False
    """
    return hasattr(function, "_torchdynamo_orig_callable")


def schema_of(operation: Any) -> Any:
    """What one of torch's operations says of its arguments: which of them it writes, and which are views."""
    return operation._schema


def unwrapped(tensor: Tensor) -> Tensor:
    """The tensor itself, where `vmap` or `grad` has wrapped it, however often.

    Example:
        >>> unwrapped(torch.ones(1))
        tensor([1.])
    """
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


@contextlib.contextmanager
def plain_tensors() -> Iterator[None]:
    """Keeps out what would answer in a tensor's place: its class's `__torch_function__`, active modes and transforms.

    Under `vmap` or `grad` every operation, `detach` too, would wrap an ordinary tensor again.

    Example:
        >>> with plain_tensors():
        ...     torch.ones(1).numpy()
        array([1.], dtype=float32)
    """
    transforms = temporarily_clear_interpreter_stack()
    with torch.no_grad(), torch._C.DisableTorchFunctionSubclass(), _disable_current_modes(), transforms:
        yield


def number_of_workers(parallel: joblib.Parallel) -> int:
    """How many processes joblib would use, of which its public functions tell only a backend's most.

    Example:
        >>> number_of_workers(joblib.Parallel(1))
        1
    """
    return parallel._effective_n_jobs()  # pyrefly: ignore[bad-return]  (joblib has no annotations)
