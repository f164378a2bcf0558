"""Convolutions in tiles are torch's in float64."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape_nb.engines.winograd.convolution import Convolution, mapped_filters
from landscape_nb.engines.winograd.kernel import fewest_products
from landscape_nb.engines.winograd.llvm import Processor

PROCESSORS = {"AVX-512": Processor(16, 32), "AVX2": Processor(8, 16), "any": Processor(4, 16)}

CHANNELS_LAST = torch.channels_last


@pytest.mark.parametrize("processor", PROCESSORS)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    inputs=st.sampled_from([8, 16, 24, 32, 64]),
    outputs=st.sampled_from([8, 16, 40, 48, 64]),
    size=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    count=st.integers(1, 30),
    relu=st.booleans(),
    bias=st.booleans(),
    added=st.booleans(),
    few=st.booleans(),
)
def test_a_convolution_in_tiles_is_the_convolution(
    processor, inputs, outputs, size, padding, count, relu, bias, added, few
):
    results = [pixels + 2 * zeros - 2 for pixels, zeros in zip(size, padding, strict=True)]
    if min(results) < 1:
        return
    generator = torch.Generator().manual_seed(0)
    images = drawn(generator, count, inputs, *size)
    weight = drawn(generator, outputs, inputs, 3, 3)
    shift = drawn(generator, outputs) if bias else None
    addition = drawn(generator, count, outputs, *results) if added else None
    products = fewest_products(*results, padding) if few else 6
    convolution = Convolution(products, padding, relu)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landscape_nb.engines.winograd.convolution.this_processor", lambda: PROCESSORS[processor])
        found = convolution(images, mapped_filters(weight, products), shift, addition)
    wanted = F.conv2d(images.double(), weight.double(), shift.double() if bias else None, padding=padding)
    wanted = wanted + (addition.double() if added else 0)
    size_of_sums = F.conv2d(images.abs(), weight.abs(), padding=padding) + 1
    wanted = wanted.relu() if relu else wanted
    assert found.shape == wanted.shape
    assert found.is_contiguous(memory_format=CHANNELS_LAST)
    assert (found - wanted).abs().max() < 1e-5 * size_of_sums.max()


def test_many_channels_are_multiplied_in_larger_blocks():
    generator = torch.Generator().manual_seed(0)
    images, weight = drawn(generator, 15, 264, 8, 9), drawn(generator, 256, 264, 3, 3)
    found = Convolution(6, (1, 1))(images, mapped_filters(weight, 6))
    wanted = F.conv2d(images.double(), weight.double(), padding=1)
    np.testing.assert_allclose(found, wanted, atol=5e-3)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, 1e38])
def test_what_is_not_finite_is_not_hidden_by_relu(bad):
    images = torch.ones(1, 16, 8, 8)
    images[0, 3, 2, 5] = bad
    weight = torch.full((16, 16, 3, 3), 100.0)
    assert not F.conv2d(images, weight, padding=1).isfinite().all()
    found = Convolution(6, (1, 1), relu=True)(images, mapped_filters(weight, 6))
    assert not found.isfinite().all()
    assert not F.conv2d(images, weight, padding=1).isfinite().all(1)[found.isfinite().all(1)].logical_not().any()


def test_results_in_kept_memory_may_replace_what_is_added():
    generator = torch.Generator().manual_seed(0)
    images, weight = drawn(generator, 5, 16, 9, 9), drawn(generator, 16, 16, 3, 3)
    filters = mapped_filters(weight, 6)
    first = Convolution(6, (1, 1), buffer=1)(images, filters)
    wanted = first + Convolution(6, (1, 1))(images, filters)
    second = Convolution(6, (1, 1), buffer=1)(images, filters, added=first)
    assert second.data_ptr() == first.data_ptr()
    torch.testing.assert_close(second, wanted)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_several_threads_share_the_images(count):
    generator = torch.Generator().manual_seed(0)
    images, addition = drawn(generator, count, 16, 9, 9), drawn(generator, count, 24, 9, 9)
    filters, shift = mapped_filters(drawn(generator, 24, 16, 3, 3), 6), drawn(generator, 24)
    convolution, before, found = Convolution(6, (1, 1), relu=True), torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(convolution(images, filters, shift, addition))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert all(torch.equal(results, found[0]) for results in found)


def test_threads_have_memory_of_their_own():
    generator = torch.Generator().manual_seed(0)
    filters = mapped_filters(drawn(generator, 16, 16, 3, 3), 6)
    sets = [drawn(generator, 40, 16, 8, 8) for _ in range(8)]
    wanted = [Convolution(6, (1, 1))(images, filters).sum() for images in sets]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = list(pool.map(lambda images: Convolution(6, (1, 1), buffer=0)(images, filters).sum(), sets))
            assert found == wanted
