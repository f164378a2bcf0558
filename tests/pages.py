"""Notebooks as executed, made by hand, and the pictures of a page."""

from html.parser import HTMLParser

import nbformat

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def shown(data, **metadata):
    return nbformat.v4.new_output("display_data", data, metadata=metadata)


def executed(*outputs):
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("draw()", outputs=list(outputs))]
    return nbformat.v4.new_notebook(cells=cells)


def picture(alt="Two <curves> & a line"):
    return shown({"image/png": PIXEL}, **{"image/png": {"alt": alt}})


class Images(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.scripts = [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))
        if tag == "script" and "src" in dict(attrs):
            self.scripts.append(dict(attrs)["src"])
