"""Sphinx settings of the site: the course as it was executed, and its pages; `make site` writes build/site."""

import re
import shutil
import sys
from html import escape
from pathlib import Path

import nbformat

from landscape_nb.course.notebook_page import put_moving_parts, write_plotly
from landscape_nb.course.notebooks import NOTEBOOKS

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from planes import write_planes  # noqa: E402

DESCRIPTION = (
    "Draw the loss landscapes of neural networks honestly: a course of thirteen notebooks that redo Li et al. (2018) "
    "in seconds, and a library for models of your own."
)

project = "landscape-nb"
author = "The landscape-nb developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "landscape_nb/engines/README.md",
    "docs/*.md",
    "notebooks/**.ipynb",
]
exclude_patterns = ["**/.ipynb_checkpoints"]
templates_path = ["templates"]
html_additional_pages = {"index": "start.html"}
html_favicon = "site/favicon.svg"
html_theme = "sphinx_book_theme"
html_title = "landscape-nb"
html_context = {"default_mode": "light"}
html_theme_options = {"logo": {"text": "landscape-nb"}}  # templates/navbar-logo.html says where it leads
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_sourcelink_suffix = ""
nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_heading_anchors = 2
default_role = "code"  # docstrings put code in single backquotes, as Markdown has it
autodoc_typehints = "none"  # shapes are in the docstrings
napoleon_custom_sections = [("Source", "notes_style")]
napoleon_use_ivar = True


def setup(app):
    """Show the course as `-D course=…` has executed it (default: as committed), with what moves and with words."""
    app.add_config_value("course", "", "env")
    app.connect("source-read", _show_notebook)
    app.connect("doctree-read", _keep_out_of_search)
    app.connect("html-page-context", _fill_start_page)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _copy_moving_parts)


def _show_notebook(app, name, source):
    if not name.startswith("notebooks/"):
        return
    content = nbformat.reads(source[0], as_version=4)
    if app.config.course and "solutions" not in name:
        content = nbformat.read(Path(app.config.course) / f"{Path(name).name}.ipynb", as_version=4)
    put_moving_parts(content, "../_static", "../_static/players")
    content.metadata.setdefault("language_info", {})["pygments_lexer"] = "ipython3"  # which knows magics
    for cell in content.cells:
        for output in cell.get("outputs", ()):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
    source[0] = nbformat.writes(content)


def _keep_out_of_search(app, _doctree):
    """A solved notebook has its notebook's text: whoever searches wants the notebook."""
    if "solutions/" in app.env.docname:
        app.env.metadata[app.env.docname]["nosearch"] = True


def _fill_start_page(_app, page, _template, context, _doctree):
    if page == "index":
        context |= {"description": DESCRIPTION, "cards": [_card(notebook) for notebook in NOTEBOOKS]}


def _describe(_app, page, _template, context, _doctree):
    """What a search engine says of a page: the notebook's question, or what the project is."""
    asked = {f"notebooks/{notebook.name}": notebook for notebook in NOTEBOOKS}
    said = _question(asked[page]) if page in asked else DESCRIPTION
    if page != "index":
        context["metatags"] = context.get("metatags", "") + f'<meta name="description" content="{escape(said)}">'


def _question(notebook):
    """A notebook's question, without marks."""
    head = nbformat.read(notebook.path, as_version=4).cells[0].source
    return re.sub("[*`]", "", re.search(r"\*\*Question\.\*\* (.*)", head)[1])


def _card(notebook):
    """What the start page shows of a notebook: its answer figure, with that figure's words."""
    head = nbformat.read(notebook.path, as_version=4).cells[0].source
    (alt,) = re.findall(rf"!\[(.*?)\]\(images/{notebook.name}\.png\)", head)
    return {name: getattr(notebook, name) for name in ("name", "number", "title", "paper")} | {"alt": alt}


def _copy_moving_parts(app, error):
    if error is not None:
        return
    out = Path(app.outdir)
    write_plotly(out / "_static")
    shutil.copytree(HERE / "site", out / "site", dirs_exist_ok=True)
    shutil.move(out / "site" / "explorer.html", out / "explorer.html")
    shutil.copytree(HERE.parent / "notebooks" / "images", out / "site" / "images", dirs_exist_ok=True)
    write_planes(out / "site" / "planes.js")
    if app.config.course:
        shutil.copytree(Path(app.config.course) / "players", out / "_static" / "players", dirs_exist_ok=True)
