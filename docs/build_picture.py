"""Make the README's moving picture from the shipped planes: `python docs/build_picture.py` writes docs/images."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from landscape_nb.course.presets import shipped_planes
from landscape_nb.plotting import plot_surfaces

PICTURE = Path(__file__).parent / "images" / "turning.gif"
FRAMES = 36
MILLISECONDS = 110
COLOURS = 64


def frames():
    """The pair of surfaces of notebook 00, seen from all around."""
    planes = dict(reversed(shipped_planes("05").items()))
    figure = plot_surfaces(planes, bottom=0.1, top=40)
    panels = [axes for axes in figure.axes if axes.name == "3d"]
    start = panels[0].azim
    for turn in np.linspace(0, 360, FRAMES, endpoint=False):
        for panel in panels:
            panel.view_init(elev=panel.elev, azim=start + turn)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=62)
        yield Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)


def main():
    """Write the picture."""
    first, *others = frames()
    PICTURE.parent.mkdir(exist_ok=True)
    first.save(PICTURE, save_all=True, append_images=others, duration=MILLISECONDS, loop=0, optimize=True)


if __name__ == "__main__":
    main()
