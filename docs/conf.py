"""Sphinx settings of the site: the course as it is shipped, and its pages; `make site` writes build/site."""

import json

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
html_theme = "sphinx_book_theme"
html_title = "landscape-nb"
html_sourcelink_suffix = ""
nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_heading_anchors = 2
default_role = "code"  # docstrings put code in single backquotes, as Markdown has it
autodoc_typehints = "none"  # shapes are in the docstrings
napoleon_custom_sections = [("Source", "notes_style")]
napoleon_use_ivar = True
suppress_warnings = ["mystnb.unknown_mime_type"]  # figures to turn have a picture beside them


def setup(app):
    """Have figures described on the site as they are in the notebooks."""
    app.connect("source-read", _describe_figures)


def _describe_figures(_app, name, source):
    if not name.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
    source[0] = json.dumps(notebook)
