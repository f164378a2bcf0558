"""An objective with convolutions made faster, its values the same: recorded calls are replayed with batch
norm folded into convolutions, 3×3 ones in tiles, on images laid out and batched as the processor likes.
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from landscape_nb.batches import Batches, is_pair
from landscape_nb.blocked import in_blocks
from landscape_nb.folding import Fold, folded, in_place
from landscape_nb.objective import Objective
from landscape_nb.parameters import Affine, unflatten
from landscape_nb.program import Program, State, UnreplayableError, record
from landscape_nb.rng import preserved_rng
from landscape_nb.tiled import MappedFilters, in_tiles

_CACHE = {torch.channels_last: 6 * 2**20, torch.contiguous_format: 2 * 2**20}
"""Bytes that a convolution may read and write; measured to be fastest, with either layout."""
_SMALLEST_CHANNELS_LAST = 16 * 16
_ENLARGED = 1000
_OVERFLOWS = "activations overflow"
_MOST_PREPARED = 2**24
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
        if objective.batch_norm != "frozen" or objective.fragile:
            raise UnreplayableError("batch norm is recalibrated, or the model changes what it is given")
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
        self._prepared: tuple[Affine, Affine | None] | None = None
        self._spaces: dict[int, Float[Tensor, _]] = {}

    def _folded(self, images: Tensor) -> Program:
        return folded(_recorded(self.plain, images), self.folds)

    def _in_tiles(self, program: Program) -> Program:
        return in_tiles(program, self._with_made(self.plain.state()), self.filters)

    @property
    def _may_hide_overflow(self) -> bool:
        """Whether numbers near the largest are treated otherwise than torch does."""
        return self.blocked or bool(self.filters)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_prepared": None, "_spaces": {}}

    def with_data(self, data: Batches) -> "Streamlined":
        """The same objective on these batches alone, without extra data."""
        other = super().with_data(data)
        other.folds, other.filters = dict(self.folds), dict(self.filters)
        other.programs, other.in_plain = dict(self.programs), dict(self.in_plain)
        other._record()
        return other

    def state(self, *args, **kwargs) -> dict[str, Tensor]:
        """Parameters and buffers at a point, and what is made from them."""
        state = self._laid_out(self._with_made(super().state(*args, **kwargs)))
        return state | {_OVERFLOWS: torch.tensor(True)} if self._overflows(state) else state

    def states_along(self, affine: Affine) -> Callable[..., dict[str, Tensor]]:
        """What makes the state at a point of a line or plane, from its coordinates."""
        if self._prepared is None or self._prepared[0] is not affine:
            self._prepared, self._spaces = (affine, self._affine(affine)), {}
        return partial(self._state_at, *self._prepared)

    def _state_at(self, affine: Affine, prepared: Affine | None, *place: float, space: int) -> dict[str, Tensor]:
        if prepared:
            if space not in self._spaces:
                self._spaces[space] = torch.empty_like(prepared.origin)
            state = self._laid_out({**self.buffers, **prepared(*place, out=self._spaces[space])})
            if not self._overflows(state):
                return state
        return self.state(affine(*place))

    def _affine(self, affine: Affine) -> Affine | None:
        """The line or plane of what programs read, where that is affine in the weights and not too much to keep.

        Folded weights are, unless a γ moves too: then they are its products with the weights.
        """
        gammas = {fold.norm.gamma for fold in self.folds.values()} & affine.like.keys()
        origin, *directions = (unflatten(vector, affine.like) for vector in (affine.origin, *affine.directions))
        if any(direction[name].any() for direction in directions for name in gammas):
            return None
        same = {name: origin[name] for name in gammas}
        nothing, *parts = map(
            self._read, ({**part, **same} for part in ({n: 0 * t for n, t in origin.items()}, *directions))
        )
        start = self._read(origin)
        if sum(tensor.numel() for tensor in start.values()) > _MOST_PREPARED:
            return None
        return Affine(start, [{name: tensor - nothing[name] for name, tensor in part.items()} for part in parts])

    def _read(self, params: State) -> dict[str, Tensor]:
        """What programs read at a point, without buffers."""
        made = self._with_made({**self.buffers, **params})
        programs = [*self.programs.values(), *(self.in_plain.values() if self.blocked else ())]
        names = {name for program in programs for call in program.calls for name in call.weights()}
        return {name: made[name] for name in sorted(names - self.buffers.keys())}

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
