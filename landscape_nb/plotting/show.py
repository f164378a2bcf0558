"""Figures as pictures: rendered, and displayed in a notebook with a text for readers who cannot see them."""

import base64
import html
import io
import json
import sys
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landscape_nb._common import settings
from landscape_nb._common.checks import check_kind
from landscape_nb.plotting.names import name_in_jupyterlab

if TYPE_CHECKING:
    import plotly.graph_objects


def png(figure: Figure, dpi: int = 90) -> bytes:
    """Render a figure as a PNG and close it.

    Example:
        >>> png(plt.figure())[:4]
        b'\\x89PNG'
    """
    buffer = io.BytesIO()
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(buffer)  # draws once; savefig draws twice
    plt.close(figure)
    return buffer.getvalue()


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook, with a text for readers who cannot see it.

    JupyterLab shows a picture without the text beside it, but HTML as it is: so a live notebook gets both.

    Args:
        figure: The figure; it is closed.
        alt: What the figure shows, in a sentence.

    Raises:
        TypeError: A figure is not one, or `alt` is not a text.
        ValueError: The text is empty.

    Example:
        >>> show(plt.figure(), alt="An empty figure")  # doctest: +SKIP
    """
    from IPython.display import display

    bundle = {"text/plain": alt} | _picture(figure, alt)
    if not settings.players():
        source = f"data:image/png;base64,{bundle['image/png']}"
        bundle["text/html"] = f'<img src="{source}" alt="{html.escape(alt)}">'
    display(bundle, metadata={"image/png": {"alt": alt}}, raw=True)


def show_interactive(figure: "plotly.graph_objects.Figure", still: Figure, alt: str) -> None:
    """Display a plotly figure in a notebook, and a picture of it where it cannot be turned.

    Args:
        figure: What a live notebook shows.
        still: What readers without JupyterLab see instead; it is closed.
        alt: What the figure shows, in a sentence.

    Raises:
        TypeError: A figure is not one, or `alt` is not a text.
        ValueError: The text is empty.

    Example:
        >>> show_interactive(plotly_surface(plane), plot_surfaces(plane), "A bowl")  # doctest: +SKIP
    """
    import plotly.graph_objects as go
    from IPython.display import display

    check_kind("figure", figure, go.Figure, "a plotly Figure, as plotly_surface makes")
    still_picture = _picture(still, alt, "still")
    if "google.colab" in sys.modules:
        figure.show(renderer="colab")
        return
    if not settings.players():
        words = f'<span class="landscape-nb-alt" hidden>{html.escape(alt)}</span>'
        display({"text/html": words, "text/plain": ""}, raw=True)
    bundle = {"application/vnd.plotly.v1+json": json.loads(figure.to_json()), "text/plain": alt}
    display(bundle | still_picture, metadata={"image/png": {"alt": alt}}, raw=True)
    name_in_jupyterlab()


def _picture(figure: Figure, alt: str, argument: str = "figure") -> dict[str, str]:
    check_kind(argument, figure, Figure, "a matplotlib Figure")
    check_kind("alt", alt, str, "a sentence that says what the figure shows")
    if not alt.strip():
        raise ValueError("alt: got an empty text, wants a sentence that says what the figure shows")
    return {"image/png": base64.b64encode(png(figure)).decode()}
