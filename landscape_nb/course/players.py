"""Sliders for readers without a kernel: pictures of many settings, drawn beforehand, and the controls above them.

In a run of the course each slider's output holds its `player`. `write_frames` puts the pictures into files,
of which a browser loads those that a reader comes to, and `player_html` is what a page shows.
"""

import base64
import io
import itertools
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from nbformat import NotebookNode

MIME = "application/vnd.landscape-nb.player+json"
FOLDER = "players"
MOST_FRAMES = 100
_SCRIPT = Path(__file__).parent / "player.js"


@dataclass(frozen=True)
class Control:
    """What a reader chooses.

    Attributes:
        name: The argument of the function that draws.
        label: What stands beside it.
        kind: `'slider'`, `'choice'` or `'checkbox'` (whose values are False and True).
        values: What it can be.
        at: Which of them it is first.
    """

    name: str
    label: str
    kind: str
    values: Sequence[Any]
    at: int


def player(alt: str, controls: Sequence[Control], draw: Callable[..., bytes]) -> dict[str, Any]:
    """Draw a picture of every setting of some controls.

    Where there are more than 100 settings, sliders keep only some of their values, evenly chosen, with the
    first one and both ends; the page says how many.

    Args:
        alt: What the picture shows.
        controls: What a reader chooses.
        draw: Called with a value of each control; returns a picture as PNG.

    Returns:
        What a notebook keeps under the type `MIME`: texts, controls, and the pictures as WebP in base64.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from landscape_nb.plotting.show import png
        >>> power = Control("power", "power", "slider", [1, 2, 3], 1)
        >>> list(player("A power of x", [power], lambda power: png(plt.figure()))["frames"])
        ['0', '1', '2']
    """
    kept = _at_most(MOST_FRAMES, controls)
    frames = {}
    for setting in itertools.product(*(range(len(control.values)) for control in kept)):
        values = {control.name: control.values[at] for control, at in zip(kept, setting, strict=True)}
        frames["-".join(map(str, setting))] = base64.b64encode(_webp(draw(**values))).decode()
    texts = [_as_text(shown) | {"of": len(whole.values)} for shown, whole in zip(kept, controls, strict=True)]
    return {"alt": alt, "controls": texts, "frames": frames}


def _at_most(most: int, controls: Sequence[Control]) -> list[Control]:
    """The controls with so few values that they have at most so many settings; the longest slider goes first."""
    counts = [len(control.values) for control in controls]
    sliders = [k for k, control in enumerate(controls) if control.kind == "slider"]
    while math.prod(counts) > most and any(counts[k] > 3 for k in sliders):
        counts[max(sliders, key=counts.__getitem__)] -= 1
    return [_thinned(control, count) for control, count in zip(controls, counts, strict=True)]


def _thinned(control: Control, count: int) -> Control:
    """The control with so many of its values: both ends, the first value, and others between them."""
    if count == len(control.values):
        return control
    last = len(control.values) - 1
    chosen = np.linspace(0, last, count).round().astype(int)
    if control.at not in chosen:
        between = chosen[1:-1]
        between[np.argmin(np.abs(between - control.at))] = control.at
    values = [control.values[at] for at in chosen]
    return replace(control, values=values, at=chosen.tolist().index(control.at))


def _as_text(control: Control) -> dict[str, Any]:
    texts = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in control.values]
    if control.kind == "checkbox":
        texts = ["no", "yes"]
    return asdict(control) | {"values": texts}


def _webp(png: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, format="webp", quality=80, method=2)
    return buffer.getvalue()


def write_frames(content: "NotebookNode", out: Path, name: str) -> int:
    """Put the pictures of a notebook's players into files, and their directory's name in the place of them.

    Args:
        content: An executed notebook; it is changed.
        out: Where the notebook's pages are; `players` is made there.
        name: The notebook's name.

    Returns:
        How many players there are.

    Example:
        >>> import nbformat
        >>> write_frames(nbformat.v4.new_notebook(), Path("nowhere"), "00_start_here")
        0
    """
    outputs = [output for cell in content.cells for output in cell.get("outputs", ())]
    found = [output.data[MIME] for output in outputs if MIME in output.get("data", {})]
    for number, data in enumerate(found, 1):
        folder = out / FOLDER / f"{name}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for setting, picture in data["frames"].items():
            (folder / f"{setting}.webp").write_bytes(base64.b64decode(picture))
        data["frames"] = folder.name
        shutil.copy(_SCRIPT, out / FOLDER)
    return len(found)


def player_html(data: dict[str, Any], players: str = FOLDER) -> str:
    """What a page shows of a player whose pictures are in files.

    Args:
        data: What `write_frames` left of it.
        players: Where the page finds the directory `players`.

    Example:
        >>> data = {"alt": "A line", "controls": [], "frames": "05_skip_connections-1"}
        >>> player_html(data).splitlines()[-1]
        '<script src="players/player.js"></script>'
    """
    frames = f"{players}/{data['frames']}"
    first = "-".join(str(control["at"]) for control in data["controls"])
    return (
        f'<div class="landscape-player" data-frames="{escape(frames)}"'
        f' data-controls="{escape(json.dumps(data["controls"]))}">\n'
        f'<img src="{escape(frames)}/{first}.webp" alt="{escape(data["alt"])}"></div>\n'
        f'<script src="{escape(players)}/player.js"></script>'
    )
