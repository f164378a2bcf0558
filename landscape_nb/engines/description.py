"""What an engine does, for code to read and as the sentence that results carry."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Replay:
    """How a model's recorded calls are replayed.

    Attributes:
        folded: Batch norms that are folded into the layers before them.
        tiled: 3×3 convolutions that are computed in tiles.
        channels_last: Whether images are laid out with their channels last.
        samples: Samples of the largest batch.
    """

    folded: int
    tiled: int
    channels_last: bool
    samples: int

    def __str__(self) -> str:
        parts = ["calls replayed", f"{_count(self.folded, 'batch norm')} folded"]
        parts += [f"{_count(self.tiled, 'convolution')} in tiles"] * bool(self.tiled)
        parts += ["channels-last"] * self.channels_last
        return ", ".join([*parts, f"{_count(self.samples, 'sample')} a batch"])


@dataclass(frozen=True)
class Description:
    """How points are measured.

    Attributes:
        points: How many at once.
        batched: How several at once: `'vmap'` or `'layer by layer'`; empty where points come one by one.
        threaded: Whether each batch has a thread of its own.
        replay: How calls are replayed; None if the model is called.
        bfloat16: Whether the network computes in bfloat16.
        reasons: Why nothing faster is used.

    Example:
        >>> str(Description(replay=Replay(folded=1, tiled=0, channels_last=False, samples=100), threaded=True))
        'a batch a thread, calls replayed, 1 batch norm folded, 100 samples a batch'
        >>> str(Description(reasons=("a large net",)))
        'one point at a time (a large net)'
    """

    points: int = 1
    batched: str = ""
    threaded: bool = False
    replay: Replay | None = None
    bfloat16: bool = False
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.batched == "vmap":
            return f"{_count(self.points, 'point')} at once (vmap)"
        if self.batched:
            return f"{_count(self.points, 'point')} at once, {self.batched}"
        parts = ["a batch a thread" if self.threaded else "one point at a time"]
        parts += [str(self.replay)] if self.replay else []
        parts += ["in bfloat16"] * self.bfloat16
        why = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return ", ".join(parts) + why


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
