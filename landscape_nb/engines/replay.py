"""A faster forward pass of a model with convolutions, with the same outputs.

Its recorded calls are replayed: batch norm is folded into convolutions, 3×3 convolutions are computed in tiles,
and images are laid out and batched to suit the processor.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.torchs import is_known
from landscape_nb.engines.description import Description, Replay
from landscape_nb.engines.faults import InapplicableError, reason
from landscape_nb.engines.fold_batch_norm import Fold, folded, in_place
from landscape_nb.engines.graph import Program, record
from landscape_nb.engines.points import OneByOne, SideBySide
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.objective.forward import Buffers, Forward, State, Wrapper
from landscape_nb.objective.remembering import as_given
from landscape_nb.weights.params import Affine, Params, unflatten

if TYPE_CHECKING:
    from landscape_nb.engines.winograd.graph_pass import MappedFilters
    from landscape_nb.objective.batches import Batches

_CACHE = {torch.channels_last: 6 * 2**20, torch.contiguous_format: 2 * 2**20}
"""Bytes that a convolution may read and write; measured to be fastest, with either layout."""
_SMALLEST_CHANNELS_LAST = 16 * 16
_ENLARGED = 1000
_OPAQUE_POINTERS = (0, 44)
"""The version of llvmlite since which pointers may do without a type; Colab has an older one."""
_OVERFLOWS = "activations overflow"
_MOST_PREPARED = 2**20
"""Numbers that are kept for a line's or plane's origin and each direction, so that points take a sum of them."""


def replayed(evaluator: Evaluator, differentiable: bool = False, tiles: bool = True) -> Evaluator:
    """An evaluator that replays its model's calls; its values are to be compared with the plain ones.

    Args:
        evaluator: What evaluates a model with convolutions on pairs of tensors, with frozen batch norm.
        differentiable: Leave the batches as they are, instead of making them fit the processor's cache,
            and use nothing but what torch can differentiate twice.
        tiles: Compute 3×3 convolutions in tiles, where this processor can.

    Raises:
        InapplicableError: The model has no convolution, or its calls cannot be recorded.

    Example:
        >>> from landscape_nb.objective.objective import Objective
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        >>> objective = Objective(model, (torch.randn(8, 1, 25, 25), torch.zeros(8, dtype=torch.long)))
        >>> faster = replayed(objective.evaluator)
        >>> [call.function.__name__ for program in faster.forward.programs.values() for call in program.calls]
        ['conv2d', 'flatten']
    """
    return _by_recipe(evaluator, _Recipe.of(evaluator, tiles and not differentiable), rearranging=not differentiable)


def _by_recipe(evaluator: Evaluator, recipe: _Recipe, rearranging: bool) -> Evaluator:
    """An evaluator that replays calls, on batches that fit the processor's cache, if they may be rearranged."""
    groups = evaluator.groups
    if all(evaluator.by_sample.values()) and rearranging:
        size = max(1, int(_CACHE[recipe.layout] // recipe.bytes_of_a_sample))
        groups = {name: group.rearranged(size, recipe.layout) for name, group in groups.items()}
    batches = [batch for group in groups.values() for batch in group.batches]
    return replace(evaluator, forward=Replayed(recipe, batches), groups=groups)


def differentiable(evaluator: Evaluator, agrees: Callable[[Evaluator], bool]) -> OneByOne:
    """An engine whose evaluator's loss is differentiated twice in less time; the plain one where none is right.

    Second derivatives of batch norm take as long as those of the convolutions; folded, it needs none.

    Args:
        evaluator: The plain evaluator.
        agrees: Whether another evaluator's gradient is the plain one's.

    Example:
        >>> from landscape_nb.objective.objective import Objective
        >>> objective = Objective(torch.nn.Linear(2, 2), (torch.ones(2, 2), torch.tensor([0, 1])))
        >>> str(differentiable(objective.evaluator, lambda faster: True).description)
        'one point at a time (no convolutions)'
    """
    try:
        recipe = _Recipe.of(evaluator, tiles=False)
        faster = _by_recipe(evaluator, recipe, rearranging=False)
        # Not always a fault of ours: near a minimum it is a small sum of large numbers, which rounding changes.
        if not agrees(faster):
            raise InapplicableError("replayed calls have another gradient")
        return OneByOne(faster, Description(replay=_replay(recipe, faster)))
    except Exception as error:
        return OneByOne(evaluator, Description(reasons=(reason(error),)))


def replaying(evaluator: Evaluator, tiles: bool = True, threads: bool = True) -> OneByOne:
    """An engine that replays calls: batches side by side, if that is wanted and its metrics may run in threads.

    Example:
        >>> from landscape_nb.objective.objective import Objective
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten())
        >>> objective = Objective(model, (torch.randn(8, 1, 4, 4), torch.zeros(8, dtype=torch.long)))
        >>> str(replaying(objective.evaluator, tiles=False).description)
        'a batch a thread, calls replayed, 0 batch norms folded, 8 samples a batch'
    """
    recipe = _Recipe.of(evaluator, tiles)
    faster = _by_recipe(evaluator, recipe, rearranging=True)
    threaded = threads and all(is_known(as_given(metric)) for metric in evaluator.metrics.values())
    how = Description(threaded=threaded, replay=_replay(recipe, faster))
    return (SideBySide if threaded else OneByOne)(faster, how)


def _replay(recipe: _Recipe, faster: Evaluator) -> Replay:
    return Replay(
        folded=len(recipe.folds),
        tiled=len(recipe.filters),
        channels_last=recipe.layout is torch.channels_last,
        samples=max(faster.data.counts),
    )


@dataclass(frozen=True)
class _Recipe:
    """How a model's calls are made faster, found out on one batch of it.

    Attributes:
        plain: The forward pass that is recorded.
        folds: Makes the weights of layers with batch norm folded in, by name.
        filters: Makes the filters of convolutions in tiles, by name.
        tiles: Whether 3×3 convolutions are computed in tiles.
        samples: How many images are convolved with the same weights.
        layout: How images and the weights of convolutions lie in memory.
        bytes_of_a_sample: What the convolution with the largest images reads and writes for one of them.
        probe: The brightest image, much enlarged, as a batch of one.
    """

    plain: Forward
    folds: Mapping[str, Fold]
    filters: Mapping[str, MappedFilters]
    tiles: bool
    samples: int
    layout: torch.memory_format
    bytes_of_a_sample: float
    probe: Tensor

    @classmethod
    def of(cls, evaluator: Evaluator, tiles: bool) -> _Recipe:
        forward = evaluator.forward
        if evaluator.only_plain:
            raise InapplicableError(evaluator.only_plain)
        if not evaluator.reads_pairs:
            raise InapplicableError("the data are not pairs of tensors")
        samples = sum(group.samples for group in evaluator.groups.values())
        images = evaluator.batches[0][0]
        folds: dict[str, Fold] = {}
        filters: dict[str, MappedFilters] = {}
        program = folded(_recorded(forward, images), folds)
        if not program.busiest:
            raise InapplicableError("no convolutions")
        if tiles:
            _in_tiles(program, forward, folds, filters, samples)
        large = images.ndim == 4 and images[0, 0].numel() >= _SMALLEST_CHANNELS_LAST
        layout = torch.channels_last if large or filters else torch.contiguous_format
        alike = (inputs for inputs, _ in evaluator.batches if inputs.shape[1:] == images.shape[1:])
        probe = _brightest(alike) * _ENLARGED
        return cls(forward, folds, filters, bool(filters), samples, layout, program.busiest / len(images), probe)


class Replayed(Wrapper):
    """Replays a model's calls.

    Args:
        recipe: How the calls are made faster.
        batches: What outputs will be asked for; programs are made for their shapes.
    """

    def __init__(self, recipe: _Recipe, batches: Iterable[Any]):
        super().__init__(recipe.plain)
        self.recipe = recipe
        self.folds, self.filters = dict(recipe.folds), dict(recipe.filters)
        self.programs: dict[torch.Size, Program] = {}
        self.without_tiles: dict[torch.Size, Program] = {}
        for images in [*(inputs for inputs, _ in batches), *([recipe.probe] if recipe.tiles else [])]:
            if images.shape not in self.programs:
                program = folded(_recorded(recipe.plain, images), self.folds)
                self.without_tiles[images.shape] = self.programs[images.shape] = in_place(program)
                if recipe.tiles:
                    tiled = _in_tiles(program, recipe.plain, self.folds, self.filters, recipe.samples)
                    self.programs[images.shape] = in_place(tiled)
        self.read_names = {
            name for program in self.programs.values() for call in program.calls for name in call.weights()
        }

    def fitted_to(self, batches: Iterable[Any]) -> Replayed:
        """The same for batches of other shapes."""
        return Replayed(self.recipe, batches)

    def state(
        self, params: Params | None = None, buffers: Buffers | None = None, recalibrated_on: Batches | None = None
    ) -> State:
        """What programs read at a point, and buffers; all that may be read, if activations overflow."""
        everything = self._with_made(self.inner.state(params, buffers, recalibrated_on))
        state = self._laid_out({name: everything[name] for name in self.read_names | self.buffers.keys()})
        return everything | {_OVERFLOWS: torch.tensor(True)} if self._overflows(state) else state

    def states_along(self, affine: Affine, recalibrated_on: Batches | None = None) -> Callable[..., State]:
        """A function that makes the state at a point of a line or plane from its coordinates."""
        prepared = _LAST.prepared(self, affine)
        if prepared is None:
            return lambda *coords, scratch: self.state(affine(*coords))
        return partial(self._state_at, affine, prepared)

    def _state_at(self, affine: Affine, prepared: _Prepared, *coords: float, scratch: int) -> State:
        buffers = {name: self.buffers[name].clone() for name in self.read_names & self.buffers.keys()}
        state = self._laid_out(buffers | prepared(coords, scratch))
        return self.state(affine(*coords)) if self._overflows(state) else state

    def made_along(self, affine: Affine) -> Affine | None:
        """The line or plane of what programs read, where that is affine in the weights and not too much to keep.

        Folded weights are, unless a γ moves too (or a variance that is a parameter): they are products with it.
        """
        # Folding at every point takes a pass over all weights; a sum of folded directions takes less. At θ + Σ cᵢ dᵢ
        # a layer's weight is s W, s = γ / √(var + ε), and its bias s (b − mean) + β. While s stays, both are affine
        # in the coordinates, but not linear: −s mean is there even if all weights are zero. So `nothing` is
        # subtracted from each direction's part, or it would be counted once more for each. Where s moves, None: the
        # state is then made anew at each point.
        norms = [fold.norm for fold in self.folds.values()]
        factors = {name for norm in norms for name in (norm.gamma, norm.variance) if name} & affine.template.keys()
        origin, *directions = (unflatten(vector, affine.template) for vector in (affine.origin, *affine.directions))
        if any(direction[name].any() for direction in directions for name in factors):
            return None
        start = self._read_at(origin)
        if sum(tensor.numel() for tensor in start.values()) > _MOST_PREPARED:
            return None
        same = {name: origin[name] for name in factors}
        nothing = self._read_at({name: torch.zeros_like(tensor) for name, tensor in origin.items()} | same)
        parts = (self._read_at(direction | same) for direction in directions)
        moved = ({name: tensor - nothing[name] for name, tensor in part.items()} for part in parts)
        # One after the other, and a template without memory: in tiles a wide network's weights take four times theirs.
        shapes = {name: tensor.new_empty(()).expand(tensor.shape) for name, tensor in start.items()}
        return Affine(start, moved, shapes)

    def _read_at(self, params: State) -> State:
        """What programs read at a point, without buffers."""
        made = self._with_made({**self.buffers, **params})
        return {name: made[name] for name in sorted(self.read_names - self.buffers.keys())}

    def _with_made(self, state: State) -> State:
        """The state, and what folds and tiles make from it."""
        return _with_made(state, self.folds, self.filters)

    def _laid_out(self, state: State) -> State:
        """The state with convolutions' weights as the images are."""
        layout = self.recipe.layout
        if layout is torch.contiguous_format:
            return state
        return {
            name: tensor.contiguous(memory_format=layout) if tensor.ndim == 4 else tensor
            for name, tensor in state.items()
        }

    def outputs(self, state: State, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The model's outputs for a batch."""
        programs = self.without_tiles if _OVERFLOWS in state else self.programs
        return programs[batch[0].shape](state, batch[0])

    # Tiles add and subtract images before they multiply: their sums may leave the range of numbers where the results
    # that cancel would not, and infinity minus infinity is NaN. Asking every batch costs a pass over its outputs and
    # sees nothing that a ReLU has hidden, so one image is asked at each point: the brightest, a thousand times
    # brighter. It fails where some other image's activations are far larger than the brightest one's.
    def _overflows(self, state: State) -> bool:
        """Whether a very bright image leaves the range of numbers, so that others may."""
        if not self.recipe.tiles:
            return False
        with torch.no_grad():
            return not torch.isfinite(self.programs[self.recipe.probe.shape](state, self.recipe.probe)).all()


class _Prepared:
    """What programs read along a line or plane, in memory that is used again."""

    def __init__(self, made: Affine):
        self.made = made
        self.scratch: dict[int, Tensor] = {}

    def __call__(self, coords: Sequence[float], scratch: int) -> State:
        if scratch not in self.scratch:
            self.scratch[scratch] = torch.empty_like(self.made.origin)
        return self.made(*coords, out=self.scratch[scratch])


class _Last:
    """Keeps what is prepared for the last line or plane.

    A sweep asks for it piece by piece, and it is large: kept by each forward pass, the planes of a notebook's ten
    networks would take tens of megabytes. It goes with its forward pass, or with its line or plane.
    """

    def __init__(self):
        self.kept: tuple[weakref.ref, weakref.ref, _Prepared | None] | None = None

    def prepared(self, forward: Replayed, affine: Affine) -> _Prepared | None:
        """What is prepared for a line or plane; None where that cannot be."""
        kept = self.kept
        if kept and kept[0]() is forward and kept[1]() is affine:
            return kept[2]
        self.kept = None  # its memory is free before more is taken
        made = forward.made_along(affine)
        prepared = _Prepared(made) if made else None
        self.kept = weakref.ref(forward, self._forget), weakref.ref(affine, self._forget), prepared
        return prepared

    def _forget(self, reference: weakref.ref) -> None:
        if self.kept and (self.kept[0] is reference or self.kept[1] is reference):
            self.kept = None


_LAST = _Last()


def _with_made(state: State, folds: Mapping[str, Fold], filters: Mapping[str, MappedFilters]) -> State:
    """The state, and what folds and tiles make from it."""
    for made in (*folds.values(), *filters.values()):
        state = state | made(state)
    return state


def _in_tiles(
    program: Program, plain: Forward, folds: Mapping[str, Fold], filters: dict[str, MappedFilters], samples: int
) -> Program:
    """The program with 3×3 convolutions in tiles; what makes their filters is added to `filters`."""
    try:
        import llvmlite.binding  # 50 ms and 40 MB: not for all
    except (ImportError, OSError):  # it is not there, or its library does not load: all convolutions are torch's
        return program
    if tuple(map(int, llvmlite.__version__.split(".")[:2])) < _OPAQUE_POINTERS:
        return program
    from landscape_nb.engines.winograd.graph_pass import in_tiles

    return in_tiles(program, _with_made(plain.state(), folds, filters), filters, samples)


def _brightest(batches: Iterable[Tensor]) -> Tensor:
    """The image with the largest entries, as a batch of one."""
    images = torch.cat(list(batches))
    return images[images.flatten(1).abs().amax(1).argmax()][None]


def _recorded(forward: Forward, inputs: Tensor) -> Program:
    state = forward.state()
    with torch.no_grad(), preserved_rng():
        return record(lambda x: forward.outputs(state, (x, None)), state, inputs)
