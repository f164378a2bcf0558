"""Names for what JupyterLab shows without one: a screen reader's "slider" and "image"."""

from pathlib import Path

from landscape_nb._common import settings

_SCRIPT = Path(__file__).parent / "names.js"


def name_in_jupyterlab() -> None:
    """Display the script that names sliders, pictures and figures, if a live notebook is there to run it."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if InteractiveShell.initialized() and not settings.players():
        display({"application/javascript": _SCRIPT.read_text(encoding="utf-8")}, raw=True)
