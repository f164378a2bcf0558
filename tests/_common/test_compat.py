"""Private names of other libraries do what their users need of them, with the versions that are installed."""

import subprocess
import sys

import joblib
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from landscape_nb._common import compat


def test_every_name_is_there():
    assert all(hasattr(compat, name) for name in compat.__all__)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm])
def test_batch_norms_have_one_base(kind):
    assert issubclass(kind, compat.AnyBatchNorm)
    assert not issubclass(nn.LayerNorm, compat.AnyBatchNorm)


def test_convolutions_have_one_base_and_transposed_ones_another():
    plain, transposed = [nn.Conv1d, nn.Conv2d, nn.Conv3d], [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
    assert all(issubclass(kind, compat.AnyConv) for kind in plain + transposed)
    assert [issubclass(kind, compat.AnyConvTranspose) for kind in plain + transposed] == [False] * 3 + [True] * 3


def test_versions_count_what_is_written_in_place_through_views_too():
    tensor = torch.zeros(4)
    before = compat.version_of(tensor)
    _ = tensor + 1
    assert compat.version_of(tensor) == before
    tensor[1:].mul_(2)
    tensor.add_(1)
    assert compat.version_of(tensor) == before + 2
    with torch.inference_mode():
        assert compat.version_of(torch.zeros(2).add_(1)) == 0


def test_memory_is_known_by_a_number():
    one, other = torch.zeros(4), torch.zeros(4)
    assert compat.storage_id(one) == compat.storage_id(one.view(2, 2)[1:]) == compat.storage_id(one.detach())
    assert compat.storage_id(one) != compat.storage_id(other)
    meta = [torch.zeros(4, device="meta") for _ in range(2)]
    assert meta[0].data_ptr() == meta[1].data_ptr()
    assert compat.storage_id(meta[0]) != compat.storage_id(meta[1])


def test_what_a_module_has_is_seen_with_what_is_none():
    module = nn.Module()
    module.first = module.again = nn.Linear(2, 1, bias=False)
    module.register_module("absent", None)
    module.register_buffer("kept", torch.ones(1))
    module.register_buffer("unset", None)
    assert dict(module.named_children()).keys() == {"first"}
    assert compat.children_of(module) == {"first": module.first, "again": module.first, "absent": None}
    assert list(compat.own_buffers_of(module)) == ["kept", "unset"]
    assert list(compat.own_parameters_of(module.first)) == ["weight", "bias"]
    assert compat.own_parameters_of(module.first)["bias"] is None


def test_hooks_are_seen():
    def before(*_):
        pass

    def after(*_):
        pass

    module = nn.Linear(2, 1)
    assert not [*compat.pre_hooks_of(module), *compat.forward_hooks_of(module)]
    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)
    assert list(compat.pre_hooks_of(module)) == [before]
    assert list(compat.forward_hooks_of(module)) == [after]


def test_what_was_compiled_is_known():
    """Nothing is compiled before the first call."""
    assert compat.is_compiled(torch.compile(F.relu, backend="eager"))
    assert not compat.is_compiled(F.relu)
    assert compat.WRAPPED_BY_COMPILE in compat.children_of(torch.compile(nn.Linear(2, 1), backend="eager"))


def test_an_operation_says_what_it_writes():
    written = [
        bool(each.alias_info and each.alias_info.is_write)
        for each in compat.schema_of(torch.ops.aten.add_.Tensor).arguments
    ]
    assert written == [True, False, False]
    assert not any(each.alias_info for each in compat.schema_of(torch.ops.aten.add.Tensor).arguments)


def test_operations_are_seen_below_autograd():
    seen = []

    class Watching(compat.DispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(function)
            return function(*args, **(kwargs or {}))

    tensor = torch.ones(2, requires_grad=True)
    with Watching():
        _ = tensor * 2
    assert seen == [torch.ops.aten.mul.Tensor]


def test_a_mode_that_sees_operations_does_not_import_torchs_compiler():
    lines = [
        "import sys, torch",
        "from landscape_nb._common.compat import DispatchMode",
        "class Watching(DispatchMode):",
        "    def __torch_dispatch__(self, function, types, args=(), kwargs=None):",
        "        return function(*args, **(kwargs or {}))",
        "with Watching():",
        "    torch.ones(1) + 1",
        "print('torch._dynamo' in sys.modules)",
    ]
    ran = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_wrapped_tensors_are_unwrapped_however_often(depth):
    values, seen = torch.arange(8.0).view(2, 2, 2), []

    def look(x):
        with compat.plain_tensors():
            seen.append(compat.unwrapped(x).numpy().tolist())
            torch.ones(1).detach().numpy()  # of a tensor that a transform wrapped, there is no array
        return x * 2

    for _ in range(depth):
        look = torch.vmap(look)
    look(values)
    torch.func.grad(lambda x: look(x).sum())(values)
    assert seen == [values.tolist()] * 2
    assert compat.unwrapped(values) is values


def test_plain_tensors_end_with_the_block():
    class Loud(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            raise RuntimeError("answered in its place")

    loud = torch.ones(2).as_subclass(Loud)
    with compat.plain_tensors():
        assert not torch.is_grad_enabled()
        assert float(torch.sum(loud)) == 2
    assert torch.is_grad_enabled()
    with pytest.raises(RuntimeError, match="in its place"):
        torch.sum(loud)


def test_containers_are_opened_in_their_order():
    nested = {"a": [1, (2, None)], "b": {"c": 3}}
    assert compat.tree_leaves(nested) == [1, 2, None, 3]
    assert compat.tree_map(lambda x: [x, x], {"a": (1, 2)}) == {"a": ([1, 1], [2, 2])}
    leaves, structure = compat.tree_flatten(nested)
    assert leaves == compat.tree_leaves(nested)
    assert structure == compat.tree_structure({"a": [0, (0, 0)], "b": {"c": 0}})
    assert structure != compat.tree_structure({"a": [0, [0, 0]], "b": {"c": 0}})


def test_what_torch_calls_inside_is_what_it_says():
    generator = torch.Generator().manual_seed(0)
    v, g = (torch.randn(3, size, generator=generator) for size in (4, 1))
    torch.testing.assert_close(compat.fused_weight_norm(v, g, 0), g * v / v.norm(dim=1, keepdim=True))
    layer = parametrizations.weight_norm(nn.Linear(4, 3))
    parts = layer.parametrizations.weight
    torch.testing.assert_close(compat.fused_weight_norm(parts.original1, parts.original0, 0), layer.weight)
    image = torch.randn(1, 2, 4, 4, generator=generator)
    torch.testing.assert_close(compat.inner_adaptive_avg_pool2d(image, 1), image.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("count", [1, 3])
def test_joblib_says_how_many_processes_it_would_use(count):
    assert compat.number_of_workers(joblib.Parallel(count)) == count
    with joblib.parallel_config(n_jobs=count):
        assert compat.number_of_workers(joblib.Parallel()) == count


def test_wrapper_classes_that_can_be_traced_are_known():
    class Wrapper(torch.Tensor):
        def __tensor_flatten__(self):
            return [], None

        @staticmethod
        def __tensor_unflatten__(inner, context, size, stride):
            raise NotImplementedError

    assert compat.is_traceable_wrapper_subclass(torch.ones(1).as_subclass(Wrapper))
    assert not compat.is_traceable_wrapper_subclass(torch.ones(1))
