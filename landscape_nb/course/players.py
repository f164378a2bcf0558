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
from dataclasses import dataclass, replace
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
        kind: `'slider'`, `'choice'`, `'checkbox'` (whose values are False and True), or `'fixed'`: it moves only where
            a kernel runs.
        values: What it can be.
        at: Which of them it is first.
        texts: What a page shows for each value; empty for the values themselves.
    """

    name: str
    label: str
    kind: str
    values: Sequence[Any]
    at: int
    texts: Sequence[str] = ()


def player(alt: str, controls: Sequence[Control], draw: Callable[..., bytes]) -> dict[str, Any]:
    """Draw a picture of every setting of some controls.

    Where there are more than 100 settings, sliders keep only some of their values, evenly chosen, with the
    first one and both ends; the page says how many. If that is not enough, choices are fixed, the longest first.

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
    texts = [_for_page(shown) | {"of": len(whole.values)} for shown, whole in zip(kept, controls, strict=True)]
    return {"alt": alt, "controls": texts, "frames": frames}


def _at_most(most: int, controls: Sequence[Control]) -> list[Control]:
    """The controls with so few values that they have at most so many settings; the longest slider goes first."""
    counts = [len(control.values) for control in controls]
    sliders = [k for k, control in enumerate(controls) if control.kind == "slider"]
    choices = [k for k, control in enumerate(controls) if control.kind == "choice"]
    while math.prod(counts) > most and any(counts[k] > 3 for k in sliders):
        counts[max(sliders, key=counts.__getitem__)] -= 1
    while math.prod(counts) > most and any(counts[k] > 1 for k in choices):
        counts[max(choices, key=counts.__getitem__)] = 1
    return [_thinned(control, count) for control, count in zip(controls, counts, strict=True)]


def _thinned(control: Control, count: int) -> Control:
    """The control with so many of its values: both ends, the first one, and others between; or that one alone."""
    if count == len(control.values):
        return control
    if count == 1:
        return _with_values(replace(control, kind="fixed"), [control.at])
    last = len(control.values) - 1
    chosen = np.linspace(0, last, count).round().astype(int)
    if control.at not in chosen:
        between = chosen[1:-1]
        between[np.argmin(np.abs(between - control.at))] = control.at
    return _with_values(control, chosen.tolist())


def _with_values(control: Control, chosen: list[int]) -> Control:
    """The control with some of its values; the one where it stands is among them."""
    values, texts = ([each[at] for at in chosen] if each else each for each in (control.values, control.texts))
    return replace(control, values=values, texts=texts, at=chosen.index(control.at))


def _for_page(control: Control) -> dict[str, Any]:
    texts = ["no", "yes"] if control.kind == "checkbox" else control.texts or as_texts(control.values)
    return {"name": control.name, "label": control.label, "kind": control.kind, "values": texts, "at": control.at}


def as_texts(values: Sequence[Any]) -> list[str]:
    """Values as short texts, with as many digits as tell them apart.

    Example:
        >>> as_texts([0.1, 1 / 3]), as_texts([1.00001, 1.00002])
        (['0.1', '0.3333'], ['1.00001', '1.00002'])
    """
    tries = (
        [f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in values]
        for digits in range(4, 18)
    )
    whole = [str(value) for value in values]
    return next((texts for texts in tries if len(set(texts)) == len(set(whole))), whole)


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
