"""3×3 convolutions of images in tiles, with the sum and the ReLU that may follow, in buffers that threads keep."""

import threading
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise, starmap

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from landscape_nb.engines.threads import one_thread_each
from landscape_nb.engines.winograd.kernel import TILES, kernel
from landscape_nb.engines.winograd.llvm import Processor, this_processor

_ANY_PROCESSOR = Processor(4, 16)
_MOST_KEPT = 2**21
_ZEROS = torch.zeros(16, dtype=torch.float32)


@dataclass(frozen=True)
class Convolution:
    """A 3×3 convolution of stride 1 in tiles, with what may follow it: a sum with other images, a ReLU.

    Args:
        products: How many products a tile takes in each direction: 6 for 4×4 results, 4 for 2×2, and 3
            for an image that has 2×2 pixels and results.
        padding: Rows and columns of zeros around the images.
        relu: Whether negative results become 0 (NaN stays NaN).
        buffer: Where results are written: into new memory (None), or into the buffer with this number, one of
            those that the thread keeps. `added` may be in it, but the images may not.

    Example:
        >>> images, weight = torch.randn(2, 16, 8, 8), torch.randn(32, 16, 3, 3)
        >>> convolution = Convolution(products=6, padding=(1, 1), relu=True)
        >>> if convolution.takes(weight):
        ...     found = convolution(images, mapped_filters(weight, 6))
        ...     wanted = torch.conv2d(images, weight, padding=1).relu()
        ...     assert torch.allclose(found, wanted, atol=1e-3)
    """

    products: int
    padding: tuple[int, int] = (0, 0)
    relu: bool = False
    buffer: int | None = None

    @staticmethod
    def takes(weight: Tensor) -> bool:
        """Whether this weight can be convolved so: 3×3, single precision, channels that fill vectors, an AVX2 CPU."""
        if this_processor() is None or weight.dtype is not torch.float32 or weight.device.type != "cpu":
            return False
        return weight.shape[2:] == (3, 3) and not (weight.shape[0] % 8 or weight.shape[1] % 8)

    def __call__(
        self,
        images: Float[Tensor, "n inputs height width"],
        weight: Float[Tensor, "products inputs outputs"],
        bias: Float[Tensor, "outputs"] | None = None,
        added: Shaped[Tensor, "n outputs rows columns"] | None = None,
    ) -> Float[Tensor, "n outputs rows columns"]:
        """The convolution's results, channels-last.

        Args:
            images: What is convolved.
            weight: The filters, as `mapped_filters` gives them.
            bias: What is added to each channel.
            added: What is added to the results, before the ReLU; in any number format.
        """
        (count, _, height, width), outputs = images.shape, weight.shape[2]
        rows, columns = height + 2 * self.padding[0] - 2, width + 2 * self.padding[1] - 2
        results = _BUFFERS.get(self.buffer, count * rows * columns * outputs).view(count, rows, columns, outputs)
        images = _channels_last(images)
        bias = images.new_zeros(outputs) if bias is None else bias.contiguous()
        added = None if added is None else _channels_last(added)
        work = partial(self._convolve, images, weight, bias, added, results)
        threads = min(torch.get_num_threads(), count)
        if threads < 2:
            work(slice(0, count))
        else:
            edges = [count * thread // threads for thread in range(threads + 1)]
            list(one_thread_each(threads).map(work, starmap(slice, pairwise(edges))))
        return results.permute(0, 3, 1, 2)

    def _convolve(
        self, images: Tensor, weight: Tensor, bias: Tensor, added: Tensor | None, results: Tensor, part: slice
    ) -> None:
        """Write the results of some of the images."""
        run, scratch = kernel(*weight.shape[1:], self.products, this_processor() or _ANY_PROCESSOR)
        addition = _ZEROS if added is None else added[part]
        buffer = _BUFFERS.get("scratch", scratch)
        tensors = images[part], weight, bias, addition, _ZEROS, results[part], buffer
        sizes = part.stop - part.start, *images.shape[2:], *results.shape[1:3], *self.padding, int(added is not None)
        run(*(tensor.data_ptr() for tensor in tensors), 0.0 if self.relu else -torch.inf, *sizes)


class _Buffers(threading.local):
    """Buffers that a thread uses again.

    The operating system clears new memory page by page as it is first written, which takes longer than a small
    convolution. The price: what is in a buffer lasts only until the thread's next call with the same name. Whoever
    names a buffer has to know that nobody reads the old results any more (`graph_pass` does).
    """

    def __init__(self):
        self.kept: dict[int | str, Tensor] = {}

    def get(self, name: int | str | None, floats: int) -> Float[Tensor, "floats"]:
        """A buffer of this length; new memory each time if it does not have a name, or is large."""
        if name is None or floats > _MOST_KEPT:
            return torch.empty(floats, dtype=torch.float32)
        if name not in self.kept or len(self.kept[name]) < floats:
            self.kept[name] = torch.empty(floats, dtype=torch.float32)
        return self.kept[name][:floats]


_BUFFERS = _Buffers()


def _channels_last(images: Tensor) -> Float[Tensor, "n channels height width"]:
    """The images in one dense block of memory (`Tensor.to(memory_format=…)` keeps the strides of a part of images)."""
    return images.to(torch.float32).contiguous(memory_format=torch.channels_last)


def mapped_filters(
    weight: Float[Tensor, "outputs inputs 3 3"], products: int
) -> Float[Tensor, "{products**2} inputs outputs"]:
    """The filters in the form that a tile's mapped pixels are multiplied with.

    Example:
        >>> mapped_filters(torch.randn(32, 16, 3, 3), 6).shape
        torch.Size([36, 16, 32])
    """
    return (_filter_map(products) @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, *weight.shape[1::-1])


@cache
def _filter_map(products: int) -> Float[Tensor, "{products**2} 9"]:
    maps = torch.tensor(TILES[products].filter_map, dtype=torch.float64)
    return torch.kron(maps, maps).float()
