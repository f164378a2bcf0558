"""An objective with convolutions made faster, its values the same: recorded calls are replayed with batch
norm folded into convolutions, 3×3 ones in tiles, on images laid out and batched as the processor likes.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from landscape_nb._common.rng import preserved_rng
from landscape_nb.engines.fold_batch_norm import Fold, folded, in_place
from landscape_nb.engines.graph import Program, State, UnreplayableError, record
from landscape_nb.engines.onednn_layout import in_blocks
from landscape_nb.objective.batches import Batches, is_pair
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.params import Affine, unflatten

if TYPE_CHECKING:
    from landscape_nb.engines.winograd.graph_pass import MappedFilters

_CACHE = {torch.channels_last: 6 * 2**20, torch.contiguous_format: 2 * 2**20}
"""Bytes that a convolution may read and write; measured to be fastest, with either layout."""
_SMALLEST_CHANNELS_LAST = 16 * 16
_ENLARGED = 1000
_OVERFLOWS = "activations overflow"
_MOST_PREPARED = 2**20
"""Numbers that are kept for a line's or plane's origin and each direction, so that points take a sum of them."""


class Streamlined(Objective):
    """An objective that replays its model's calls; its values are to be compared with the plain ones.

    Args:
        objective: What is measured: convolutions on pairs of tensors, with frozen batch norm.
        differentiable: Leave the batches as they are, instead of making them fit the processor's cache,
            and use nothing but what torch can differentiate twice.
        tiles: Compute 3×3 convolutions in tiles, where this processor can.

    Raises:
        UnreplayableError: The model has no convolution, or its calls cannot be recorded.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        >>> objective = Objective(model, (torch.randn(8, 1, 25, 25), torch.zeros(8, dtype=torch.long)))
        >>> faster = Streamlined(objective)
        >>> [call.function.__name__ for program in faster.programs.values() for call in program.calls]
        ['conv2d', 'flatten']
    """

    def __init__(self, objective: Objective, differentiable: bool = False, tiles: bool = True):
        if objective.batch_norm != "frozen" or objective.findings.only_plain:
            raise UnreplayableError(objective.findings.only_plain or "batch norm is recalibrated")
        batches = [batch for group in objective.groups.values() for batch in group.batches]
        if objective.forward or not all(is_pair(b) and isinstance(b[0], Tensor) for b in batches):
            raise UnreplayableError("the data are no pairs of tensors")
        self.__dict__.update(objective.__dict__)
        self.plain = objective
        images = batches[0][0]
        self.folds: dict[str, Fold] = {}
        self.filters: dict[str, MappedFilters] = {}
        self.programs: dict[torch.Size, Program] = {}
        self.in_plain: dict[torch.Size, Program] = {}
        first = self._folded(images)
        if not first.busiest:
            raise UnreplayableError("no convolutions")
        if tiles and not differentiable:
            self._in_tiles(first)
        large = images.ndim == 4 and images[0, 0].numel() >= _SMALLEST_CHANNELS_LAST
        self.layout = torch.channels_last if large or self.filters else torch.contiguous_format
        self.blocked = self.layout is torch.contiguous_format and not differentiable and _has_blocks(images)
        if all(objective.sample_measures.values()) and not differentiable:
            size = max(1, _CACHE[self.layout] * len(images) // first.busiest)
            self.groups = {name: group.rearranged(size, self.layout) for name, group in self.groups.items()}
            self.data = self.groups[""]
        self.probe = _brightest(batch[0] for batch in batches if batch[0].shape[1:] == images.shape[1:]) * _ENLARGED
        self._record()

    def _record(self) -> None:
        """Make programs for the shapes of all batches and of the probe."""
        inputs = [images for group in self.groups.values() for images, _ in group.batches]
        for images in [*inputs, self.probe] if self._may_hide_overflow else inputs:
            if images.shape not in self.programs:
                program = self._folded(images)
                self.in_plain[images.shape] = plain = in_place(program)
                tiled = in_place(self._in_tiles(program)) if self.filters else plain
                self.programs[images.shape] = in_blocks(plain) if self.blocked else tiled
        programs = [*self.programs.values(), *(self.in_plain.values() if self.blocked else ())]
        self.read = {name for program in programs for call in program.calls for name in call.weights()}

    def _folded(self, images: Tensor) -> Program:
        return folded(_recorded(self.plain, images), self.folds)

    def _in_tiles(self, program: Program) -> Program:
        from landscape_nb.engines.winograd.graph_pass import (
            in_tiles,  # with LLVM: 50 ms and 40 MB, for those who have convolutions
        )

        samples = sum(group.samples for group in self.groups.values())
        return in_tiles(program, self._with_made(self.plain.state()), self.filters, samples)

    @property
    def _may_hide_overflow(self) -> bool:
        """Whether numbers near the largest are treated otherwise than torch does."""
        return self.blocked or bool(self.filters)

    def with_data(self, data: Batches) -> "Streamlined":
        """The same objective on these batches alone, without extra data."""
        other = super().with_data(data)
        other.folds, other.filters = dict(self.folds), dict(self.filters)
        other.programs, other.in_plain = dict(self.programs), dict(self.in_plain)
        other._record()
        return other

    def state(self, *args, **kwargs) -> dict[str, Tensor]:
        """What programs read at a point, and buffers; all that may be read, if activations overflow."""
        everything = self._with_made(super().state(*args, **kwargs))
        state = self._laid_out({name: everything[name] for name in self.read | self.buffers.keys()})
        return everything | {_OVERFLOWS: torch.tensor(True)} if self._overflows(state) else state

    def states_along(self, affine: Affine) -> Callable[..., dict[str, Tensor]]:
        """What makes the state at a point of a line or plane, from its coordinates."""
        prepared = _prepared(self, affine)
        return partial(self._state_at, affine, prepared) if prepared else super().states_along(affine)

    def _state_at(self, affine: Affine, prepared: "_Prepared", *place: float, space: int) -> dict[str, Tensor]:
        buffers = {name: self.buffers[name].clone() for name in self.read & self.buffers.keys()}
        state = self._laid_out(buffers | prepared(place, space))
        return self.state(affine(*place)) if self._overflows(state) else state

    def made_along(self, affine: Affine) -> Affine | None:
        """The line or plane of what programs read, where that is affine in the weights and not too much to keep.

        Folded weights are, unless a γ moves too (or a variance that is a parameter): they are products with it.
        """
        norms = [fold.norm for fold in self.folds.values()]
        factors = {name for norm in norms for name in (norm.gamma, norm.variance)} & affine.like.keys()
        origin, *directions = (unflatten(vector, affine.like) for vector in (affine.origin, *affine.directions))
        if any(direction[name].any() for direction in directions for name in factors):
            return None
        start = self._read(origin)
        if sum(tensor.numel() for tensor in start.values()) > _MOST_PREPARED:
            return None
        same = {name: origin[name] for name in factors}
        nothing = self._read({name: torch.zeros_like(tensor) for name, tensor in origin.items()} | same)
        parts = [self._read(direction | same) for direction in directions]
        return Affine(start, [{name: tensor - nothing[name] for name, tensor in part.items()} for part in parts])

    def _read(self, params: State) -> dict[str, Tensor]:
        """What programs read at a point, without buffers."""
        made = self._with_made({**self.buffers, **params})
        return {name: made[name] for name in sorted(self.read - self.buffers.keys())}

    def _with_made(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state, and what folds and tiles make from it."""
        for made in (*self.folds.values(), *self.filters.values()):
            state |= made(state)
        return state

    def _laid_out(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state with convolutions' weights as the images are."""
        if self.layout is torch.contiguous_format:
            return state
        return {
            name: tensor.contiguous(memory_format=self.layout) if tensor.ndim == 4 else tensor
            for name, tensor in state.items()
        }

    def outputs(self, state: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        """The model's outputs for a batch."""
        programs = self.in_plain if _OVERFLOWS in state else self.programs
        return programs[batch[0].shape](state, batch[0])

    def _overflows(self, state: dict[str, Tensor]) -> bool:
        """Whether the brightest image, a thousand times brighter, leaves the range of numbers, so that others may.

        In blocks, oneDNN's ReLU makes 0 of NaN: a network that overflows would seem to answer. In tiles,
        sums that cancel are larger than the results.
        """
        if not self._may_hide_overflow:
            return False
        programs = self.in_plain if self.blocked else self.programs
        with torch.no_grad():
            return not torch.isfinite(programs[self.probe.shape](state, self.probe)).all()


class _Prepared:
    """What programs read along a line or plane, in pieces of memory that are used again."""

    def __init__(self, made: Affine):
        self.made = made
        self.spaces: dict[int, Tensor] = {}

    def __call__(self, place: Sequence[float], space: int) -> dict[str, Tensor]:
        if space not in self.spaces:
            self.spaces[space] = torch.empty_like(self.made.origin)
        return self.made(*place, out=self.spaces[space])


@lru_cache(maxsize=1)
def _prepared(objective: Streamlined, affine: Affine) -> _Prepared | None:
    """What is prepared for a line or plane: the last one's, for a sweep asks again and again, and it is large."""
    made = objective.made_along(affine)
    return _Prepared(made) if made else None


def _brightest(batches: Iterable[Tensor]) -> Tensor:
    """The image with the largest entries, as a batch of one."""
    images = torch.cat(list(batches))
    return images[images.flatten(1).abs().amax(1).argmax()][None]


def _has_blocks(images: Tensor) -> bool:
    """Whether oneDNN can lay out these images in blocks."""
    return torch.backends.mkldnn.is_available() and images.dtype is torch.float32 and images.device.type == "cpu"


def _recorded(objective: Objective, inputs: Tensor) -> Program:
    state = objective.state()
    with torch.no_grad(), preserved_rng():
        return record(lambda x: objective.outputs(state, (x, None)), state, inputs)
