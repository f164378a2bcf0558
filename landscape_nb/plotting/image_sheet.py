"""Images with a network's answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from landscape_nb._common.checks import check_whole
from landscape_nb.plotting.style import COLOURS, check_panel, lettering


def draw_answers(
    panel: Axes,
    images: Shaped[np.ndarray, "n h w *c"],
    labels: Sequence[int],
    probabilities: Float[np.ndarray, "n classes"],
    names: Sequence[str] | None = None,
    columns: int = 4,
) -> None:
    """Draw images into a panel as a sheet, each with a network's answer and how sure it is.

    Right answers have a tick and a solid frame, wrong ones a cross, a dashed frame and the truth
    below them; where the probabilities are not finite there is no answer.

    Args:
        panel: Where to draw.
        images: Pixels in [0, 1], with a last dimension of channels or without.
        labels: The true class of each image.
        probabilities: The network's probabilities, one row for each image.
        names: Names of the classes; default their numbers.
        columns: Images in a row.

    Raises:
        TypeError: `panel` is not a panel.
        ValueError: The numbers of images, labels and rows of probabilities differ, an array has the wrong shape, a
            label is not one of the classes or lacks a name, or `columns` is below 1.

    Example:
        >>> from landscape_nb.plotting.style import panels
        >>> figure, (panel,) = panels(1)
        >>> draw_answers(panel, np.zeros((2, 8, 8)), [0, 1], np.array([[0.9, 0.1], [0.7, 0.3]]))
        >>> [text.get_text() for text in panel.texts]
        ['✓ 0 (90 %)', '✗ 0 (70 %)\\nis 1']
    """
    check_panel(panel)
    check_whole("columns", columns, 1)
    images, probabilities = np.asarray(images), np.asarray(probabilities)
    _check_shapes(images, labels, probabilities, names)
    if not len(images) == len(labels) == len(probabilities):
        raise ValueError(f"got {len(images)} images, {len(labels)} labels, {len(probabilities)} rows of probabilities")
    names = [str(number) for number in range(probabilities.shape[1])] if names is None else names
    for number, (image, label, row) in enumerate(zip(images, map(int, labels), probabilities, strict=True)):
        left, bottom = number % columns, -1.45 * (number // columns)
        extent = left + 0.08, left + 0.92, bottom + 0.08, bottom + 0.92
        panel.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, extent=extent)
        text, right = _answer(row, label, names)
        colour, stroke = (COLOURS[0], "-") if right else (COLOURS[1], "--")
        size = extent[1] - extent[0], extent[3] - extent[2]
        panel.add_patch(Rectangle((extent[0], extent[2]), *size, fill=False, color=colour, ls=stroke, lw=3))
        panel.text(left + 0.5, bottom + 0.02, text, ha="center", va="top", color=colour, fontsize=lettering(12))
    rows = -(-len(images) // columns)
    panel.set(xlim=(0, columns), ylim=(1.45 * (1 - rows) - 0.4, 1), aspect="equal")
    panel.axis("off")


def _check_shapes(images: np.ndarray, labels: Any, probabilities: np.ndarray, names: Any) -> None:
    if images.ndim not in (3, 4):
        raise ValueError(f"images: got shape {images.shape}, wants (images, height, width) or with channels last")
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities: got shape {probabilities.shape}, wants a row for each image")
    if np.ndim(labels) != 1:
        raise ValueError(f"labels: got {labels!r}, wants a class for each image")
    classes = probabilities.shape[1]
    if any(not 0 <= int(label) < classes for label in labels):
        raise ValueError(f"labels: got {list(map(int, labels))}, wants classes from 0 to {classes - 1}")
    if names is not None and len(names) < classes:
        raise ValueError(f"names: got {len(names)} of them for {classes} classes")


def _answer(probabilities: np.ndarray, label: int, names: Sequence[str]) -> tuple[str, bool]:
    """The network's answer to an image, in words, and whether it is right."""
    if not np.isfinite(probabilities).all():
        return f"no answer\nis {names[label]}", False
    predicted = int(probabilities.argmax())
    text = f"{names[predicted]} ({probabilities[predicted]:.0%})".replace("%", " %")
    return (f"✓ {text}", True) if predicted == label else (f"✗ {text}\nis {names[label]}", False)
