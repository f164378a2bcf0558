"""A widget as an output of a notebook, beside what readers without a kernel see."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets

MIME = "application/vnd.jupyter.widget-view+json"


def widget_view(widget: "ipywidgets.Widget") -> dict[str, Any]:
    """What a cell's output says of a widget, in Jupyter's protocol.

    ipywidgets 7, which Colab has, displays itself and gives no bundle to add to; ipywidgets 8 gives this one.

    Example:
        >>> import ipywidgets
        >>> list(widget_view(ipywidgets.IntSlider()))
        ['application/vnd.jupyter.widget-view+json']
    """
    return {MIME: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
