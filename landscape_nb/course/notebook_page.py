"""An executed notebook as a page of HTML that needs neither a kernel nor a network."""

import re
from html import escape
from pathlib import Path
from typing import Any

import nbformat

from landscape_nb.course import players, widget_view
from landscape_nb.course.html_page import ICON
from landscape_nb.course.notebooks import Notebook, notebooks_directory

_PLOTLY = "application/vnd.plotly.v1+json"
_PLOTLY_SCRIPT = "plotly.min.js"
_BADGE = re.compile(r"\[!\[(.*?)\]\(https://[^)]*badge[^)]*\)\]\((.*?)\)")
_PAGE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_css %}{{ super() }}
<meta name="description" content="{{ resources.metadata.description | escape_html }}">{{ resources.metadata.icon }}
<style>
.jp-RenderedHTMLCommon a { text-decoration: underline !important; }
.jp-InputPrompt, .jp-OutputPrompt { color: #555 !important; opacity: 1 !important; }
.highlight .mi, .highlight .mf { color: #006400 !important; }
.highlight .c, .highlight .c1, .highlight .cm { color: #35605f !important; }
.highlight .o, .highlight .ow { color: #7a1fa2 !important; }
.folded-code { font-family: sans-serif; color: #555; margin-left: 7em; }
</style>
{% endblock %}
{% block input_group %}{% if cell.metadata.get("jupyter", {}).get("source_hidden") %}
<details class="folded-code"><summary>code</summary>{{ super() }}</details>
{% else %}{{ super() }}{% endif %}{% endblock %}
{% block data_png scoped %}<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] }}"
 alt="{{ output | get_metadata('alt', 'image/png') | escape_html }}"></div>{% endblock %}
"""
"""JupyterLab's page, without scripts from the network, with folded cells and with the figures' alternative texts."""


def write_page(content: nbformat.NotebookNode, out: Path, notebook: Notebook) -> Path:
    """Write a notebook as an HTML page that works offline, with figures that turn and players in the place of sliders.

    Args:
        content: The executed notebook; where it has players, `players.write_frames` has written their pictures.
        out: The page's directory. `plotly.min.js` is put beside it if it needs that.
        notebook: Which notebook it is.

    Returns:
        The page.
    """
    from nbconvert import HTMLExporter

    made: Any = nbformat.from_dict(content)
    if put_moving_parts(made):
        write_plotly(out)
    resources = {
        "metadata": {
            "path": str(notebooks_directory()),
            "name": f"{notebook.number} {notebook.title} – landscape-nb",
            "description": f"A notebook on loss landscapes: {notebook.title}",
            "icon": ICON,
        }
    }
    body, _ = HTMLExporter(raw_template=_PAGE, embed_images=True).from_notebook_node(made, resources)
    page = out / f"{notebook.name}.html"
    page.write_text(body, encoding="utf-8")
    return page


def put_moving_parts(content: nbformat.NotebookNode, scripts: str = ".", frames: str = players.FOLDER) -> bool:
    """Put HTML in the place of what moves only in a live notebook: figures that turn, and sliders.

    Badges become links of text: their pictures lie on the internet.

    Args:
        content: An executed notebook; it is changed.
        scripts: Where its page finds `plotly.min.js`.
        frames: Where its page finds the directory `players`.

    Returns:
        Whether the page needs `plotly.min.js`.

    Example:
        >>> put_moving_parts(nbformat.v4.new_notebook())
        False
    """
    needs_plotly = False
    content.metadata.pop("widgets", None)
    for cell in content.cells:
        if cell.cell_type != "code":
            cell.source = _BADGE.sub(r"[\1](\2)", cell.source)
            continue
        cell.outputs = [output for output in cell.outputs if not _is_bar(output)]
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop(widget_view.MIME, None)
            if _PLOTLY in data:
                first = "" if needs_plotly else f'<script src="{scripts}/{_PLOTLY_SCRIPT}"></script>\n'
                alt = output.metadata.get("image/png", {}).get("alt", "")
                data["text/html"] = first + _plotly_html(data.pop(_PLOTLY), alt)
                needs_plotly = True
            elif players.MIME in data:
                data["text/html"] = players.player_html(data.pop(players.MIME), frames)
            else:
                continue
            data.pop("image/png", None)
    return needs_plotly


def _is_bar(output: nbformat.NotebookNode) -> bool:
    """Whether an output is a progress bar: a widget with a line of text in its place."""
    return set(output.get("data", {})) == {widget_view.MIME, "text/plain"}


def _plotly_html(figure: dict[str, Any], alt: str) -> str:
    """What a page shows of a figure that turns, named for readers who do not see it."""
    import plotly.io

    made = plotly.io.from_json(plotly.io.json.to_json_plotly(figure), skip_invalid=True)
    turning = plotly.io.to_html(made, include_plotlyjs=False, full_html=False, auto_play=False)
    return f'<div role="figure" aria-label="{escape(alt)}">{turning}</div>' if alt else turning


def write_plotly(out: Path) -> None:
    """Write the script that shows plotly's figures into a directory."""
    from plotly.offline import get_plotlyjs

    (out / _PLOTLY_SCRIPT).write_text(get_plotlyjs(), encoding="utf-8")
