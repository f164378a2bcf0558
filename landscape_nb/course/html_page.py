"""The frame of the pages that a run of the course writes."""

from pathlib import Path

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>landscape-nb: {title}</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 18px/1.5 system-ui, sans-serif; max-width: {width}px; margin: 2em auto; padding: 0 1em; }}
{style}
</style></head><body><main>
{body}
</main></body></html>
"""


def write_html(page: Path, title: str, width: int, style: str, body: str) -> Path:
    """Write a page of HTML that looks like the course's others.

    Args:
        page: The file.
        title: What the browser's tab says after `landscape-nb: `.
        width: How wide the text is at most, in pixels.
        style: Rules of CSS besides those that all pages have.
        body: What the page shows, in HTML.

    Returns:
        The file.

    Example:
        >>> import tempfile
        >>> write_html(Path(tempfile.mkdtemp()) / "x.html", "x", 900, "", "<p>x</p>").read_text().splitlines()[-1]
        '</main></body></html>'
    """
    text = _PAGE.format(title=title, width=width, style=style, body=body)
    page.write_text(text, encoding="utf-8")
    return page
