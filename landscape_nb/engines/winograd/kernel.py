"""3×3 convolutions, computed with fewer products: Winograd's minimal filtering.

An image is cut into tiles of m×m results. A tile needs (m + 2)² pixels. They, and the 3×3 filter, are each mapped
linearly to (m + 2)² numbers; these are multiplied, summed over channels, and mapped back: (m + 2)² products for
m² results instead of 9 m², a quarter of them for m = 4. The maps have small entries, so that float32 still
has five correct digits. (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
section 4, give the maps for m = 2 and m = 4.) An image of 2×2 pixels with a padding of 1 takes nine products: in
one direction, w₁ (x₀ + x₁) is part of both its results.

Images are channels-last, and a vector holds neighbouring channels of one pixel. What comes after a
convolution in a residual network, a bias, a sum and a ReLU, is done before a tile is written.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from landscape_nb.engines.winograd.llvm import INTEGER, NUMBER, POINTER, Processor, Value, Writer

_FEW_WEIGHTS = 256 * 256
"""With more weights, filters do not stay in the cache: then larger blocks of tiles are multiplied each time they are
read."""
_BLOCK, _LARGE_BLOCK = 12, 48
_MOST_KERNELS = 256
"""Kernels that are kept; a third of a second to make, half a megabyte each."""


def fewest_products(rows: int, columns: int, padding: tuple[int, int]) -> int:
    """How many products a tile has in each direction, for the tiles with which such an image takes the fewest.

    Example:
        >>> fewest_products(8, 8, (1, 1)), fewest_products(5, 5, (0, 0)), fewest_products(2, 2, (1, 1))
        (6, 6, 3)
    """
    if (rows, columns, *padding) == (2, 2, 1, 1):
        return 3
    return min((6, 4), key=lambda products: tiles_of(rows, columns, products) * products**2)


def tiles_of(rows: int, columns: int, products: int) -> int:
    """How many tiles an image with so many results has.

    Example:
        >>> tiles_of(8, 6, products=6)
        4
    """
    return math.prod(-(-size // TILES[products].results) for size in (rows, columns))


@lru_cache(_MOST_KERNELS)
def kernel(inputs: int, outputs: int, products: int, processor: Processor) -> tuple[Callable, int]:
    """The function that convolves with this number of channels, and the size of its scratch buffer in floats."""
    kernel = _Kernel(inputs, outputs, TILES[products], processor)
    return kernel.writer.compiled(), kernel.scratch


class Tile(NamedTuple):
    """The maps of a tile, each for one direction."""

    results: int
    pixels: int
    first: int
    """The tile's first pixel, counted from the first pixel under the filter of the tile's first result."""
    filter_map: list[list[float]]
    map_pixels: Callable[..., tuple[Value, ...]]
    map_sums: Callable[..., tuple[Value, ...]]


# The maps for m = 4 evaluate polynomials at 0, ±1, ±2 and ∞ (Cook and Toom). The even and odd parts at x and −x are
# computed once for both, which is why sums and differences come in pairs.
def _map_6_pixels(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value) -> tuple[Value, ...]:
    even, odd = e - 4 * c, d - 4 * b
    apart, twice = e - c, 2 * (d - b)
    return 4 * a - 5 * c + e, even + odd, even - odd, apart + twice, apart - twice, 4 * b - 5 * d + f


def _map_4_pixels(a: Value, b: Value, c: Value, d: Value) -> tuple[Value, ...]:
    return a - c, b + c, c - b, b - d


def _map_6_sums(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value) -> tuple[Value, ...]:
    near, far, near_apart, far_apart = b + c, d + e, b - c, d - e
    return a + near + far, near_apart + 2 * far_apart, near + 4 * far, near_apart + 8 * far_apart + f


def _map_4_sums(a: Value, b: Value, c: Value, d: Value) -> tuple[Value, ...]:
    return a + b + c, b - c - d


def _map_2_pixels(a: Value, b: Value) -> tuple[Value, ...]:
    return a + b, b, a


def _map_3_sums(a: Value, b: Value, c: Value) -> tuple[Value, ...]:
    return a + b, a + c


TILES = {
    6: Tile(
        4,
        6,
        0,
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        _map_6_pixels,
        _map_6_sums,
    ),
    4: Tile(2, 4, 0, [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]], _map_4_pixels, _map_4_sums),
    3: Tile(2, 2, 1, [[0, 1, 0], [0, -1, 1], [1, -1, 0]], _map_2_pixels, _map_3_sums),
}


class _Kernel:
    """The convolution as code: block after block of tiles is mapped, multiplied, and mapped back."""

    def __init__(self, inputs: int, outputs: int, tile: Tile, processor: Processor):
        self.inputs, self.outputs, self.tile = inputs, outputs, tile
        self.products = len(tile.filter_map)
        self.lanes = next(lanes for lanes in (processor.lanes, 8) if not (inputs % lanes or outputs % lanes))
        most = 4 if processor.registers == 32 else 2
        self.vectors = next(v for v in range(most, 0, -1) if not outputs // self.lanes % v)
        # All sums of the innermost loop (`_multiply`) have to stay in registers, beside the weights and one pixel.
        free = processor.registers - self.vectors - 1
        self.together = next(tiles for tiles in (12, 6) if tiles * self.vectors <= free)
        self.block = _BLOCK if inputs * outputs <= _FEW_WEIGHTS else _LARGE_BLOCK
        floats = self.products**2 * self.block
        self.scratch = floats * (inputs + outputs)
        self.writer = Writer([POINTER] * 7 + [NUMBER] + [INTEGER] * 8, self.lanes)
        (self.images, self.filters, self.bias, self.added, self.zeros, self.results, self.mapped, floor,
         self.count, self.height, self.width, self.rows, self.columns, self.above, self.left,
         self.added_step) = self.writer.arguments  # fmt: skip
        self.floor = self.writer.spread(floor)
        self.multiplied = self.writer.at(self.mapped, floats * inputs)
        self._write()

    def _write(self) -> None:
        writer = self.writer
        self.down, self.across = (
            (size + (self.tile.results - 1)) // self.tile.results for size in (self.rows, self.columns)
        )
        tiles = self.count * self.down * self.across
        with writer.loop(tiles, self.block) as first:
            left = tiles - first
            here = writer.choose(left < self.block, left, self.block)
            with writer.loop(here) as at:
                self._map_pixels(first + at, at)
            with writer.loop(self.products**2) as product:
                self._multiply(product, here)
            with writer.loop(here) as at:
                self._map_back(first + at, at)

    def _position(self, number: Value) -> tuple[Value, Value, Value]:
        """A tile's image, and the row and column of its first result."""
        tile_row, across = number // self.across, number % self.across
        return tile_row // self.down, tile_row % self.down * self.tile.results, across * self.tile.results

    def _map_pixels(self, number: Value, at: Value) -> None:
        """Map the pixels of a tile; those outside of the image are zeros.

        Integers are unsigned: a row above the image wraps around to a huge number, so that one comparison with the
        height tells rows above it and below it. Outside, the address is replaced before anything is read from it.
        """
        writer = self.writer
        image, row, column = self._position(number)
        pixels, map_pixels = range(self.tile.pixels), self.tile.map_pixels
        rows = [row + (r + self.tile.first) - self.above for r in pixels]
        columns = [column + (c + self.tile.first) - self.left for c in pixels]
        inside = [[(r < self.height) & (c < self.width) for c in columns] for r in rows]
        with writer.loop(self.inputs, self.lanes) as channel:

            def pixel(r: int, c: int) -> Value:
                offset = ((image * self.height + rows[r]) * self.width + columns[c]) * self.inputs + channel
                return writer.load(writer.choose(inside[r][c], writer.at(self.images, offset), self.zeros))

            by_column = [map_pixels(*(pixel(r, c) for r in pixels)) for c in pixels]
            for r, row_of in enumerate(zip(*by_column, strict=True)):
                for c, value in enumerate(map_pixels(*row_of)):
                    offset = ((r * self.products + c) * self.block + at) * self.inputs + channel
                    writer.store(value, writer.at(self.mapped, offset))

    def _multiply(self, product: Value, here: Value) -> None:
        """Multiply matrices: for one of the products, tiles × inputs by inputs × outputs.

        Nearly all of the time is spent here. A step of the innermost loop loads a few vectors of weights and spreads
        one number of each of several tiles: every loaded weight is used for all these tiles, every number for all the
        vectors, and the sums stay in registers until the loop ends. With one sum too many for the registers they
        would go to memory at every step: the results would be the same, several times later.
        The last step over tiles may go past the block's last tile, into what an earlier block left in the buffer: the
        block's length is a multiple of the step, so that this is within the buffer, and it is not mapped back.
        """
        writer, lanes = self.writer, self.lanes
        mapped = writer.at(self.mapped, product * (self.block * self.inputs))
        filters = writer.at(self.filters, product * (self.inputs * self.outputs))
        multiplied = writer.at(self.multiplied, product * (self.block * self.outputs))
        each = [(t, v) for t in range(self.together) for v in range(self.vectors)]
        with writer.loop(self.outputs, self.vectors * lanes) as output, writer.loop(here, self.together) as tile:
            sums = [writer.numbers(0)] * len(each)
            with writer.loop(self.inputs, carried=sums) as channel:
                weights = [
                    writer.load(writer.at(filters, channel * self.outputs + output + v * lanes))
                    for v in range(self.vectors)
                ]
                values = [
                    writer.spread(writer.at(mapped, (tile + t) * self.inputs + channel)) for t in range(self.together)
                ]
                sums[:] = [values[t] * weights[v] + total for (t, v), total in zip(each, sums, strict=True)]
            for (t, v), total in zip(each, sums, strict=True):
                writer.store(total, writer.at(multiplied, (tile + t) * self.outputs + output + v * lanes))

    def _map_back(self, number: Value, at: Value) -> None:
        """Map the sums of a tile to its results, with bias, what is added, and ReLU.

        If nothing is added, the step is 0, and zeros are read again and again. Without ReLU the floor is −∞; NaN is
        not below any floor, and stays.
        """
        writer, products, map_sums = self.writer, range(self.products), self.tile.map_sums
        image, row, column = self._position(number)
        with writer.loop(self.outputs, self.lanes) as channel:
            bias = writer.load(writer.at(self.bias, channel))

            def summed(r: int, c: int) -> Value:
                offset = ((r * self.products + c) * self.block + at) * self.outputs + channel
                return writer.load(writer.at(self.multiplied, offset))

            by_column = [map_sums(*(summed(r, c) for r in products)) for c in products]
            for r, row_of in enumerate(zip(*by_column, strict=True)):
                for c, value in enumerate(map_sums(*row_of)):
                    inside = (row + r < self.rows) & (column + c < self.columns)
                    offset = ((image * self.rows + row + r) * self.columns + column + c) * self.outputs + channel
                    with writer.when(inside):
                        total = value + bias + writer.load(writer.at(self.added, offset * self.added_step))
                        floored = writer.choose(total < self.floor, self.floor, total)
                        writer.store(floored, writer.at(self.results, offset))
